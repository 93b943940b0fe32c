#!/usr/bin/env bash
# The second half of provision.sh: queues, jobs, the API and the scheduler.
#   provision_generation_jobs.sh [--settings FILE] [--dry-run]
# SEAL=no in the environment leaves the jobs' commands unchanged: docs/day-2.md, Upgrade.
# An existing job or API keeps its image, which only deploy.sh changes.
# shellcheck source-path=SCRIPTDIR source=script.sh
source "$(dirname "$0")/script.sh"
# shellcheck source-path=SCRIPTDIR source=preflight.sh
source "$(dirname "$0")/preflight.sh"

PLACEHOLDER_JOB=us-docker.pkg.dev/cloudrun/container/job:latest
PLACEHOLDER_API=us-docker.pkg.dev/cloudrun/container/hello:latest
KINDS=(video image)

# make_queue KIND PER_SECOND CONCURRENT
# 10 and 45 dispatches a minute are together below the 60 jobs:run a minute that some projects have.
# A queue drops a task when both its attempts and its duration are used up.
make_queue() {
  local queue=$1-generation-queue verb=update
  begin "queue $queue"
  exists gcloud tasks queues describe "$queue" --location="$region" || verb=create
  run gcloud tasks queues "$verb" "$queue" --location="$region" \
    --max-dispatches-per-second="$2" --max-concurrent-dispatches="$3" \
    --max-attempts=10 --max-retry-duration=900s --min-backoff=5s --max-backoff=60s
}

# look_up KIND NAME FIELD FLAGS...: set `image` and `was` to the image of a job or service and the
# mark of its flags, empty if it does not exist, and `mark` to the mark of these flags.
# Every deployment creates a new revision, so a job or service with the same mark is skipped.
look_up() {
  image='' was=''
  mark=$(printf '%s\n' "$labels" "${@:4}" | sha256sum | cut -c1-16)
  if exists gcloud run "$1" describe "$2" --region="$region"; then
    read -r image was < <(gcloud run "$1" describe "$2" --region="$region" \
      --format="value[separator=' ']($3.containers[0].image,metadata.labels.settings)")
  fi
}

