#!/usr/bin/env bash
# Deploy a release: update the jobs' images, deploy the API without traffic, run the doctor, and
# only then shift the traffic.
#   deploy.sh [--settings FILE] [--dry-run] RELEASE
# RELEASE is the tag of the three images. GOOGLE_CLOUD_PROJECT and PHOENIX_REGION may come from the
# environment instead of the settings file; with ENV, only an installation of that name is touched.
# shellcheck source-path=SCRIPTDIR source=script.sh
source "$(dirname "$0")/script.sh"

takes=RELEASE
parse "$@"
read_settings
name_everything
release=$argument
[[ $release =~ ^[a-z0-9][a-z0-9_-]{0,62}$ ]] ||
  fail "usage: $script [--dry-run] RELEASE, of lowercase letters, digits, _ and -"

begin "the serving revision"
if [[ -z $dry_run ]]; then
  found=$(describe_api metadata.labels.env)
  [[ ${ENV:-$found} == "$found" ]] || fail "$project is the installation $found, not $ENV"
  serving=$(revision_with percent 100)
  newest=$(describe_api 'status.latestCreatedRevisionName')
  if [[ $(release_of "$serving") == "$release" && $newest == "$serving" ]]; then
    echo "$release is already serving: $serving"
    exit 0
  fi
fi
run gcloud run services update-traffic "$api" --region="$region" \
  --update-tags="previous=${serving:-THE_REVISION_THAT_SERVES}"

set_job_images "$release"

begin "the API, without traffic"
run gcloud run deploy "$api" --region="$region" --image="$registry/api:$release" \
  --update-labels="release=$release" --no-traffic --tag=candidate

begin "the doctor"
run gcloud run jobs execute phoenix-doctor --region="$region" --wait

begin "the traffic"
run gcloud run services update-traffic "$api" --region="$region" --to-tags=candidate=100
echo "$release is serving. To roll back: infrastructure/gcp/rollback.sh"
