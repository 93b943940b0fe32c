"""What `provision.sh` creates, field by field, and that it creates it once."""

import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from shared import settings
from shared.domain.errors import WrongSetting
from shared.domain.keys import Collection
from shared.settings import GCPBackend
from shared.settings.sealed_environment import apply_seal
from tests.infrastructure.conftest import PROJECT, REGION, Installation
from tests.support.machine import needs

pytestmark = [pytest.mark.slow, needs("gcloud")]

LABELS = {"app": "phoenix", "env": "dev", "phase": "pilot"}
SECRET = "phoenix-r2-secret-access-key"


def account(name: str) -> str:
    return f"{name}@{PROJECT}.iam.gserviceaccount.com"


def member(*names: str) -> set[str]:
    return {f"serviceAccount:{account(name)}" for name in names}


def labels(resource: Any) -> dict[str, str]:
    found = resource.get("labels") or resource["metadata"]["labels"]
    return {name: value for name, value in found.items() if "." not in name}


def environment(container: Any) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container["env"]}


def test_second_run_changes_nothing(installation: Installation) -> None:
    with installation.api.unchanged():
        done = installation.run("provision.sh", R2_SECRET_ACCESS_KEY="")

    assert done.returncode == 0, done.stderr
    assert " create" not in done.stdout
    assert "these rules are already active" in done.stdout
    assert " deploy " not in done.stdout


def test_dry_run_shows_every_command_and_sends_nothing(installation: Installation) -> None:
    before = len(installation.api.requests)

    done = installation.run("provision.sh", "--dry-run")
    commands = [shlex.split(line) for line in done.stdout.splitlines() if line[:2] == "gc"]

    assert done.returncode == 0, done.stderr
    assert len(installation.api.requests) == before
    assert len(commands) > 60
    assert sum("add-iam-policy-binding" in command for command in commands) == 40


def test_unsealed_provisioning_keeps_the_jobs_commands(
    installation: Installation,
) -> None:
    unsealed = installation.run("provision.sh", "--dry-run", SEAL="no")
    sealed = installation.run("provision.sh", "--dry-run")

    assert unsealed.returncode == 0, unsealed.stderr
    assert "--sealed=" not in unsealed.stdout
    assert sealed.stdout.count("--sealed=") == 5


def test_queues_are_rate_limited_and_drop_old_tasks(installation: Installation) -> None:
    find = installation.api.cloud.find

    for kind, a_minute, at_once in (("video", 10, 5), ("image", 45, 10)):
        queue = find(f"{REGION}/queues/{kind}-generation-queue")
        assert round(60 * queue["rateLimits"]["maxDispatchesPerSecond"]) == a_minute
        assert queue["rateLimits"]["maxConcurrentDispatches"] == at_once
        assert queue["retryConfig"] == {
            "maxAttempts": 10,
            "maxRetryDuration": "900s",
            "minBackoff": "5s",
            "maxBackoff": "60s",
        }


@pytest.mark.parametrize(
    ("name", "who", "memory", "cpu", "timeout_s", "retries", "arguments"),
    [
        ("video-generation-job", "phoenix-video-job", "4Gi", "2", 600, 2, None),
        ("image-generation-job", "phoenix-image-job", "1Gi", "1", 300, 2, None),
        ("phoenix-audit", "phoenix-api", "1Gi", "1", 3900, 0, ["audit"]),
        ("phoenix-audit-since", "phoenix-api", "1Gi", "1", 3900, 0, ["audit", "--since"]),
        ("phoenix-doctor", "phoenix-api", "1Gi", "1", 300, 0, ["doctor", "--api"]),
    ],
)
def test_job_has_its_machine_account_and_labels(
    installation: Installation,
    name: str,
    who: str,
    memory: str,
    cpu: str,
    timeout_s: int,
    retries: int,
    arguments: list[str] | None,
) -> None:
    job = installation.api.cloud.resources[f"run:namespaces/{PROJECT}/jobs/{name}"]
    task = installation.job(name)
    (container,) = task["containers"]

    assert task["serviceAccountName"] == account(who)
    assert container["resources"]["limits"] == {"memory": memory, "cpu": cpu}
    assert (int(task["timeoutSeconds"]), task["maxRetries"]) == (timeout_s, retries)
    assert container.get("args") == arguments
    assert labels(job).keys() - LABELS.keys() == {"service", "settings"}
    assert labels(job).items() >= (LABELS | {"service": name}).items()


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("video-generation-job", "jobs.video_generation_job"),
        ("image-generation-job", "jobs.image_generation_job"),
        ("phoenix-audit", "cli"),
        ("phoenix-audit-since", "cli"),
        ("phoenix-doctor", "cli"),
    ],
)
def test_job_runs_one_module_with_sealed_settings(
    installation: Installation, name: str, module: str
) -> None:
    (container,) = installation.job(name)["containers"]
    *command, seal = container["command"]
    given = environment(container) | {"CREATION_ID": "c" * 26, "R2_SECRET_ACCESS_KEY": "secret"}

    assert command == ["python", "-I", "-m", module]
    assert apply_seal([seal, "x"], dict(given), takes_arguments=True) == ["x"]
    with pytest.raises(WrongSetting, match="differ from the job's seal"):
        apply_seal([seal], given | {"PHOENIX_GENERATOR_BUCKET": "another"})


