#!/usr/bin/env bash
# Gets Google's Firestore emulator and Java for it, as Debian packages. The emulator's is in Google's
# own archive, which the machine must know: https://cloud.google.com/sdk/docs/install#deb
set -euo pipefail

gcloud=$(readlink -f "$(command -v gcloud)" || true)
missing=()
command -v java > /dev/null || missing+=(default-jre-headless)
if [ ! -f "${gcloud%/bin/gcloud}/platform/cloud-firestore-emulator/cloud-firestore-emulator.jar" ]; then
  missing+=(google-cloud-cli-firestore-emulator)
fi
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
fi
