#!/usr/bin/env bash
# Follow the README's first command from a clean clone, with the pip that a list pins.
#   tests/demo_with_pip.sh requirements/pip_old.txt
# What Debian 12 ships (23.0.1) resolves differently from the newest one, and both must do.
set -euo pipefail
cd "$(dirname "$0")/.."
list=$PWD/${1:?usage: demo_with_pip.sh LIST}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

git clone --quiet --no-hardlinks . "$work/phoenix"
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-deps --only-binary=:all: --require-hashes -r "$list"
"$work/venv/bin/python" -m pip --version
make -C "$work/phoenix" PYTHON="$work/venv/bin/python" demo
