"""Documented limits that gcloud does not check, and where roles can be granted."""

import re
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
IsThere = Callable[[str], bool]

ROLES = {
    "roles/aiplatform.user": ("project:",),
    "roles/artifactregistry.writer": ("project:", "artifactregistry:"),
    "roles/cloudtasks.enqueuer": ("project:", "cloudtasks:"),
    "roles/cloudtasks.taskDeleter": ("project:", "cloudtasks:"),
    "roles/cloudtasks.viewer": ("project:", "cloudtasks:"),
    "roles/datastore.user": ("project:",),
    "roles/firebaseauth.viewer": ("project:",),
    "roles/iam.serviceAccountUser": ("project:", "iam:"),
    "roles/logging.logWriter": ("project:",),
    "roles/run.developer": ("project:", "run:"),
    "roles/run.invoker": ("project:", "run:"),
    "roles/run.jobsExecutor": ("project:", "run:"),
    "roles/run.jobsExecutorWithOverrides": ("project:", "run:"),
    "roles/run.viewer": ("project:", "run:"),
    "roles/secretmanager.secretAccessor": ("project:", "secretmanager:"),
    "roles/storage.objectUser": ("project:", "storage:"),
    "roles/storage.objectViewer": ("project:", "storage:"),
}
"""The roles of Phoenix and the resources that they can be granted on."""

LABEL = re.compile(r"[a-z0-9_-]{0,63}")
CRON = re.compile(r"(\S+ ){4}\S+")
MEMORY_GIB_MAX = {1: 4, 2: 8, 4: 16, 8: 32}
DISPATCHES_PER_S_MAX, CONCURRENT_MAX = 500, 5000
CONCURRENCY_MAX = 1000


def is_on(role: str, key: str) -> bool:
    """Return whether a role can be granted on a resource."""
    return key.startswith(ROLES[role])


def check(key: str, body: Json, *, is_there: IsThere) -> str:
    """Return a validation error, or an empty text."""
    if key.startswith("monitoring:"):  # whose channels' labels are addresses
        return _monitored(body, is_there)
    labels = body.get("labels") or body.get("metadata", {}).get("labels") or {}
    for name, value in labels.items():
        if not LABEL.fullmatch(value) or not LABEL.fullmatch(name.rsplit("/", 1)[-1]):
            return f"label {name}={value}"
    checks = {
        "cloudtasks": _queue,
        "cloudscheduler": _schedule,
        "run": _run,
        "cloudbuild": _build,
    }
    checked = checks.get(key.partition(":")[0])
    return checked(body, is_there) if checked else ""


def _queue(body: Json, _: IsThere) -> str:
    name = body["name"].rsplit("/", 1)[-1]
    limits = body.get("rateLimits", {})
    if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", name):
        return f"queue id {name}"
    if not 0 <= limits.get("maxDispatchesPerSecond", 1) <= DISPATCHES_PER_S_MAX:
        return "maxDispatchesPerSecond"
    if not 0 < limits.get("maxConcurrentDispatches", 1) <= CONCURRENT_MAX:
        return "maxConcurrentDispatches"
    return ""


def _schedule(body: Json, is_there: IsThere) -> str:
    if not CRON.fullmatch(body["schedule"]):
        return f"schedule {body['schedule']}"
    target = body["httpTarget"]
    token = target.get("oidcToken") or target.get("oauthToken")
    if token and not is_there(f"/serviceAccounts/{token['serviceAccountEmail']}"):
        return f"service account {token['serviceAccountEmail']} does not exist"
    if target.get("oauthToken") and ".googleapis.com/" not in target["uri"]:
        return "an OAuth token is for Google's APIs only"
    return ""


def _run(body: Json, is_there: IsThere) -> str:
    template = body["spec"]["template"]
    is_job = body["kind"] == "Job"
    spec = template["spec"]["template"]["spec"] if is_job else template["spec"]
    (container,) = spec["containers"]
    limits = container.get("resources", {}).get("limits", {})
    memory = re.fullmatch(r"(\d+)(Gi|Mi)", limits.get("memory", "512Mi"))
    cpu = int(limits.get("cpu", "1"))
    if memory is None or cpu not in MEMORY_GIB_MAX:
        return f"resources {limits}"
    if memory[2] == "Gi" and int(memory[1]) > MEMORY_GIB_MAX[cpu]:
        return f"{limits['memory']} need more than {cpu} CPU"
    if not is_there(f"/serviceAccounts/{spec.get('serviceAccountName')}"):
        return f"service account {spec.get('serviceAccountName')} does not exist"
    if spec.get("containerConcurrency", 1) > CONCURRENCY_MAX:
        return "containerConcurrency"
    for variable in container.get("env", []):
        secret = variable.get("valueFrom", {}).get("secretKeyRef")
        if secret and not is_there(f"/secrets/{secret['name']}/versions/1"):
            return f"secret {secret['name']} has no version"
    return ""


def _monitored(body: Json, is_there: IsThere) -> str:
    for metric in re.findall(r"logging\.googleapis\.com/user/(\w+)", repr(body)):
        if not is_there(f"/metrics/{metric}"):
            return f"Cannot find metric that matches type {metric}"
    for channel in body.get("notificationChannels", []):
        if not is_there(channel):
            return f"{channel} was not found"
    return ""


def _build(body: Json, is_there: IsThere) -> str:
    known: set[str] = set()
    given = set(body.get("substitutions", {}))
    used = set(re.findall(r"\$\{?(_[A-Z0-9_]+)", repr(body["steps"]) + repr(body.get("tags"))))
    for step in body["steps"]:
        if not step.get("name"):
            return "a step has no name"
        if missing := set(step.get("waitFor", [])) - known - {"-"}:
            return f"waitFor {missing}"
        known.add(step.get("id", ""))
    if used != given:
        return f"substitutions used {used}, given {given}"
    account = body.get("serviceAccount", "").replace("$PROJECT_ID", "")
    if account and not is_there(
        account.rsplit("/", 1)[-1].split("@")[0] + "@phoenix-test.iam.gserviceaccount.com"
    ):
        return f"service account {account} does not exist"
    return ""
