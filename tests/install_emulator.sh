#!/usr/bin/env bash
# Install Google's Firestore emulator and Java as Debian packages. The emulator is in Google's archive,
# which must be configured on the machine: https://cloud.google.com/sdk/docs/install#deb
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
