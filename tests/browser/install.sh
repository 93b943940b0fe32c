#!/usr/bin/env bash
# Gets what the browser's tests need: Debian's Chromium, and axe-core by its hash into .cache.
set -euo pipefail
cd "$(dirname "$0")/../.."

axe='axe-core-4.14.1'
integrity='FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=='

missing=()
command -v chromium > /dev/null || missing+=(chromium)
command -v npm > /dev/null || missing+=(npm)
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
fi

if [ ! -f ".cache/$axe.min.js" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  npm pack --silent --pack-destination "$work" "${axe/core-/core@}" > /dev/null
  if [ "$(openssl dgst -sha512 -binary "$work/$axe.tgz" | base64 -w 0)" != "$integrity" ]; then
    echo "$axe is not what was pinned" >&2
    exit 1
  fi
  tar -xzf "$work/$axe.tgz" -C "$work" package/axe.min.js
  mkdir -p .cache
  mv "$work/package/axe.min.js" ".cache/$axe.min.js"
fi
