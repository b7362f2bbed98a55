#!/bin/sh
# Pin what a container serves with: the group `serve` of pyproject.toml, at the versions of requirements.lock, by hash.
set -eu
cd "$(dirname "$0")/.."
# The tokenizers library names the hub's client as a dependency, but loads it only to fetch from the hub: a service does
# not, so neither the client nor what it brings is in the image.
for name in huggingface-hub hf-xet filelock fsspec httpcore2 httpx2 httpx2-jsfetch tqdm truststore; do
  set -- "$@" --no-emit-package "$name"
done
uv pip compile --group serve -c requirements.lock --universal --generate-hashes --no-annotate --no-header --quiet "$@" \
  -o deploy/requirements.lock
