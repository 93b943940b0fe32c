"""Deleting the Celery system's machines, with a fake `gcloud` and the real `phoenix`."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared import settings, wiring

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "infrastructure/gcp/decommission_celery.sh"
PROJECT, REGION = "phoenix-test", "us-central1"
WORKER = "run services describe celery-worker --region=us-central1"
REDIS = "redis instances describe celery-redis --region=us-central1"
CONNECTOR = "compute networks vpc-access connectors describe celery-connector --region=us-central1"
MACHINES = (WORKER, REDIS, CONNECTOR)
QUEUES = tuple(
    f"tasks queues describe {kind}-generation-queue --location={REGION} --format=value(state)"
    for kind in ("video", "image")
)
EXECUTIONS = tuple(
    f"run jobs executions list --job={kind}-generation-job --region={REGION}"
    " --filter=status.succeededCount>0 --limit=1 --format=value(metadata.name)"
    for kind in ("video", "image")
)
STAND_IN = """\
#!{python} -I
# Plays `gcloud`: answers what its state says, notes every call, and forgets what is deleted.
import json, os, pathlib, sys
state = pathlib.Path({state!r})
there = json.loads(state.read_text())
call = " ".join(sys.argv[1:]).removesuffix(" --format=none")
with pathlib.Path({calls!r}).open("a") as calls:
    print(os.environ["CLOUDSDK_CORE_PROJECT"], call, file=calls)
what = call.replace(" delete ", " describe ")
if what not in there:
    sys.exit("ERROR: (gcloud) NOT_FOUND: " + call)
if there[what] == "FORBIDDEN":
    sys.exit("ERROR: (gcloud) PERMISSION_DENIED: " + call)
print(there[what])
if what != call:
    del there[what]
    state.write_text(json.dumps(there))
