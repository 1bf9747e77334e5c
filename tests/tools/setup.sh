#!/usr/bin/env bash
# Make .venv with a group of this repository's tools at their tested versions. Usage: setup.sh PYTHON GROUP SIZE
set -euo pipefail
python=$1 group=$2 size=$3

say() { printf '%s\n' "$*" >&2; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
  say "error: Python 3.11 or newer is needed, and $python is not. Name one: make demo PYTHON=python3.12"
  exit 1
}
"$python" -c 'import ensurepip, venv' 2>/dev/null || {
  say "error: this Python comes without venv or pip. On Debian and Ubuntu: apt install $("$python" -c \
    'import sys; print(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv")') python3-pip"
  exit 1
}
command -v git >/dev/null || {
  say "error: git is needed. On Debian and Ubuntu: apt install git"
  exit 1
}

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
  if [ ! -x .tools/bin/uv ]; then
    say "setup: fetching uv into .tools"
    "$python" -m venv .tools
    .tools/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
  fi
  uv=$PWD/.tools/bin/uv
fi

say "setup: installing the tools of this repository into .venv (about $size on disk the first time)"
started=$SECONDS
# The group's names come from pyproject.toml, their versions from tests/constraints.txt.
"$uv" venv --quiet --allow-existing --python "$python" .venv
UV_CONSTRAINT=tests/constraints.txt "$uv" pip install --quiet --python .venv/bin/python --group "$group"
say "setup: done in $((SECONDS - started)) s"