def test_api_accepts_250_concurrent_requests(installation: Installation) -> None:
    service = installation.service
    template = service["spec"]["template"]
    (container,) = template["spec"]["containers"]
    found = labels(service)

    assert template["spec"]["containerConcurrency"] == 250
    assert template["spec"]["serviceAccountName"] == account("phoenix-api")
    assert template["spec"]["timeoutSeconds"] == 3600
    assert container["resources"]["limits"] == {"memory": "1Gi", "cpu": "1"}
    assert template["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"] == "10"
    assert service["metadata"]["annotations"]["run.googleapis.com/ingress"] == "all"
    assert len(found.pop("settings")) == 16
    assert found == LABELS | {"service": "phoenix-api", "release": "none"}
    assert installation.api.cloud.holders("/services/phoenix-api") == {
        "roles/run.invoker": {"allUsers"}
    }


@pytest.mark.parametrize("name", ["phoenix-api", "video-generation-job", "image-generation-job"])
def test_every_process_starts_with_its_environment(installation: Installation, name: str) -> None:
    spec = (
        installation.service["spec"]["template"]["spec"]
        if name == "phoenix-api"
        else installation.job(name)
    )
    (container,) = spec["containers"]
    given = environment(container)
    (secret,) = [each for each in container["env"] if "valueFrom" in each]
    given |= {"K_SERVICE": name, "R2_SECRET_ACCESS_KEY": "secret"}
    # In the cloud it is https.
    assert given["R2_ENDPOINT_URL"] == installation.r2_url
    given["R2_ENDPOINT_URL"] = "https://account.r2.cloudflarestorage.com"

    backend = settings.load(given).backend

    assert secret["valueFrom"]["secretKeyRef"] == {"name": SECRET, "key": "latest"}
    assert isinstance(backend, GCPBackend)
    assert backend.tasks_invoker == account("phoenix-tasks")
    assert backend.internal_accounts == (account("phoenix-scheduler"),)
    assert backend.internal_audience == "https://api.phoenix.test/internal"
    assert (backend.project, backend.region) == (PROJECT, REGION)


def test_scheduler_sweeps_every_minute(installation: Installation) -> None:
    jobs = installation.api.cloud.resources
    sweep = jobs[f"cloudscheduler:projects/{PROJECT}/locations/{REGION}/jobs/phoenix-sweep"]

    assert (sweep["schedule"], sweep["timeZone"]) == ("* * * * *", "Etc/UTC")
    assert sweep["attemptDeadline"] == "60s"
    assert sweep.get("retryConfig", {}).get("retryCount", 0) == 0
    assert sweep["httpTarget"]["httpMethod"] == "POST"
    assert sweep["httpTarget"]["uri"] == "https://api.phoenix.test/internal/cleanup"
    assert sweep["httpTarget"]["oidcToken"] == {
        "serviceAccountEmail": account("phoenix-scheduler"),
        "audience": "https://api.phoenix.test/internal",
    }


