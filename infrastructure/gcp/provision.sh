#!/usr/bin/env bash
# Provision everything that Phoenix needs in a project; a second run changes nothing.
#   provision.sh [--settings FILE] [--dry-run]
# R2_ADMIN_ACCESS_KEY_ID and R2_ADMIN_SECRET_ACCESS_KEY (Admin Read & Write) create the R2 buckets;
# the first run copies R2_SECRET_ACCESS_KEY from the environment to Secret Manager.
# shellcheck source-path=SCRIPTDIR source=script.sh
source "$(dirname "$0")/script.sh"
# shellcheck source-path=SCRIPTDIR source=preflight.sh
source "$(dirname "$0")/preflight.sh"

SERVICES=(
  aiplatform artifactregistry cloudbuild cloudscheduler cloudtasks firebaserules firestore iam
  identitytoolkit logging monitoring run secretmanager storage
)
ACCOUNTS=(
  "phoenix-api:the API, the audit and the doctor"
  "phoenix-video-job:the video generation job"
  "phoenix-image-job:the image generation job"
  "phoenix-tasks:a task starts a job as this"
  "phoenix-scheduler:calls the sweep"
  "phoenix-auditor:starts both audits"
  "phoenix-deployer:Cloud Build deploys as this"
  "phoenix-tester:Cloud Build tests as this"
)

enable_services() {
  begin "services of the project"
  run gcloud services enable "${SERVICES[@]/%/.googleapis.com}"
}

make_accounts() {
  local account name
  for account in "${ACCOUNTS[@]}"; do
    name=${account%%:*}
    begin "service account $name"
    exists gcloud iam service-accounts describe "$(email "$name")" ||
      run gcloud iam service-accounts create "$name" --display-name="Phoenix: ${account#*:}"
  done
}

make_registry() {
  begin "image registry"
  exists gcloud artifacts repositories describe phoenix --location="$region" ||
    run gcloud artifacts repositories create phoenix --location="$region" \
      --repository-format=docker --immutable-tags --labels="$labels,service=registry"
}

make_database() {
  local commands command
  begin "Firestore database"
  exists gcloud firestore databases describe --database="$database" ||
    run gcloud firestore databases create --database="$database" --location="$region" \
      --type=firestore-native --delete-protection --enable-pitr --format=none

  begin "Firestore indexes"
  commands=$("$python" "$folder/firestore_indexes.py" "$folder/firestore.indexes.json" \
    --database="$database" --prefix="${PHOENIX_COLLECTION_PREFIX:-}" ${dry_run:+--all})
  while IFS= read -r command; do
    read -ra words <<<"$command"
    [[ -z $command ]] || run "${words[@]}"
  done <<<"$commands"

  begin "Firestore rules"
  run "$python" "$folder/firestore_rules.py" "$folder/firestore.rules" \
    --project="$project" --database="$database"
}

# make_bucket NAME SERVICE: a private bucket whose files are deleted after a day.
make_bucket() {
  begin "bucket $1"
  exists gcloud storage buckets describe "gs://$1" ||
    run gcloud storage buckets create "gs://$1" --location="$region" \
      --uniform-bucket-level-access --public-access-prevention --soft-delete-duration=0
  run gcloud storage buckets update "gs://$1" --lifecycle-file="$folder/one_day.json" \
    --update-labels="$labels,service=$2"
}

make_r2_buckets() {
  begin "R2 buckets"
  run "$python" "$folder/r2_buckets.py" --endpoint-url="$R2_ENDPOINT_URL" \
    --drafts="$R2_DRAFTS_BUCKET_NAME" --public="$R2_BUCKET_NAME" \
    --origins="${PHOENIX_CORS_ORIGINS:-}"
}

make_grants() {
  local account
  begin "grants on the project"
  on_project phoenix-api datastore.user
  on_project phoenix-api firebaseauth.viewer
  for account in phoenix-video-job phoenix-image-job; do
    on_project "$account" datastore.user
    on_project "$account" aiplatform.user
  done
  on_project phoenix-deployer run.developer
  on_project phoenix-deployer logging.logWriter
  on_project phoenix-tester logging.logWriter

  begin "grants on accounts, buckets and registry"
  for account in phoenix-api phoenix-video-job phoenix-image-job; do
    act_as phoenix-tasks "$account"
    act_as "$account" phoenix-deployer
  done
  for account in phoenix-video-job phoenix-image-job; do
    grant "$account" storage.objectUser \
      storage buckets add-iam-policy-binding "gs://$PHOENIX_GENERATOR_BUCKET"
  done
  for account in phoenix-deployer phoenix-tester; do
    grant "$account" storage.objectViewer storage buckets add-iam-policy-binding "gs://$builds"
  done
  grant phoenix-deployer artifactregistry.writer \
    artifacts repositories add-iam-policy-binding phoenix --location="$region"
}

on_project() {
  grant "$1" "$2" projects add-iam-policy-binding "$project" --condition=None
}

# act_as ACCOUNT MEMBER: allow the member to run as this account.
act_as() {
  grant "$2" iam.serviceAccountUser \
    iam service-accounts add-iam-policy-binding "$(email "$1")" --condition=None
}

# Report everything that is missing before the first change.
preflight() {
  step="the checks before the first change; nothing was changed"
  check_settings GOOGLE_CLOUD_PROJECT PHOENIX_REGION ENV PHASE PHOENIX_BASE_URL \
    PHOENIX_FIREBASE_API_KEY PHOENIX_GENERATOR_BUCKET \
    R2_ENDPOINT_URL R2_ACCESS_KEY_ID R2_DRAFTS_BUCKET_NAME R2_BUCKET_NAME R2_PUBLIC_URL
  check_secrets R2_ADMIN_ACCESS_KEY_ID R2_ADMIN_SECRET_ACCESS_KEY
  check_tools
  if [[ -n $dry_run ]]; then
    check_secrets R2_SECRET_ACCESS_KEY
  elif ((${#problems[@]} == 0)); then
    check_project
    check_secret_version
    check_r2
  fi
  report_problems
}

parse "$@"
read_settings
python=${PYTHON:-$folder/../../.venv/bin/python}
preflight
name_everything
database=${PHOENIX_FIRESTORE_DATABASE:-(default)}
builds=$project-phoenix-builds

enable_services
make_accounts
make_registry
make_database
make_bucket "$PHOENIX_GENERATOR_BUCKET" generators
make_bucket "$builds" builds
make_secret "$secret" media R2_SECRET_ACCESS_KEY printf %s "${R2_SECRET_ACCESS_KEY:-}"
make_r2_buckets
make_grants
begin "queues, jobs and the API"
"$folder/provision_generation_jobs.sh" --settings "$settings_file" ${dry_run:+--dry-run}

begin "done"
cat <<DONE
Next steps (docs/deploying.md):
  1. In Firebase's console: add Firebase to $project and enable Authentication.
  2. In Cloudflare's console: connect the domain $R2_PUBLIC_URL to the bucket $R2_BUCKET_NAME.
  3. Deploy: gcloud builds submit, or infrastructure/gcp/deploy.sh RELEASE.
DONE
