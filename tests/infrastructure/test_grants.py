"""Each process has what it needs and no more, and the doctor names what is taken away."""

import io
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.doctor import checks, examine
from shared import settings
from shared.adapters.cloud_run.grants import EXECUTOR, GoogleGrants
from shared.domain.kind import Kind
from shared.wiring import Phoenix
from tests.infrastructure.conftest import PROJECT, REGION, Installation
from tests.servers.gcloud_apis import Cloud
from tests.servers.run_admin_server import INVOKER as TASKS
from tests.servers.run_admin_server import Job, RunAdminServer
from tests.support.environments import GCP
from tests.support.machine import needs
from tests.support.world import World

pytestmark = [pytest.mark.slow, needs("gcloud")]

PROJECT_KEY = f"project:{PROJECT}"
INVOKER_ID = f"phoenix-tasks@{PROJECT}.iam.gserviceaccount.com"
INVOKER = f"/serviceAccounts/{INVOKER_ID}"
SECRET = "/secrets/phoenix-r2-secret-access-key"
Part = str
Need = tuple[str, str, str]
"""Who needs which role on what."""


def of_api() -> dict[Part, set[Need]]:
    """Return what each part of the API's work needs, in the words of its check."""
    mine = "phoenix-api"
    needed = {
        "store": {(mine, "datastore.user", PROJECT_KEY)},
        "users": {(mine, "firebaseauth.viewer", PROJECT_KEY)},
        "private files": {(mine, "secretmanager.secretAccessor", SECRET)},
        "public files": {(mine, "secretmanager.secretAccessor", SECRET)},
    }
    for kind in Kind:
        queue, job = f"/queues/{kind}-generation-queue", f"/jobs/{kind}-generation-job"
        needed[f"queue, {kind}s"] = {
            (mine, "cloudtasks.enqueuer", queue),
            (mine, "cloudtasks.taskDeleter", queue),
            (mine, "cloudtasks.viewer", queue),
            (mine, "iam.serviceAccountUser", INVOKER),
        }
        needed[f"executions, {kind}s"] = {
            (mine, "run.viewer", job),
            ("phoenix-tasks", "run.jobsExecutorWithOverrides", job),
        }
    return needed


def of_job(kind: Kind) -> dict[Part, set[Need]]:
    """Return what each part of a job's work needs."""
    mine = f"phoenix-{kind}-job"
    return {
        "store": {(mine, "datastore.user", PROJECT_KEY)},
        "private files": {(mine, "secretmanager.secretAccessor", SECRET)},
        f"queue, {kind}s": {
            (mine, "cloudtasks.enqueuer", f"/queues/{kind}-generation-queue"),
            (mine, "cloudtasks.taskDeleter", f"/queues/{kind}-generation-queue"),
            (mine, "iam.serviceAccountUser", INVOKER),
        },
        f"generator, {kind}s": {
            (mine, "aiplatform.user", PROJECT_KEY),
            (mine, "storage.objectUser", f"storage:b/{PROJECT}-generated"),
        },
    }


WORK = {"api": of_api(), **{f"{kind} job": of_job(kind) for kind in Kind}}
NEEDED = {need for parts in WORK.values() for needs_of in parts.values() for need in needs_of}
DEPLOYING = {"phoenix-deployer", "phoenix-auditor", "phoenix-scheduler", "phoenix-tester"}


def granted(cloud: Cloud) -> Iterator[tuple[str, str, str]]:
    """Yield each grant to a service account: who, role, and the key of the resource."""
    for key, bindings in cloud.policies.items():
        for binding in bindings:
            for member in binding["members"]:
                if member != "allUsers":
                    who = member.removeprefix("serviceAccount:").partition("@")[0]
                    yield who, binding["role"].removeprefix("roles/"), key


def has(cloud: Cloud, need: Need) -> bool:
    who, role, ending = need
    return any(
        (each, its_role) == (who, role) and key.endswith(ending)
        for each, its_role, key in granted(cloud)
    )


