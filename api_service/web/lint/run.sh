#!/usr/bin/env bash
# Lints and type-checks the scripts of the pages. Installs oxlint and tsc once, by their hashes.
set -euo pipefail
cd "$(dirname "$0")/../../.."
web=api_service/web
tools=.cache/web_lint
node_min='18'

has_node() {
  command -v npm > /dev/null &&
    [ "$(printf '%s\n' "$node_min" "$(node --version | tr -d v)" | sort -V | head -n 1)" = "$node_min" ]
}

if ! has_node; then
  if [[ ",${PHOENIX_REQUIRE:-}," == *,node,* ]]; then
    echo "oxlint and tsc: PHOENIX_REQUIRE needs Node.js $node_min or newer" >&2
    exit 1
  fi
  echo "skipped: oxlint and tsc (this machine has no Node.js $node_min or newer)"
  exit 0
fi

if ! cmp -s "$web/lint/package-lock.json" "$tools/installed.json"; then
  mkdir -p "$tools"
  cp "$web"/lint/package{,-lock}.json "$tools"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefix "$tools"
  cp "$tools/package-lock.json" "$tools/installed.json"
fi
"$tools/node_modules/.bin/oxlint" --config "$web/lint/oxlint.json" --deny-warnings "$web/static"
"$tools/node_modules/.bin/tsc" --project "$web/lint/tsconfig.json"
