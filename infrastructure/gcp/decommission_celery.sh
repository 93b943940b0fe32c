#!/usr/bin/env bash
# Delete the Celery system's machines: the worker's service, Redis, the VPC connector.
#   decommission_celery.sh [--dry-run] [--settings FILE]
# Refuses while an account or a creation of the old system is not taken over, the ledger does not
# add up, or a new queue is not proven. What is already gone is passed over. `phoenix` must be on the
# PATH, with the API's settings; names other than below are set as CELERY_SERVICE, CELERY_REDIS and
# CELERY_CONNECTOR.
set -euo pipefail
export CLOUDSDK_CORE_DISABLE_PROMPTS=1

settings=$(dirname "$0")/settings.env
dry_run=
step="the beginning"
trap 'stopped $?' EXIT

# Say where the script stopped.
stopped() {
  [[ $1 == 0 ]] || echo "decommission_celery.sh stopped at: $step. Nothing after it was done." >&2
}

fail() {
  echo "$*" >&2
  exit 1
}

begin() {
  step=$1
  echo "== $step"
}

# found COMMAND...: tell whether a `describe` finds what it looks for.
found() {
  local said
  if said=$("$@" --format=none 2>&1 </dev/null); then return 0; fi
  grep -qiE 'NOT_FOUND|not found|cannot find|not be found' <<<"$said" || fail "$said"
  return 1
}

# setting NAME [DEFAULT]: from the environment, else from the settings file, else the default.
setting() {
  local value=${!1:-}
  if [[ -z $value && -e $settings ]]; then
    value=$(sed -n "s/^$1=//p" "$settings" | tail -n 1)
  fi
  value=${value:-${2:-}}
  [[ -n $value ]] || fail "$settings or the environment must set $1"
  echo "$value"
}

# Nothing of the old system may wait for its refund or its account.
check_adopted() {
  local said
  begin "is everything taken over?"
  said=$(phoenix adopt --dry-run) || fail "$said"
  echo "$said"
  grep -qE '^Would adopt 0 accounts .* 0 put aside' <<<"$said" ||
    fail "Run \`phoenix adopt\` first: the old system still has accounts or creations."
}

check_ledger() {
  begin "does the ledger add up?"
  phoenix audit
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

while (($#)); do
  case $1 in
    --dry-run) dry_run=yes ;;
    --settings)
      settings=${2:?--settings needs a file}
      shift
      ;;
    *) fail "decommission_celery.sh takes --dry-run and --settings FILE, not $1" ;;
  esac
  shift
done

step="the settings"
project=$(setting GOOGLE_CLOUD_PROJECT)
region=$(setting PHOENIX_REGION)
service=$(setting CELERY_SERVICE celery-worker)
redis=$(setting CELERY_REDIS celery-redis)
connector=$(setting CELERY_CONNECTOR celery-connector)
export CLOUDSDK_CORE_PROJECT=$project

check_adopted
check_ledger
check_queue video
check_queue image
confirm
delete "$service" gcloud run services
delete "$redis" gcloud redis instances
delete "$connector" gcloud compute networks vpc-access connectors
echo "${dry_run:+Dry run: nothing was deleted. }Done."
