#!/bin/sh
# Make the environment: VENV with exactly what requirements.lock names, and this project in it.
# Usage: scripts/setup.sh PYTHON VENV. TORCH_BACKEND (cpu, cu130, ...) chooses another build of torch than PyPI's.
set -eu
# Byte code is made now: first imports would otherwise take two to four times as long (--compile-bytecode).
python="$1" venv="$2"

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || {
    echo "Python 3.11, 3.12 or 3.13 is needed, but $python is $("$python" -V 2>&1): name one, as in PYTHON=python3.12 make run" >&2
    exit 2
}
[ -x "$venv/bin/python" ] || { echo "making $venv"; "$python" -m venv "$venv"; }

lock=requirements.lock
if command -v uv >/dev/null 2>&1; then
    uv=uv
else
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$(grep '^uv==' $lock)"
    uv="$venv/bin/uv"
fi

if [ -n "${TORCH_BACKEND:-}" ]; then
    # Other builds of torch bring their own CUDA libraries, or none: the lock's are those of PyPI's build.
    lock="$venv/requirements-$TORCH_BACKEND.lock"
    grep -vE '^(nvidia-|cuda-|triton)' requirements.lock > "$lock"
    set -- --torch-backend "$TORCH_BACKEND"
else
    set --
fi
echo "installing what $lock pins (some 6 GB with PyPI's build of torch)"
"$uv" pip sync --quiet --compile-bytecode --python "$venv/bin/python" "$@" "$lock"
"$uv" pip install --quiet --no-deps --no-build-isolation --python "$venv/bin/python" --editable .
