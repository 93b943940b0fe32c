#!/usr/bin/env bash
# Compile every list of pins from pyproject.toml and print what moved.
#   requirements/compile.sh            # add and remove what pyproject.toml asks for; the rest stays
#   requirements/compile.sh --upgrade  # take the newest release of everything that it allows
set -euo pipefail
cd "$(dirname "$0")/.."
before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
cp requirements/*.txt "$before"
pins='s/^([a-z0-9._-]+==[^ ;\\]+).*/\1/p'

# compile ARGUMENTS...: universal, so that one list does for every machine; without headers and
# notes, which would carry the address of a package index.
compile() {
  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-annotate --no-header "$@" >/dev/null
}

# The images' lists follow development's: what is tested is what is shipped.
compile pyproject.toml "${@}" --all-extras --group dev -o requirements/dev.txt
for extra in api video-job image-job; do
  compile pyproject.toml --extra "$extra" -c requirements/dev.txt -o "requirements/${extra/-/_}.txt"
done
compile "${@}" --group bench -c requirements/dev.txt -o requirements/bench.txt
compile - "${@}" -o requirements/pip_new.txt <<<pip

for list in requirements/*.txt; do
  moved=$(diff <(sed -nE "$pins" "$before/$(basename "$list")") <(sed -nE "$pins" "$list") | grep '^[<>]' || true)
  [[ -z $moved ]] || printf '%s\n%s\n' "$list" "$moved"
done