# make_job NAME ACCOUNT MEMORY CPU TIMEOUT RETRIES FLAGS...
# An execution may override a job's arguments and variables, but not its command, which therefore
# holds the module to run and the seal of the settings.
make_job() {
  local command=() flags module=cli
  begin "job $1"
  [[ $1 != *-generation-job ]] || module=jobs.${1//-/_}
  [[ ${SEAL:-yes} == no ]] || command=(--command="python,-I,-m,$module,--sealed=$seal")
  flags=(
    ${command[@]+"${command[@]}"} --service-account="$(email "$2")" --memory="$3" --cpu="$4" --task-timeout="$5"
    --max-retries="$6" "${configuration[@]}" "${@:7}"
  )
  look_up jobs "$1" spec.template.spec.template.spec "${flags[@]}"
  [[ $was == "$mark" ]] ||
    run gcloud run jobs deploy "$1" --image="${image:-$PLACEHOLDER_JOB}" "${flags[@]}" \
      --labels="$labels,service=$1,settings=$mark"
}

# Changed settings make a revision without traffic: deploy.sh runs the doctor first.
make_api() {
  local flags marks
  begin "service $api"
  flags=(
    --service-account="$(email phoenix-api)" --concurrency=250 --memory=1Gi --cpu=1 --cpu-boost
    --timeout=3600 --min-instances=0 --max-instances=10 --ingress=all "${configuration[@]}"
  )
  look_up services "$api" spec.template.spec "${flags[@]}"
  marks=$labels,service=$api,settings=$mark
  if [[ -z $image ]]; then
    run gcloud run deploy "$api" --image="$PLACEHOLDER_API" "${flags[@]}" \
      --labels="$marks,release=none"
  elif [[ $was != "$mark" ]]; then
    run gcloud run deploy "$api" --image="$image" "${flags[@]}" --labels="$marks" \
      --no-traffic --tag=candidate
    changed=yes
  fi
  # Users send Firebase tokens, and /internal/* verifies its callers itself.
  run gcloud run services add-iam-policy-binding "$api" --region="$region" --member=allUsers \
    --role=roles/run.invoker --format=none
}

# make_schedule NAME FLAGS...
make_schedule() {
  local verb=update
  begin "schedule $1"
  exists gcloud scheduler jobs describe "$1" --location="$region" || verb=create
  run gcloud scheduler jobs "$verb" http "$1" --location="$region" --time-zone=Etc/UTC \
    --http-method=POST --max-retry-attempts=0 --attempt-deadline=60s "${@:2}"
}

make_grants() {
  local kind
  begin "grants on the queues"
  for kind in "${KINDS[@]}"; do
    on_queue "$kind" phoenix-api cloudtasks.enqueuer
    on_queue "$kind" phoenix-api cloudtasks.taskDeleter
    on_queue "$kind" phoenix-api cloudtasks.viewer
    on_queue "$kind" "phoenix-$kind-job" cloudtasks.enqueuer
    on_queue "$kind" "phoenix-$kind-job" cloudtasks.taskDeleter
  done
  begin "grants on the jobs"
  for kind in "${KINDS[@]}"; do
    on_job "$kind-generation-job" phoenix-api run.viewer
    on_job "$kind-generation-job" phoenix-tasks run.jobsExecutorWithOverrides
  done
  on_job phoenix-audit phoenix-auditor run.jobsExecutor
  on_job phoenix-audit-since phoenix-auditor run.jobsExecutor
}

# make_audit_schedule JOB SCHEDULE: start this job of the audit at these times.
make_audit_schedule() {
  make_schedule "$1" --schedule="$2" --message-body="{}" \
    --uri="https://run.googleapis.com/v2/projects/$project/locations/$region/jobs/$1:run" \
    --oauth-service-account-email="$(email phoenix-auditor)"
}

on_queue() {
  grant "$2" "$3" tasks queues add-iam-policy-binding "$1-generation-queue" --location="$region"
}

on_job() {
  grant "$2" "$3" run jobs add-iam-policy-binding "$1" --region="$region"
}

random_key() {
  od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n'
}

# Set `configuration`, the flags with the settings of the API and the jobs: the settings file and
# values derived from it. `seal` is their digest, as shared/settings/sealed_environment.py computes it.
configure() {
  local name settings secrets
  local -A values=(
    [PHOENIX_BACKEND]=gcp
    [GOOGLE_CLOUD_PROJECT]=$project
    [PHOENIX_TASKS_INVOKER]=$(email phoenix-tasks)
    [PHOENIX_INTERNAL_AUDIENCE]=$audience
    [PHOENIX_INTERNAL_ACCOUNTS]=$(email phoenix-scheduler)
  )
  for name in "${given[@]}"; do
    [[ $name != PHOENIX_* && $name != R2_* ]] || values[$name]=${!name}
  done
  secrets=R2_SECRET_ACCESS_KEY=$secret:latest
  # Pinned to version 1: a new key would repeat every welcome grant.
  [[ -z $welcome_secret ]] || secrets+=",PHOENIX_WELCOME_KEY=$welcome_secret:1"
  settings=$(for name in "${!values[@]}"; do echo "$name=${values[$name]}"; done | LC_ALL=C sort)
  seal=$(sha256sum <<<"$settings" | cut -d' ' -f1)
  configuration=(
    --region="$region" --set-env-vars="^|^${settings//$'\n'/|}" --set-secrets="$secrets"
  )
}

parse "$@"
read_settings
check_settings GOOGLE_CLOUD_PROJECT PHOENIX_REGION ENV PHASE PHOENIX_BASE_URL
report_problems
name_everything
audience=${PHOENIX_INTERNAL_AUDIENCE:-$PHOENIX_BASE_URL/internal}
changed=
configure

# The key is created once and never changes: a new key would repeat every welcome grant.
[[ -z $welcome_secret ]] ||
  make_secret "$welcome_secret" accounts "32 random bytes" random_key
make_queue video 0.1666 5
make_queue image 0.75 10
make_job video-generation-job phoenix-video-job 4Gi 2 600s 2
make_job image-generation-job phoenix-image-job 1Gi 1 300s 2
# Firestore keeps a moment for 3600 s: then its error ends the audit, before the job's timeout does.
make_job phoenix-audit phoenix-api 1Gi 1 3900s 0 --args=audit
make_job phoenix-audit-since phoenix-api 1Gi 1 3900s 0 --args=audit,--since
make_job phoenix-doctor phoenix-api 1Gi 1 300s 0 --args=doctor,--api
make_api
make_schedule phoenix-sweep --schedule="* * * * *" --uri="$PHOENIX_BASE_URL/internal/cleanup" \
  --oidc-service-account-email="$(email phoenix-scheduler)" --oidc-token-audience="$audience"
make_audit_schedule phoenix-audit "17 4 * * 0"
make_audit_schedule phoenix-audit-since "17 3 * * *"
make_grants
[[ -z $changed ]] ||
  echo "The API's settings changed; they take effect with infrastructure/gcp/deploy.sh RELEASE."