"""


@dataclass
class OldSystem:
    """A project with the legacy machines and Phoenix."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "bin").mkdir()
        gcloud = self.folder / "bin/gcloud"
        calls, state = str(self.folder / "calls"), str(self.folder / "state")
        gcloud.write_text(STAND_IN.format(python=sys.executable, calls=calls, state=state))
        gcloud.chmod(0o755)
        (self.folder / "bin/phoenix").symlink_to(Path(sys.executable).with_name("phoenix"))
        self.set(
            **dict.fromkeys(QUEUES, "RUNNING"),
            **dict.fromkeys(EXECUTIONS, "execution-1"),
            **dict.fromkeys(MACHINES, ""),
        )
        wiring.build(settings.load({"PHOENIX_DATA": str(self.data)})).ports.close()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def set(self, **there: str) -> None:
        (self.folder / "state").write_text(json.dumps(there))

    @property
    def there(self) -> dict[str, str]:
        state: dict[str, str] = json.loads((self.folder / "state").read_text())
        return state

    @property
    def deleted(self) -> list[str]:
        path = self.folder / "calls"
        calls = path.read_text().splitlines() if path.exists() else []
        assert all(call.startswith(f"{PROJECT} ") for call in calls)
        return [call.removeprefix(f"{PROJECT} ") for call in calls if " delete " in call]

    def put(self, collection: str, id_: str, fields: dict[str, object]) -> None:
        with closing(sqlite3.connect(self.data / "store.db")) as connection:
            connection.execute(f"INSERT INTO {collection} VALUES (?, ?)", [id_, json.dumps(fields)])
            connection.commit()

    def run(
        self, *arguments: str, typed: str = "", region: str = REGION
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [SCRIPT, *arguments],
            input=typed,
            env={
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "GOOGLE_CLOUD_PROJECT": PROJECT,
                "PHOENIX_DATA": str(self.data),
                "PHOENIX_REGION": region,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def old(tmp_path: Path) -> OldSystem:
    return OldSystem(tmp_path)


def test_resources_are_deleted_after_the_project_name_is_typed(old: OldSystem) -> None:
    done = old.run(typed=f"{PROJECT}\n")

    assert done.returncode == 0, done.stderr
    assert "about $43 a month" in done.stdout
    assert old.deleted == [each.replace(" describe ", " delete ") for each in MACHINES]
    assert not old.there.keys() & set(MACHINES)


def test_phoenix_is_found_in_the_checkout_or_by_its_variable(old: OldSystem) -> None:
    """Where the checkout has its own, it need not be on the PATH."""
    checkout = old.folder / "checkout"
    scripts = checkout / "infrastructure/gcp"
    shutil.copytree(SCRIPT.parent, scripts)
    (old.folder / "bin/phoenix").unlink()

    def run(**environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [scripts / SCRIPT.name, "--dry-run"],
            env={
                "PATH": f"{old.folder / 'bin'}:/usr/bin:/bin",
                "GOOGLE_CLOUD_PROJECT": PROJECT,
                "PHOENIX_DATA": str(old.data),
                "PHOENIX_REGION": REGION,
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    missing = run()
    assert missing.returncode == 1
    assert "phoenix is not installed: run `make setup` in the checkout" in missing.stderr
    assert run(PHOENIX=str(Path(sys.executable).with_name("phoenix"))).returncode == 0
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/phoenix").symlink_to(Path(sys.executable).with_name("phoenix"))
    assert run().returncode == 0
    assert old.deleted == []


def test_second_run_finds_everything_deleted(old: OldSystem) -> None:
    old.run(typed=f"{PROJECT}\n")
    again = old.run(typed=f"{PROJECT}\n")

    assert again.returncode == 0, again.stderr
    assert again.stdout.count("already deleted") == 3
    assert len(old.deleted) == 3


def test_deleted_resource_is_skipped(old: OldSystem) -> None:
    there = old.there
    del there[REDIS]
    old.set(**there)

    assert old.run(typed=f"{PROJECT}\n").returncode == 0
    assert [each.split()[0] for each in old.deleted] == ["run", "compute"]


def test_dry_run_checks_and_prints_but_deletes_nothing(old: OldSystem) -> None:
    done = old.run("--dry-run")

    assert done.returncode == 0, done.stderr
    for machine in MACHINES:
        command = machine.replace(" describe ", " delete ")
        assert f"would run: gcloud {command}" in done.stdout
    assert old.deleted == []


@pytest.mark.parametrize("typed", ["", "\n", "yes\n", "phoenix-prod\n"])
def test_wrong_or_missing_project_name_deletes_nothing(old: OldSystem, typed: str) -> None:
    done = old.run(typed=typed)

    assert done.returncode == 1
    assert f"That is not {PROJECT}: nothing was deleted." in done.stderr
    assert old.deleted == []


@pytest.mark.parametrize(
    ("collection", "fields", "message"),
    [
        ("users", {"tokenBalance": 5}, "Run `phoenix adopt` first"),
        ("creations", {"userId": "x", "status": "completed"}, "Run `phoenix adopt` first"),
        ("creations", {"userId": "x", "status": "pending", "cost": 1}, "has no account"),
    ],
)
def test_refuses_while_legacy_data_is_not_migrated(
    old: OldSystem, collection: str, fields: dict[str, object], message: str
) -> None:
    old.put(collection, "old", fields)
    done = old.run(typed=f"{PROJECT}\n")

    assert done.returncode == 1
    assert message in done.stderr
    assert old.deleted == []


def test_refuses_while_the_audit_finds_violations(old: OldSystem) -> None:
    old.put("usernames", "ada", {"userId": "nobody"})
    done = old.run(typed=f"{PROJECT}\n")

    assert done.returncode == 1
    assert "stopped at: does the audit pass?" in done.stderr
    assert old.deleted == []


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("state", ["PAUSED", "", "FORBIDDEN"])
def test_refuses_while_a_queue_is_not_running(old: OldSystem, queue: str, state: str) -> None:
    old.set(**old.there | {queue: state})

    assert old.run(typed=f"{PROJECT}\n").returncode == 1
    assert old.deleted == []


@pytest.mark.parametrize("executions", EXECUTIONS)
def test_refuses_while_no_job_of_a_queue_has_succeeded(old: OldSystem, executions: str) -> None:
    old.set(**old.there | {executions: ""})
    done = old.run(typed=f"{PROJECT}\n")

    assert done.returncode == 1
    assert "has succeeded: create one" in done.stderr
    assert old.deleted == []


def test_permission_error_is_not_taken_for_a_deleted_resource(old: OldSystem) -> None:
    old.set(**old.there | {WORKER: "FORBIDDEN"})
    done = old.run(typed=f"{PROJECT}\n")

    assert done.returncode == 1
    assert "PERMISSION_DENIED" in done.stderr
    assert "stopped at: celery-worker" in done.stderr
    assert old.deleted == []


def test_settings_may_come_from_a_file_and_are_required(old: OldSystem) -> None:
    file = old.folder / "settings.env"
    file.write_text("CELERY_SERVICE=worker-of-old\n")
    options = ("--dry-run", "--settings", str(file))
    done, without = old.run(*options), old.run(*options, region="")
    unknown = old.run("--force")

    assert "worker-of-old" in done.stdout
    assert without.returncode == 1
    assert "must set: PHOENIX_REGION" in without.stderr
    assert "stopped at: the settings" in without.stderr
    assert unknown.returncode == 1
    assert "does not know --force" in unknown.stderr
