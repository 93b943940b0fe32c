# shellcheck shell=bash
# shellcheck disable=SC2154  # script.sh, and the script that sources both, set what is used here
# Checks before a script's first change: everything that is missing is reported at once.
# Sourced after script.sh. A dry run sends nothing, so it checks only what this machine knows.

problems=()
PLACEHOLDER='<[^>]*>|(^|[/@.])your-|PROJECT_NUMBER|REGION\.run\.app|(^|[/@.])example\.(com|net|org)'

problem() {
  problems+=("$*")
}

# check_settings NAME...: these must be set, and no setting may be a placeholder of the example.
check_settings() {
  local name missing
  missing=$(missing_settings "$@")
  [[ -z $missing ]] || problem "$missing"
  while IFS= read -r name; do
    [[ ! ${!name:-} =~ $PLACEHOLDER ]] ||
      problem "$name is still a placeholder: replace ${BASH_REMATCH[0]} in ${!name}"
  done < <(printf '%s\n' "$@" ${given[@]+"${given[@]}"} | sort -u)
}

# check_secrets NAME...: secrets come from the environment.
check_secrets() {
  local name
  for name in "$@"; do
    [[ -n ${!name:-} ]] || problem "$name is not set in the environment (docs/deploying.md, section 2)"
  done
}

check_tools() {
  command -v gcloud >/dev/null ||
    problem "gcloud is not installed: https://cloud.google.com/sdk/docs/install"
  "$python" -c 'import boto3, httpx' 2>/dev/null ||
    problem "$python lacks what these scripts import: run \`make setup\` in the checkout"
}

# check_project: gcloud is signed in, and its account may see the project, which has billing.
check_project() {
  local answer
  if ! gcloud auth print-access-token >/dev/null 2>&1 </dev/null; then
    problem "gcloud is not signed in: run \`gcloud auth login\`"
    return
  fi
  if ! answer=$(gcloud projects describe "$GOOGLE_CLOUD_PROJECT" --format='value(lifecycleState)' 2>&1 </dev/null); then
    problem "GOOGLE_CLOUD_PROJECT=$GOOGLE_CLOUD_PROJECT does not exist, or this account may not see it: ${answer##*$'\n'}"
    return
  fi
  # Without permission to see the billing account there is no answer; the first step reports it.
  answer=$(gcloud billing projects describe "$GOOGLE_CLOUD_PROJECT" --format='value(billingEnabled)' 2>/dev/null </dev/null) || answer=
  [[ $answer != False ]] ||
    problem "$GOOGLE_CLOUD_PROJECT has no billing: link a billing account at https://console.cloud.google.com/billing"
}

# check_secret_version: the first time, Secret Manager needs R2_SECRET_ACCESS_KEY.
check_secret_version() {
  [[ -z ${R2_SECRET_ACCESS_KEY:-} ]] || return 0
  gcloud secrets versions describe latest --secret=phoenix-r2-secret-access-key \
    --project="$GOOGLE_CLOUD_PROJECT" --format=none >/dev/null 2>&1 </dev/null ||
    check_secrets R2_SECRET_ACCESS_KEY
}

# check_r2: the endpoint accepts the administrator's key for both buckets.
check_r2() {
  local answer
  answer=$("$python" "$folder/r2_buckets.py" --check --endpoint-url="$R2_ENDPOINT_URL" \
    --drafts="$R2_DRAFTS_BUCKET_NAME" --public="$R2_BUCKET_NAME" --origins= 2>&1) ||
    problem "${answer##*$'\n'}"
}

# check_alpha: the alerts are a command of gcloud's alpha component.
check_alpha() {
  gcloud alpha monitoring policies --help >/dev/null 2>&1 </dev/null ||
    problem "gcloud's alpha component is not installed: run \`gcloud components install alpha\`"
}

# Stop if there are problems; print each on its own line.
report_problems() {
  ((${#problems[@]})) || return 0
  printf '%s\n' "${problems[@]}" >&2
  exit 1
}
