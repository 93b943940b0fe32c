#!/usr/bin/env bash
# Bring back what served before the last deploy.sh: the API's revision and the jobs' images.
#   rollback.sh [--settings FILE] [--dry-run]
# It also undoes a deploy that stopped half-way. A second time it changes nothing.
# shellcheck source-path=SCRIPTDIR source=script.sh
source "$(dirname "$0")/script.sh"

parse "$@"
read_settings
name_everything

begin "what served before"
if [[ -z $dry_run ]]; then
  previous=$(revision_with tag previous)
  [[ -n $previous ]] || fail "nothing has been deployed yet: no revision has the tag previous"
  release=$(release_of "$previous")
  [[ -n $release && $release != none ]] || fail "before the last deployment there was no release"
fi

begin "the traffic"
run gcloud run services update-traffic "$api" --region="$region" --to-tags=previous=100

set_job_images "${release:-THE_RELEASE_OF_THAT_REVISION}"
echo "${release:-It} serves again, with its jobs."
