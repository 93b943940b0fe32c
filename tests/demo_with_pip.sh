#!/usr/bin/env bash
# Run the README's first command in a clean clone with the pip version that a list pins.
#   tests/demo_with_pip.sh requirements/pip_old.txt [--here]
# Debian 12's pip (23.0.1) resolves differently from the newest one; both must work. --here: use this
# checkout instead of a clone and keep its .venv.
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
