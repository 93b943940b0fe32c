"""The runbook: its commands are run as written, on data with its symptoms."""

import io
import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.doctor import examine
from shared import settings, wiring
from shared.domain.brief import creation_id_for
from shared.domain.kind import Kind
from shared.domain.media import MediaFormat
from tests.infrastructure.conftest import REGION, Installation, check_gcloud_understands
from tests.support.builders import ADA, LEASE_OWNER, a_brief, a_caller, stored_media
from tests.support.environments import GCP
from tests.support.machine import needs
from tests.support.world import World

RUNBOOK = Path(__file__).parents[2] / "docs/operating.md"
PHOENIX = str(Path(sys.executable).with_name("phoenix"))
CHANGING = {
    r" *\d+ ms": " N ms",
    r"-generation-job-[a-z0-9]{8}\b": "-generation-job-NAME",
    r"\b20\d\d-\d\d-\d\d \d\d:\d\d │": "MINUTE │",
}
"""Patterns that differ in each run."""
APIS = ("CLOUDSCHEDULER", "CLOUDTASKS", "FIRESTORE", "LOGGING", "MONITORING", "RUN")


def sections() -> dict[str, str]:
    """Return the text under each heading."""
    parts = re.split(r"^## (.+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def documented(block: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with its documented output."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def normal(output: str) -> str:
    """Return an output without what differs in each run."""
    for pattern, name in CHANGING.items():
        output = re.sub(pattern, name, output)
    return "\n".join(line.rstrip() for line in output.strip().splitlines())


# Data with each symptom


def change(data: Path, collection: str, id_: str, **fields: object) -> None:
    """Change a document behind the store's back."""
    with closing(sqlite3.connect(data / "store.db")) as connection:
        [text] = connection.execute(
            f'SELECT document FROM "{collection}" WHERE id = ?', [id_]
        ).fetchone()
        changed = json.dumps({**json.loads(text), **fields})
        connection.execute(f'UPDATE "{collection}" SET document = ? WHERE id = ?', [changed, id_])
        connection.commit()


def opened(data: Path, key: str, *, kind: Kind = Kind.VIDEO, cancel: bool = False) -> str:
    """Open a creation whose id the runbook knows."""
    phoenix = wiring.build(settings.load({"PHOENIX_DATA": str(data)}))
    creation = phoenix.opening.open(
        a_brief(kind, "a fox [slow 0]"), caller=a_caller(), idempotency_key=key
    ).creation
    if cancel:
        phoenix.failing.cancel(creation.creation_id, owner=creation.user_id)
    phoenix.ports.close()
    return creation.creation_id


def stuck(data: Path) -> None:
    long_ago = "2026-11-01T12:15:00.000000+00:00"
    opened(data, "waiting", kind=Kind.IMAGE)
    change(data, "creations", opened(data, "stuck"), deadlineAt=long_ago, sweepAt=long_ago)


def late(data: Path) -> None:
    long_ago = "2026-11-01T12:15:00.000000+00:00"
    change(data, "creations", opened(data, "stuck"), deadlineAt=long_ago, sweepAt=long_ago)


def out_of_date(data: Path) -> None:
    """A creation that no job could start for."""
    long_ago = "2026-11-01T12:15:00.000000+00:00"
    late = opened(data, "failed", kind=Kind.IMAGE)
    change(data, "creations", late, deadlineAt=long_ago, sweepAt=long_ago)


def healthy(data: Path) -> None:
    opened(data, "failed", kind=Kind.IMAGE, cancel=True)


def spoilt(data: Path) -> None:
    opened(data, "failed", cancel=True)
    change(data, "users", ADA, tokenBalance=95)


def left_by_celery(data: Path) -> None:
    wiring.build(settings.load({"PHOENIX_DATA": str(data)})).ports.close()
    old: dict[tuple[str, str], dict[str, Any]] = {
        ("users", "ada"): {"tokenBalance": 40, "username": "ada"},
        ("users", "ben"): {"tokenBalance": 7},
        ("creations", "Xy9"): {"userId": "ada", "status": "pending", "cost": 10},
        ("creations", "Xy8"): {"userId": "ben", "status": "completed", "cost": 10},
        ("transactions", "row"): {"userId": "ada", "type": "generation", "amount": -10},
    }
    with closing(sqlite3.connect(data / "store.db")) as connection:
        for (collection, id_), fields in old.items():
            connection.execute(
                f'INSERT INTO "{collection}" VALUES (?, ?)', [id_, json.dumps(fields)]
            )
        connection.commit()


def published(data: Path) -> None:
    """A video in the feed, with its files."""
    phoenix = wiring.build(settings.load({"PHOENIX_DATA": str(data)}))
    creation = phoenix.opening.open(a_brief(), caller=a_caller(), idempotency_key="stuck").creation
    claim = phoenix.claims.claim(creation.creation_id, kind=creation.kind, lease_owner=LEASE_OWNER)
    media = stored_media(claim.creation, thumbnail=False)
    file = data / "file"
    file.write_bytes(b"01234")
    phoenix.ports.media.put(file, media.media_key, media_format=MediaFormat.MP4)
    claim.complete(media)
    phoenix.publishing.publish(creation.creation_id, owner=creation.user_id, caption=None)
    phoenix.ports.close()


SCENES: dict[str, Callable[[Path], None]] = {
    "Stuck in processing": stuck,
    "High failure rate": healthy,
    "Refund alert": stuck,
    "Audit violation": spoilt,
    "Stop everything": healthy,
    "Take down a publication": published,
    "User X says tokens are missing": late,
    "Replay after an outage": out_of_date,
    "Model retired": out_of_date,
    "Migrate from the Celery system": left_by_celery,
}


@pytest.mark.slow
@pytest.mark.parametrize("section", SCENES)
def test_runbook_commands_print_the_documented_output(section: str, tmp_path: Path) -> None:
    data = tmp_path / "phoenix-data"
    data.mkdir()
    SCENES[section](data)

    for block in blocks(sections()[section], "console"):
        for command, output in documented(block):
            name, *arguments = shlex.split(command)
            assert name == "phoenix"
            done = subprocess.run(
                [PHOENIX, *arguments],
                env={**os.environ, "PHOENIX_DATA": str(data), "COLUMNS": "100"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert normal(done.stdout + done.stderr) == normal(output), command


def test_doctor_reports_a_retired_model_as_in_the_runbook(world: World) -> None:
    backend = settings.load(GCP | {"PHOENIX_VIDEO_MODEL": "veo-3.1-generate-001"}).backend
    phoenix = replace(world.phoenix, settings=replace(world.settings, backend=backend))
    out = io.StringIO()

    examine(phoenix, Console(file=out, width=80), as_api=True)

    [shown] = blocks(sections()["Model retired"], "text")
    assert normal(shown) in normal(out.getvalue())


def test_every_phoenix_command_is_in_a_block_that_is_tested() -> None:
    everywhere = {name for name, text in sections().items() if blocks(text, "console")}

    assert everywhere == SCENES.keys()


def test_runbook_creations_match_its_scenes() -> None:
    ids = set(re.findall(r"\b[a-z2-7]{26}\b", RUNBOOK.read_text()))

    assert ids == {creation_id_for(ADA, key) for key in ("waiting", "stuck", "failed")}


# gcloud


def gcloud_commands() -> list[str]:
    scripts = "".join(blocks(RUNBOOK.read_text(), "sh")).replace("\\\n", " ")
    return [line for line in scripts.splitlines() if line.startswith("gcloud ")]


def is_rerun(command: str) -> bool:
    """Return whether a command starts a job with variables: gcloud crashes without the job."""
    return "--update-env-vars=CREATION_ID" in command


@pytest.mark.slow
@needs("gcloud")
def test_rerun_in_the_project_starts_the_job_of_its_creation(installation: Installation) -> None:
    for command in filter(is_rerun, gcloud_commands()):
        done = installation.api.run(
            ["bash", "-c", command], cwd=installation.checkout, env={"REGION": REGION}
        )
        assert done.returncode == 0, done.stderr

    started = [
        {
            each["name"]: each["value"]
            for each in request.body["overrides"]["containerOverrides"][0]["env"]
        }
        for request in installation.api.requests
        if request.path.endswith("/jobs/image-generation-job:run")
    ]
    assert started == [
        {"CREATION_ID": creation_id_for(ADA, "waiting")},
        {"CREATION_ID": creation_id_for(ADA, "failed"), "RERUN_FAILED": "debit"},
    ]


@pytest.mark.slow
@needs("gcloud")
@pytest.mark.parametrize("command", [each for each in gcloud_commands() if not is_rerun(each)])
def test_gcloud_understands_every_command(command: str, nothing_there: int, tmp_path: Path) -> None:
    check_gcloud_understands(
        command, apis=APIS, proxy_port=nothing_there, folder=tmp_path, REGION="us-central1"
    )
