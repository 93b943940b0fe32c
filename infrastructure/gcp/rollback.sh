#!/usr/bin/env bash
# Undo the last deploy.sh: restore the API's revision and the jobs' images.
#   rollback.sh [--settings FILE] [--dry-run]
# It also undoes a deployment that stopped half-way. A second run changes nothing.
# shellcheck source-path=SCRIPTDIR source=script.sh
source "$(dirname "$0")/script.sh"

parse "$@"
read_settings
name_everything

begin "the previous revision"
if [[ -z $dry_run ]]; then
  previous=$(revision_with tag previous)
  [[ -n $previous ]] || fail "nothing has been deployed yet: no revision has the tag previous"
  release=$(release_of "$previous")
  [[ -n $release && $release != none ]] || fail "there was no release before the last deployment"
fi

begin "the traffic"
run gcloud run services update-traffic "$api" --region="$region" --to-tags=previous=100

set_job_images "${release:-THE_RELEASE_OF_THAT_REVISION}"
echo "${release:-It} is serving again, with its jobs."
