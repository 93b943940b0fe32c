#!/usr/bin/env bash
# Delete the Celery system's machines: the worker's service, Redis, the VPC connector.
#   decommission_celery.sh [--dry-run] [--settings FILE]
# Refuses while an account or a creation of the old system is not taken over, the ledger does not
# add up, or a new queue is not proven. What is already gone is passed over. It runs the checkout's
# own `phoenix` (or the one that PHOENIX names) with the API's settings; names other than below are
# set as CELERY_SERVICE, CELERY_REDIS and CELERY_CONNECTOR.
# shellcheck source-path=SCRIPTDIR source=script.sh
source "$(dirname "$0")/script.sh"

# Find `phoenix`: PHOENIX, the checkout's own, or the one on the PATH.
find_phoenix() {
  begin "phoenix"
  phoenix=${PHOENIX:-$folder/../../.venv/bin/phoenix}
  [[ -x $phoenix ]] || phoenix=$(command -v phoenix) ||
    fail "phoenix is not installed: run \`make setup\` in the checkout, or set PHOENIX to its path"
}

# Nothing of the old system may wait for its refund or its account.
check_adopted() {
  local said
  begin "is everything taken over?"
  said=$("$phoenix" adopt --dry-run) || fail "$said"
  echo "$said"
  grep -qE '^Would migrate 0 accounts .* 0 archived' <<<"$said" ||
    fail "Run \`phoenix adopt\` first: the old system still has accounts or creations."
}

check_ledger() {
  begin "does the ledger add up?"
  "$phoenix" audit
}

# A queue is proven when it runs and an execution of its job, which only it starts, has succeeded.
check_queue() {
  local state done_by
  begin "is $1-generation-queue proven?"
  state=$(gcloud tasks queues describe "$1-generation-queue" --location="$region" --format='value(state)')
  [[ $state == RUNNING ]] || fail "$1-generation-queue is ${state:-in no state}, not RUNNING"
  done_by=$(gcloud run jobs executions list --job="$1-generation-job" --region="$region" \
    --filter='status.succeededCount>0' --limit=1 --format='value(metadata.name)')
  [[ -n $done_by ]] || fail "No execution of $1-generation-job has succeeded: make one $1 first."
  echo "$done_by has succeeded"
}

# Say what will be deleted, and let a person decide by typing the project's name.
confirm() {
  local typed
  begin "confirmation"
  cat <<END
To delete in $project, $region:
  Cloud Run service          $service
  Memorystore for Redis      $redis
  VPC connector              $connector
They cost about \$43 a month while they do nothing. What lay in Redis is lost; Firestore, Cloud
Storage and R2 are not touched.
END
  [[ -z $dry_run ]] || return 0
  read -r -p "Type the project's name to delete them: " typed || true
  [[ ${typed:-} == "$project" ]] || fail "That is not $project: nothing was deleted."
}

# delete NAME COMMAND...: `COMMAND... describe` and `COMMAND... delete`.
delete() {
  local name=$1
  shift
  begin "$name"
  if ! found "$@" describe "$name" --region="$region"; then
    echo "already gone"
  elif [[ -n $dry_run ]]; then
    echo "would run: $* delete $name --region=$region"
  else
    "$@" delete "$name" --region="$region"
  fi
}

parse "$@"
read_settings
name_everything
service=${CELERY_SERVICE:-celery-worker}
redis=${CELERY_REDIS:-celery-redis}
connector=${CELERY_CONNECTOR:-celery-connector}

find_phoenix
check_adopted
check_ledger
check_queue video
check_queue image
confirm
delete "$service" gcloud run services
delete "$redis" gcloud redis instances
delete "$connector" gcloud compute networks vpc-access connectors
echo "${dry_run:+Dry run: nothing was deleted. }Done."