@pytest.mark.parametrize(
    ("job", "times"), [("phoenix-audit", "17 4 * * 0"), ("phoenix-audit-since", "17 3 * * *")]
)
def test_scheduler_audits_what_moved_every_night_and_everything_every_week(
    installation: Installation, job: str, times: str
) -> None:
    jobs = installation.api.cloud.resources
    audit = jobs[f"cloudscheduler:projects/{PROJECT}/locations/{REGION}/jobs/{job}"]

    assert (audit["schedule"], audit["timeZone"]) == (times, "Etc/UTC")
    assert audit["httpTarget"]["uri"] == (
        f"https://run.googleapis.com/v2/projects/{PROJECT}/locations/{REGION}/jobs/{job}:run"
    )
    assert audit["httpTarget"]["oauthToken"]["serviceAccountEmail"] == account("phoenix-auditor")


def test_buckets_secrets_and_database_exist(installation: Installation) -> None:
    find = installation.api.cloud.find
    bucket = find(f"storage:b/{PROJECT}-generated")
    database = find("/databases/(default)")
    registry = find("/repositories/phoenix")

    assert bucket["lifecycle"]["rule"] == [{"action": {"type": "Delete"}, "condition": {"age": 1}}]
    assert bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] is True
    assert bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert labels(bucket) == LABELS | {"service": "generators"}
    assert labels(find(f"/secrets/{SECRET}")) == LABELS | {"service": "media"}
    assert find(f"/secrets/{SECRET}/versions/1")["data"] == "secret of the running system"
    assert labels(registry) == LABELS | {"service": "registry"}
    assert (registry["format"], registry["dockerConfig"]["immutableTags"]) == ("DOCKER", True)
    assert (database["type"], database["locationId"]) == ("FIRESTORE_NATIVE", REGION)
    assert database["deleteProtectionState"] == "DELETE_PROTECTION_ENABLED"


def test_firestore_has_the_declared_indexes_and_rules(installation: Installation) -> None:
    cloud = installation.api.cloud
    scripts = installation.checkout / "infrastructure/gcp"
    release = cloud.find(f"firebaserules:projects/{PROJECT}/releases/cloud.firestore")
    ruleset = cloud.resources[f"firebaserules:{release['rulesetName']}"]
    composites = [key for key in cloud.resources if "/indexes/" in key]
    due = [
        cloud.find(f"/collectionGroups/creations/fields/{field}")["indexConfig"]["indexes"]
        for field in ("deadlineAt", "sweepAt")
    ]

    assert ruleset["source"]["files"][0]["content"] == (scripts / "firestore.rules").read_text()
    assert len(composites) == (scripts / "firestore.indexes.json").read_text().count('"fields"')
    assert due == [[{"fields": [{"order": "ASCENDING"}], "queryScope": "COLLECTION"}]] * 2
    assert cloud.find("/collectionGroups/users/fields/*")["indexConfig"] == {}


def test_collections_with_a_prefix_have_the_same_indexes(installation: Installation) -> None:
    groups = "/collectionGroups/"

    def indexed(prefix: str) -> list[str]:
        kept = [key for key in installation.api.cloud.resources if groups + prefix in key]
        return sorted(key.split(groups + prefix)[1].partition("/indexes/")[0] for key in kept)

    def script() -> list[str]:
        scripts = installation.checkout / "infrastructure/gcp"
        files = (scripts / "firestore_indexes.py", scripts / "firestore.indexes.json")
        options = ("--database=(default)", "--prefix=staging_")
        done = installation.api.run([sys.executable, *files, *options], cwd=scripts, env={})
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    wanted = indexed("")
    for command in script():
        done = installation.api.run([*shlex.split(command)], cwd=installation.checkout, env={})
        assert done.returncode == 0, done.stderr

    assert indexed("staging_") == wanted
    assert script() == []


def test_prefix_of_the_settings_is_that_of_the_indexes(installation: Installation) -> None:
    installation.settings(PHOENIX_COLLECTION_PREFIX="staging_")

    done = installation.run("provision.sh", "--dry-run")
    collections = set(re.findall(r"--collection-group=(\S+)", done.stdout))

    assert done.returncode == 0, done.stderr
    assert collections == {f"staging_{each}" for each in Collection}


