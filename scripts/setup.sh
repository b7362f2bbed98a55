#!/bin/sh
# Make the environment: VENV with exactly what requirements.lock names, and this project in it.
# Usage: scripts/setup.sh PYTHON VENV. TORCH_BACKEND (cpu, cu130, ...) chooses another build of torch than PyPI's.
set -eu
python="$1" venv="$2" lock=requirements.lock

if [ ! -x "$venv/bin/python" ]; then
    echo "making $venv"
    if command -v uv >/dev/null 2>&1; then
        uv venv --quiet --python "$python" "$venv"
    else
        "$python" -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$(grep '^uv==' $lock)"
    fi
fi
"$venv/bin/python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || {
    echo "Python 3.11, 3.12 or 3.13 is needed, but $python is $("$venv/bin/python" -V): name one, as in make run PYTHON=python3.12" >&2
    rm -r "$venv"
    exit 2
}
# The one in the environment is the one that the lock pins.
[ -x "$venv/bin/uv" ] && uv="$venv/bin/uv" || uv=uv

if [ -n "${TORCH_BACKEND:-}" ]; then
    # Other builds of torch bring their own CUDA libraries, or none: those in the lock belong to PyPI's build.
    lock="$venv/requirements-$TORCH_BACKEND.lock"
    grep -vE '^(nvidia-|cuda-|triton)' requirements.lock > "$lock"
    set -- --torch-backend "$TORCH_BACKEND"
else
    set --
fi
echo "installing what $lock pins"
# Byte code is made now: first imports would otherwise take two to four times as long.
"$uv" pip sync --quiet --compile-bytecode --python "$venv/bin/python" "$@" "$lock"
"$uv" pip install --quiet --no-deps --no-build-isolation --python "$venv/bin/python" --editable .
