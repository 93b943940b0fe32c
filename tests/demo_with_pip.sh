#!/usr/bin/env bash
# Follow the README's first command from a clean clone, with the pip that a list pins.
#   tests/demo_with_pip.sh requirements/pip_old.txt [--here]
# What Debian 12 ships (23.0.1) resolves differently from the newest one, and both must do. --here:
# this checkout is the clean clone, and keeps its .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
list=$PWD/${1:?usage: demo_with_pip.sh LIST [--here]}
checkout=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [[ ${2:-} != --here ]]; then
  checkout=$work/phoenix
  git clone --quiet --no-hardlinks . "$checkout"
fi
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-deps --only-binary=:all: --require-hashes -r "$list"
"$work/venv/bin/python" -m pip --version
make -C "$checkout" PYTHON="$work/venv/bin/python" demo
