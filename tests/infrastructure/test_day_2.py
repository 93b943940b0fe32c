"""docs/day-2.md: gcloud understands its commands, and a backup restores with clean books."""

import re
from pathlib import Path

import httpx
import pytest

from shared.adapters.firestore.store import FirestoreStore
from shared.adapters.local.file_index import DigestIndex
from shared.adapters.local.store import SQLiteStore
from shared.domain.policy import Policy
from shared.lifecycle.auditing import Auditing
from tests.infrastructure.conftest import PROJECT, REGION, check_gcloud_understands
from tests.infrastructure.test_operating import blocks
from tests.servers import firestore_emulator
from tests.support.documents import put
from tests.support.machine import needs
from tests.support.world import World

PAGE = Path(__file__).parents[2] / "docs/day-2.md"
APIS = ("FIRESTORE", "LOGGING")
DATABASE = "projects/{project}/databases/(default)"


def gcloud_commands() -> list[str]:
    """Return each gcloud command of the page, also those whose answer sets a variable."""
    scripts = "".join(blocks(PAGE.read_text(), "sh")).replace("\\\n", " ")
    lines = [re.sub(r"^\w+=\$\((.*)\)$", r"\1", line) for line in scripts.splitlines()]
    return [line for line in lines if re.match("gcloud (?!builds)", line)]


@pytest.mark.slow
@needs("gcloud")
@pytest.mark.parametrize("command", gcloud_commands())
def test_gcloud_understands_the_command(command: str, nothing_there: int, tmp_path: Path) -> None:
    check_gcloud_understands(
        command,
        apis=APIS,
        proxy_port=nothing_there,
        folder=tmp_path,
        REGION=REGION,
        DATABASE="(default)",
        BACKUP=f"projects/{PROJECT}/locations/{REGION}/backups/one",
    )


@pytest.mark.slow
@needs("firestore")
def test_exported_database_is_restored_and_passes_the_audit(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Export a database with a ledger, import it into an empty one, and audit the copy."""
    world.draft()
    world.published(caption="kept")
    before = _copied_to_emulator(world.sqlite, tmp_path, monkeypatch)

    exported = next(tmp_path.rglob("*.overall_export_metadata"))
    with firestore_emulator.running("--import-data", str(exported)) as address:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
        store = FirestoreStore(PROJECT, database="(default)", prefix="")
        restored = set(map(repr, store.everything()))
        report = Auditing(store, world.files, world.clock, Policy(), DigestIndex).audit()
        store.close()

    assert report.violations == []
    assert (report.accounts, report.creations) == (1, 2)
    assert restored == before


def _copied_to_emulator(
    source: SQLiteStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> set[str]:
    """Write every document into an emulator and export it; return the documents."""
    with firestore_emulator.running() as address:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
        store = FirestoreStore(PROJECT, database="(default)", prefix="")
        for document in source.everything():
            put(store, document)
        documents = set(map(repr, store.everything()))
        store.close()
        httpx.post(
            f"http://{address}/emulator/v1/projects/{PROJECT}:export",
            json={
                "database": DATABASE.format(project=PROJECT),
                "export_directory": str(folder),
                "export_name": "backup",
            },
            timeout=30,
        ).raise_for_status()
    return documents