def test_every_grant_is_needed_by_a_process(installation: Installation) -> None:
    grants = [grant for grant in granted(installation.api.cloud) if grant[0] not in DEPLOYING]
    unneeded = [
        (who, role, key)
        for who, role, key in grants
        if not any((who, role) == need[:2] and key.endswith(need[2]) for need in NEEDED)
    ]

    assert unneeded == []
    assert len(grants) == len(NEEDED)


def test_deployer_and_auditor_have_no_further_grants(installation: Installation) -> None:
    grants = sorted(
        (who, role, key.rsplit("/", 1)[-1].partition("@")[0])
        for who, role, key in granted(installation.api.cloud)
        if who in DEPLOYING
    )

    assert grants == [
        ("phoenix-auditor", "run.jobsExecutor", "phoenix-audit"),
        ("phoenix-auditor", "run.jobsExecutor", "phoenix-audit-since"),
        ("phoenix-deployer", "artifactregistry.writer", "phoenix"),
        ("phoenix-deployer", "iam.serviceAccountUser", "phoenix-api"),
        ("phoenix-deployer", "iam.serviceAccountUser", "phoenix-image-job"),
        ("phoenix-deployer", "iam.serviceAccountUser", "phoenix-video-job"),
        ("phoenix-deployer", "logging.logWriter", PROJECT_KEY),
        ("phoenix-deployer", "run.developer", PROJECT_KEY),
        ("phoenix-deployer", "storage.objectViewer", f"{PROJECT}-phoenix-builds"),
        ("phoenix-tester", "logging.logWriter", PROJECT_KEY),
        ("phoenix-tester", "storage.objectViewer", f"{PROJECT}-phoenix-builds"),
    ]


def test_only_the_invoker_may_start_jobs(installation: Installation) -> None:
    executors = {
        (who, key.rsplit("/", 1)[-1])
        for who, role, key in granted(installation.api.cloud)
        if role == "run.jobsExecutorWithOverrides"
    }

    assert executors == {("phoenix-tasks", f"{kind}-generation-job") for kind in Kind}


# The doctor


ROLES_OF = {
    "waits": {"cloudtasks.viewer"},
    "withdraw": {"cloudtasks.taskDeleter"},
    "enqueue": {"cloudtasks.enqueuer", "iam.serviceAccountUser"},
    "is_running": {"run.viewer"},
    "find_output": {"storage.objectUser"},
    "start": {"aiplatform.user"},
}
"""What a method cannot do without; any other needs all that its part needs."""
PERMISSION_OF = {
    "cloudtasks.enqueuer": "cloudtasks.tasks.create",
    "cloudtasks.taskDeleter": "cloudtasks.tasks.delete",
    "iam.serviceAccountUser": "iam.serviceAccounts.actAs",
    "run.jobsExecutorWithOverrides": EXECUTOR,
}
"""The permission that the doctor checks for a role whose work it does not do."""
UNSEEN = {
    ("phoenix-video-job", "aiplatform.user", PROJECT_KEY),
    ("phoenix-image-job", "aiplatform.user", PROJECT_KEY),
    ("phoenix-image-job", "storage.objectUser", f"storage:b/{PROJECT}-generated"),
}
"""What only a call of the model would show: it costs money, and images are looked for nowhere."""


class Guarded:
    """A port that refuses a method while a grant that it needs is missing."""

    def __init__(self, port: Any, cloud: Cloud, needs_of: Mapping[str, set[Need]]) -> None:
        self._port = port
        self._cloud = cloud
        self._needs = needs_of

    def __getattr__(self, name: str) -> Any:
        if not callable(getattr(self._port, name)):
            return getattr(self._port, name)

        def guarded(*arguments: Any, **named: Any) -> Any:
            kind = f", {named['kind']}s" if "kind" in named else ""
            needed = next(
                (needs_of for part, needs_of in self._needs.items() if part.endswith(kind)), set()
            )
            missing = [
                need
                for need in needed - UNSEEN
                if need[1] in ROLES_OF.get(name, {need[1]}) and not has(self._cloud, need)
            ]
            if missing:
                raise PermissionError(f"403 {missing}")
            return getattr(self._port, name)(*arguments, **named)

        return guarded


