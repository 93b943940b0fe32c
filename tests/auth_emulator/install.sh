#!/usr/bin/env bash
# Gets Firebase's Authentication emulator and web SDK by their hashes into .cache; needs Node.js 20.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=tests/auth_emulator
tools=.cache/auth_emulator

if ! cmp -s "$here/package-lock.json" "$tools/installed.json"; then
  mkdir -p "$tools"
  cp "$here"/package{,-lock}.json "$tools"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefix "$tools"
  cp "$tools/package-lock.json" "$tools/installed.json"
fi