def test_other_settings_change_the_jobs_at_once_and_the_api_without_traffic(
    installation: Installation,
) -> None:
    before = installation.service["status"]["traffic"][0]["revisionName"]
    installation.settings(
        PHOENIX_WELCOME_TOKENS="5", PHOENIX_CORS_ORIGINS="https://a.b,https://c.d"
    )

    done = installation.run("provision_generation_jobs.sh")
    (job,) = installation.job("video-generation-job")["containers"]
    (api,) = installation.service["spec"]["template"]["spec"]["containers"]

    assert done.returncode == 0, done.stderr
    assert "they take effect with infrastructure/gcp/deploy.sh RELEASE" in done.stdout
    for container in (job, api):
        assert environment(container)["PHOENIX_WELCOME_TOKENS"] == "5"
        assert environment(container)["PHOENIX_CORS_ORIGINS"] == "https://a.b,https://c.d"
    assert [
        target["revisionName"]
        for target in installation.service["status"]["traffic"]
        if target.get("percent")
    ] == [before]


def test_permission_error_is_not_taken_for_a_missing_resource(installation: Installation) -> None:
    installation.api.fail("GET", "/queues/image-generation-queue", 403)

    with installation.api.unchanged():
        done = installation.run("provision_generation_jobs.sh")

    assert done.returncode == 1
    assert "PERMISSION_DENIED" in done.stderr
    assert "stopped at: queue image-generation-queue" in done.stderr
    assert "queues create" not in done.stdout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("R2_BUCKET_NAME='quoted'", "not NAME=value without quotes: R2_BUCKET_NAME='quoted'"),
        ("R2_SECRET_ACCESS_KEY=x", "it must not hold secrets"),
        ("ENV=", "must set: ENV"),
    ],
)
def test_invalid_settings_file_is_refused_before_anything_is_sent(
    installation: Installation, line: str, message: str
) -> None:
    name, _, value = line.partition("=")
    before = len(installation.api.requests)
    installation.settings(**{name: value})

    done = installation.run("provision.sh")

    assert done.returncode == 1
    assert message in done.stderr
    assert len(installation.api.requests) == before


def test_unknown_argument_is_refused_before_anything_is_sent(
    installation: Installation,
) -> None:
    before = len(installation.api.requests)

    done = installation.run("provision.sh", "prod.env")

    assert done.returncode == 1
    assert "provision.sh does not know prod.env: it takes --dry-run, --settings" in done.stderr
    assert len(installation.api.requests) == before


def test_welcome_key_is_created_once_where_welcome_tokens_are_granted(
    installation: Installation,
) -> None:
    cloud, name = installation.api.cloud, "phoenix-welcome-key"
    assert not [key for key in cloud.resources if key.endswith(name)]
    installation.settings(PHOENIX_WELCOME_TOKENS="20")

    done = [installation.run("provision_generation_jobs.sh") for _ in range(2)]

    assert [each.returncode for each in done] == [0, 0], done[0].stderr
    versions = [key for key in cloud.resources if f"/secrets/{name}/versions/" in key]
    key = installation.api.cloud.find(f"/secrets/{name}/versions/1")["data"]
    assert len(versions) == 1
    assert re.fullmatch(r"[0-9a-f]{64}", key)
    assert key not in "".join(each.stdout + each.stderr for each in done)
    for job in ("video-generation-job", "image-generation-job", "phoenix-audit"):
        (container,) = installation.job(job)["containers"]
        given = {each["name"]: each.get("valueFrom") for each in container["env"]}
        assert given["PHOENIX_WELCOME_KEY"] == {"secretKeyRef": {"name": name, "key": "1"}}


def test_secret_without_a_value_is_not_stored(installation: Installation, tmp_path: Path) -> None:
    od = tmp_path / "od"
    od.write_text("#!/bin/sh\n")
    od.chmod(0o755)
    installation.settings(PHOENIX_WELCOME_TOKENS="20")
    path = f"{tmp_path}:{os.environ['PATH']}"

    stopped = installation.run("provision_generation_jobs.sh", PATH=path)

    assert stopped.returncode == 1
    assert "there is no value for the secret phoenix-welcome-key: 32 random bytes" in stopped.stderr
    assert not [
        key for key in installation.api.cloud.resources if "/versions/" in key and "welcome" in key
    ]


def test_welcome_key_in_the_settings_file_is_refused(installation: Installation) -> None:
    installation.settings(PHOENIX_WELCOME_KEY="x" * 32)

    refused = installation.run("provision.sh", "--dry-run")

    assert refused.returncode != 0
    assert "it must not hold secrets: provisioning creates PHOENIX_WELCOME_KEY" in refused.stderr
