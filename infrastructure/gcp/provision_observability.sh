#!/usr/bin/env bash
# Put the metrics, alerts and dashboard of observability/ into a project; run again, it brings them
# up to date.
#   provision_observability.sh [--settings FILE] [--dry-run]
# ALERT_CHANNELS in the settings are the notification channels that are told, separated by commas.
# shellcheck source-path=SCRIPTDIR source=script.sh
source "$(dirname "$0")/script.sh"
# shellcheck source-path=SCRIPTDIR source=preflight.sh
source "$(dirname "$0")/preflight.sh"

# name_in LIST...: the name of the first that a list shows; in a dry run nothing is there.
# Not by --limit: here gcloud applies it before --filter.
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
  local file name policy
  for file in "$folder"/observability/alerts/*.json; do
    name=$(basename "$file" .json)
    begin "alert $name"
    policy=$(name_in gcloud alpha monitoring policies list --filter="userLabels.alert=$name")
    if [[ -n $policy ]]; then
      run gcloud alpha monitoring policies update "$policy" --policy-from-file="$file" \
        ${ALERT_CHANNELS:+"--set-notification-channels=$ALERT_CHANNELS"}
    else
      run gcloud alpha monitoring policies create --policy-from-file="$file" \
        ${ALERT_CHANNELS:+"--notification-channels=$ALERT_CHANNELS"}
    fi
  done
}

make_dashboard() {
  local file=$folder/observability/dashboard.json dashboard
  begin "dashboard"
  dashboard=$(name_in gcloud monitoring dashboards list --filter=displayName=Phoenix)
  if [[ -n $dashboard ]]; then
    run gcloud monitoring dashboards update "$dashboard" --config-from-file="$file"
  else
    run gcloud monitoring dashboards create --config-from-file="$file"
  fi
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
[[ -n ${ALERT_CHANNELS:-} ]] || echo "The alerts tell nobody: ALERT_CHANNELS is not set (docs/deploying.md)."
