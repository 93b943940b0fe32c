#!/usr/bin/env bash
# Delete the Celery system's machines: the worker's service, Redis, the VPC connector.
#   decommission_celery.sh [--dry-run] [--settings FILE]
# Refuses while an account or a creation of the legacy system is not migrated, the audit finds
# violations, or no job of a queue has succeeded. Deleted resources are skipped. It runs the
# checkout's `phoenix` (or the one that PHOENIX names) with the API's settings; set CELERY_SERVICE,
# CELERY_REDIS and CELERY_CONNECTOR for names other than the ones below.
# shellcheck source-path=SCRIPTDIR source=script.sh
source "$(dirname "$0")/script.sh"

# Find `phoenix`: PHOENIX, the checkout's, or the one on the PATH.
find_phoenix() {
  begin "phoenix"
  phoenix=${PHOENIX:-$folder/../../.venv/bin/phoenix}
  [[ -x $phoenix ]] || phoenix=$(command -v phoenix) ||
    fail "phoenix is not installed: run \`make setup\` in the checkout, or set PHOENIX to its path"
}

# Stop while the legacy system has accounts or creations to migrate.
check_migrated() {
  local report
  begin "is everything migrated?"
  report=$("$phoenix" adopt --dry-run) || fail "$report"
  echo "$report"
  grep -qE '^Would migrate 0 accounts .* 0 archived' <<<"$report" ||
    fail "Run \`phoenix adopt\` first: the legacy system still has accounts or creations."
}

check_ledger() {
  begin "does the audit pass?"
  "$phoenix" audit
}

# A queue works if it is running and an execution of its job, which only it starts, has succeeded.
check_queue() {
  local state done_by
  begin "does $1-generation-queue work?"
  state=$(gcloud tasks queues describe "$1-generation-queue" --location="$region" --format='value(state)')
  [[ $state == RUNNING ]] || fail "$1-generation-queue is ${state:-in no state}, not RUNNING"
  done_by=$(gcloud run jobs executions list --job="$1-generation-job" --region="$region" \
    --filter='status.succeededCount>0' --limit=1 --format='value(metadata.name)')
  [[ -n $done_by ]] || fail "No execution of $1-generation-job has succeeded: create one $1 first."
  echo "$done_by has succeeded"
}

# Print what will be deleted, and ask for the project's name as a confirmation.
confirm() {
  local typed
  begin "confirmation"
  cat <<END
To delete in $project, $region:
  Cloud Run service          $service
  Memorystore for Redis      $redis
  VPC connector              $connector
They cost about \$43 a month while idle. The data in Redis is lost; Firestore, Cloud Storage and R2
are not touched.
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
    echo "already deleted"
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
check_migrated
check_ledger
check_queue video
check_queue image
confirm
delete "$service" gcloud run services
delete "$redis" gcloud redis instances
delete "$connector" gcloud compute networks vpc-access connectors
echo "${dry_run:+Dry run: nothing was deleted. }Done."