def guarded(
    phoenix: Phoenix, cloud: Cloud, work: Mapping[Part, set[Need]], google: RunAdminServer
) -> Phoenix:
    """Return a Phoenix whose adapters check their permissions in the recorder's model."""

    def part(name: str) -> dict[str, set[Need]]:
        return {key: value for key, value in work.items() if key.partition(",")[0] == name}

    def generator(kind: Kind) -> Any:
        needed = {key: value for key, value in part("generator").items() if f", {kind}s" in key}
        return Guarded(phoenix.ports.generator(kind), cloud, needed)

    google.denied = {
        (ending.rpartition("/")[2].replace(INVOKER_ID, TASKS), PERMISSION_OF[role])
        for needs_of in work.values()
        for who, role, ending in needs_of
        if role in PERMISSION_OF and not has(cloud, (who, role, ending))
    }
    ports = phoenix.ports
    return replace(
        phoenix,
        settings=replace(phoenix.settings, backend=settings.load(GCP).backend),
        ports=replace(
            ports,
            store=Guarded(ports.store, cloud, part("store")),
            queue=Guarded(ports.queue, cloud, part("queue")),
            media=Guarded(ports.media, cloud, part("private files")),
            identity=Guarded(ports.identity, cloud, part("users")),
            executions=Guarded(ports.executions, cloud, part("executions")),
            generator=generator,
            grants=GoogleGrants(project=PROJECT, region=REGION, invoker=TASKS, endpoint=google.url),
        ),
    )


def advice(phoenix: Phoenix, *, as_api: bool) -> tuple[int, str]:
    out = io.StringIO()
    status = examine(phoenix, Console(file=out, width=80), as_api=as_api)
    return status, out.getvalue()


def without(cloud: Cloud, need: Need) -> Cloud:
    """Return the cloud with one grant taken away."""
    less = deepcopy(cloud)
    who, role, ending = need
    for key, bindings in less.policies.items():
        for binding in bindings:
            if key.endswith(ending) and binding["role"] == f"roles/{role}":
                mine = [each for each in binding["members"] if f":{who}@" in each]
                binding["members"] = [each for each in binding["members"] if each not in mine]
    return less


@pytest.fixture
def google(tmp_path: Path) -> Iterator[RunAdminServer]:
    """What answers for Google about permissions."""
    jobs = {f"{kind}-generation-job": Job(command=[]) for kind in Kind}
    with RunAdminServer(jobs, logs=tmp_path) as server:
        yield server


@pytest.mark.parametrize("process", WORK)
def test_doctor_passes_with_the_granted_roles(
    installation: Installation, world: World, google: RunAdminServer, process: str
) -> None:
    phoenix = guarded(world.phoenix, installation.api.cloud, WORK[process], google)

    status, shown = advice(phoenix, as_api=process == "api")

    assert status == 0, shown
    assert shown.count("ok  ") == len(list(checks(phoenix, as_api=process == "api")))


@pytest.mark.parametrize(
    ("process", "need"),
    [
        (process, need)
        for process, parts in WORK.items()
        for need in sorted({need for needs_of in parts.values() for need in needs_of} - UNSEEN)
    ],
    ids=str,
)
def test_doctor_names_each_revoked_grant(
    installation: Installation, world: World, google: RunAdminServer, process: str, need: Need
) -> None:
    cloud = without(installation.api.cloud, need)
    phoenix = guarded(world.phoenix, cloud, WORK[process], google)

    status, shown = advice(phoenix, as_api=process == "api")
    lines = shown.splitlines()
    failed = [lines[at + 1] for at, line in enumerate(lines) if line.startswith("FAIL")]

    assert status == 1
    assert failed
    assert all(f"roles/{need[1]}" in line for line in failed)


@pytest.mark.parametrize("need", sorted(UNSEEN), ids=str)
def test_doctor_reports_no_result_for_unreadable_grants(
    installation: Installation, world: World, google: RunAdminServer, need: Need
) -> None:
    process = need[0].removeprefix("phoenix-").replace("-", " ")
    assert need in {each for needs_of in WORK[process].values() for each in needs_of}
    cloud = without(installation.api.cloud, need)

    status, shown = advice(guarded(world.phoenix, cloud, WORK[process], google), as_api=False)

    assert status == 0, shown
    assert shown.count(": it was not called") == len(Kind)
