#!/bin/sh
# Take out of installed packages what a service never loads; `deploy/Dockerfile` runs it, and a test serves from what is
# left. Usage: sh slim.sh SITE_PACKAGES
set -eu
cd "$1"
# Arrow's network file systems and Flight, headers, and what the packages test themselves with.
rm -rf pyarrow/include pyarrow/*flight* pyarrow/*s3* pyarrow/_azurefs* pyarrow/_gcsfs*
# The wheel holds one library under three names, of which the loader asks for the middle one.
rm -f pyarrow/libarrow_python.so pyarrow/libarrow_python.so.*.*.*
rm -rf onnxruntime/backend onnxruntime/datasets onnxruntime/quantization onnxruntime/tools onnxruntime/transformers
find . -type d -name tests -prune -exec rm -rf {} +
find . -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.pyi' -o -name '*.h' \) -exec rm -f {} +
# Symbols for debuggers. Not of numpy.libs: its libraries were patched after linking, and strip would break them. Each
# into a new file: an installer may have linked the old one to its cache, or to other environments.
find . -type f -name '*.so*' -not -path './numpy.libs/*' | while read -r file; do
  strip --strip-unneeded -o "$file.slim" "$file"
  chmod --reference="$file" "$file.slim"
  mv -f "$file.slim" "$file"
done
