#!/usr/bin/env bash
# Create the metrics, alerts and dashboard of observability/ in a project, or update them.
#   provision_observability.sh [--settings FILE] [--dry-run]
# ALERT_CHANNELS in the settings are the notification channels of the alerts, separated by commas.
# shellcheck source-path=SCRIPTDIR source=script.sh
source "$(dirname "$0")/script.sh"
# shellcheck source-path=SCRIPTDIR source=preflight.sh
source "$(dirname "$0")/preflight.sh"

# name_in LIST...: the first name in a list; in a dry run, nothing exists.
# Without --limit, which gcloud would apply before --filter.
name_in() {
  [[ -n $dry_run ]] || "$@" --format='value(name)' </dev/null | sed -n 1p
}

make_metrics() {
  local file name verb
  for file in "$folder"/observability/metrics/*.json; do
    name=$(basename "$file" .json)
    begin "metric $name"
    verb=create
    ! exists gcloud logging metrics describe "$name" || verb=update
    run gcloud logging metrics "$verb" "$name" --config-from-file="$file"
  done
}

make_alerts() {
  local file name policy verb
  for file in "$folder"/observability/alerts/*.json; do
    name=$(basename "$file" .json)
    begin "alert $name"
    policy=$(name_in gcloud alpha monitoring policies list --filter="userLabels.alert=$name")
    verb=(create)
    [[ -z $policy ]] || verb=(update "$policy")
    run gcloud alpha monitoring policies "${verb[@]}" --policy-from-file="$file" \
      ${ALERT_CHANNELS:+"--${policy:+set-}notification-channels=$ALERT_CHANNELS"}
  done
}

make_dashboard() {
  local file=$folder/observability/dashboard.json dashboard verb=(create)
  begin "dashboard"
  dashboard=$(name_in gcloud monitoring dashboards list --filter=displayName=Phoenix)
  [[ -z $dashboard ]] || verb=(update "$dashboard")
  run gcloud monitoring dashboards "${verb[@]}" --config-from-file="$file"
}

parse "$@"
read_settings
check_settings GOOGLE_CLOUD_PROJECT PHOENIX_REGION
[[ -n $dry_run ]] || check_alpha
report_problems
name_everything
make_metrics
make_alerts
make_dashboard
begin "done"
[[ -n ${ALERT_CHANNELS:-} ]] || echo "The alerts notify no one: ALERT_CHANNELS is not set (docs/deploying.md)."
