# shellcheck shell=bash
# Shared by the scripts of this folder: settings, steps, and commands that are printed and run.
set -euo pipefail
export CLOUDSDK_CORE_DISABLE_PROMPTS=1

folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
script=$(basename "$0")
settings_file=$folder/settings.env
dry_run=
step="the beginning"
takes=
argument=
given=()
trap 'stopped $?' EXIT

# Print the step at which the script stopped.
stopped() {
  [[ $1 == 0 ]] || echo "$script stopped at: $step. Fix it and run it again; completed steps are skipped." >&2
}

fail() {
  echo "$*" >&2
  exit 1
}

begin() {
  step=$1
  echo "== $step"
}

# Print a command and, unless this is a dry run, run it.
run() {
  local words
  words=$(printf ' %q' "$@")
  echo "${words:1}"
  [[ -n $dry_run ]] || "$@" </dev/null
}

# Return whether a `describe` finds its resource; stop on any other error.
found() {
  local output
  if output=$("$@" --format=none 2>&1 </dev/null); then return 0; fi
  grep -qiE 'NOT_FOUND|not found|cannot find|not be found' <<<"$output" || fail "$output"
  return 1
}

# The same; in a dry run, nothing exists.
exists() {
  [[ -z $dry_run ]] && found "$@"
}

# Take --dry-run, --settings FILE and, in a script that `takes` one, the `argument`.
parse() {
  while (($#)); do
    case $1 in
      --dry-run) dry_run=yes ;;
      --settings)
        settings_file=${2:?--settings needs a file}
        shift
        ;;
      *)
        [[ -n $takes && -z $argument && $1 != -* ]] ||
          fail "$script does not know $1: it takes --dry-run, --settings FILE${takes:+ and $takes}"
        argument=$1
        ;;
    esac
    shift
  done
}

# Read the settings file, if there is one; the environment takes precedence.
read_settings() {
  local line
  step="the settings"
  [[ ! -e $settings_file ]] || while IFS= read -r line || [[ -n $line ]]; do
    [[ -n $line && $line != \#* ]] || continue
    [[ $line =~ ^([A-Z][A-Z0-9_]*)=([^\'\"]*)$ ]] ||
      fail "$settings_file: not NAME=value without quotes: $line"
    [[ ${BASH_REMATCH[1]} != PHOENIX_WELCOME_KEY ]] ||
      fail "$settings_file: it must not hold secrets: provisioning creates PHOENIX_WELCOME_KEY"
    [[ ${BASH_REMATCH[1]} != R2_SECRET_ACCESS_KEY ]] ||
      fail "$settings_file: it must not hold secrets: set R2_SECRET_ACCESS_KEY in the environment"
    given+=("${BASH_REMATCH[1]}")
    [[ -n ${!BASH_REMATCH[1]:-} ]] || declare -g "${BASH_REMATCH[1]}=${BASH_REMATCH[2]}"
  done <"$settings_file"
}

# missing_settings NAME...: print an error that names those that are not set, or nothing.
missing_settings() {
  local name missing=
  for name in "$@"; do
    [[ -n ${!name:-} ]] || missing+=" $name"
  done
  echo "${missing:+$settings_file or the environment must set:$missing}"
}

# Set the names of all resources, from GOOGLE_CLOUD_PROJECT and PHOENIX_REGION.
# shellcheck disable=SC2034  # the scripts that source this file use them
name_everything() {
  local missing
  missing=$(missing_settings GOOGLE_CLOUD_PROJECT PHOENIX_REGION)
  [[ -z $missing ]] || fail "$missing"
  project=$GOOGLE_CLOUD_PROJECT
  region=$PHOENIX_REGION
  api=phoenix-api
  secret=phoenix-r2-secret-access-key
  welcome_secret=
  [[ ${PHOENIX_WELCOME_TOKENS:-0} != *[1-9]* ]] || welcome_secret=phoenix-welcome-key
  labels=app=phoenix,env=${ENV:-},phase=${PHASE:-}
  registry=$region-docker.pkg.dev/$project/phoenix
  export CLOUDSDK_CORE_PROJECT=$project
}

# email NAME: the address of a service account of this project.
email() {
  echo "$1@$project.iam.gserviceaccount.com"
}

# grant ACCOUNT ROLE COMMAND...: the command adds a binding to one resource's policy.
grant() {
  run gcloud "${@:3}" --member="serviceAccount:$(email "$1")" --role="roles/$2" --format=none
}

# make_secret NAME SERVICE SOURCE COMMAND...: a secret that the API and the jobs may read. Its first
# version is the command's output; SOURCE describes it.
make_secret() {
  local account value
  begin "secret $1"
  exists gcloud secrets describe "$1" ||
    run gcloud secrets create "$1" --replication-policy=automatic --labels="$labels,service=$2"
  if ! exists gcloud secrets versions describe latest --secret="$1"; then
    echo "gcloud secrets versions add $1 --data-file=-  # $3"
    [[ -n $dry_run ]] || {
      value=$("${@:4}")
      [[ -n $value ]] || fail "there is no value for the secret $1: $3"
      printf %s "$value" | gcloud secrets versions add "$1" --data-file=-
    }
  fi
  begin "grants on the secret $1"
  for account in phoenix-api phoenix-video-job phoenix-image-job; do
    grant "$account" secretmanager.secretAccessor \
      secrets add-iam-policy-binding "$1" --condition=None
  done
}

# describe_api FIELD: a field of the API's service.
describe_api() {
  gcloud run services describe "$api" --region="$region" --format="value($1)"
}

# revision_with FIELD VALUE: the revision with all the traffic (percent 100) or with a tag.
revision_with() {
  gcloud run services describe "$api" --region="$region" --flatten='status.traffic[]' \
    --format="csv[no-heading](status.traffic.$1,status.traffic.revisionName)" |
    awk -F, -v value="$2" '$1 == value {print $2; exit}'
}

# release_of REVISION
release_of() {
  gcloud run revisions describe "$1" --region="$region" --format='value(metadata.labels.release)'
}

# set_job_images RELEASE: run this release from each job's next execution on.
set_job_images() {
  local job image
  for job in video-generation-job image-generation-job phoenix-audit phoenix-audit-since phoenix-doctor; do
    image=$registry/$job:$1
    [[ $job == *-generation-job ]] || image=$registry/api:$1
    begin "job $job"
    [[ -z $dry_run && $(image_of "$job") == "$image" ]] ||
      run gcloud run jobs update "$job" --region="$region" --image="$image" \
        --update-labels="release=$1"
  done
}

# image_of JOB
image_of() {
  gcloud run jobs describe "$1" --region="$region" \
    --format='value(spec.template.spec.template.spec.containers[0].image)'
}
