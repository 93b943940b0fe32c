"""SIGKILL of the API between the commit of a group and its tasks."""

import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from shared import settings, wiring
from shared.domain.creation import Creation
from shared.domain.ledger import EntryType, LedgerEntry
from shared.domain.status import Status
from shared.wiring import Phoenix
from tests.end_to_end.api_process import IMAGE, OPEN, api, sign_in
from tests.end_to_end.conftest import SCALED_DOWN
from tests.end_to_end.test_restarts import stack
from tests.support.eventually import eventually
from tests.support.rival_writer import rival_writer

pytestmark = pytest.mark.slow

GROUP = {**IMAGE, "prompt": "a fox [slow 0]", "count": 4}
PATIENT = {**SCALED_DOWN, "PHOENIX_POLICY_DEADLINE_S": "300"}


def group(phoenix: Phoenix) -> list[Creation]:
    return [each for each in phoenix.ports.store.everything() if isinstance(each, Creation)]


def post_in_vain(base_url: str, headers: dict[str, str]) -> None:
    with suppress(httpx.HTTPError):
        httpx.post(f"{base_url}{OPEN}", json=GROUP, headers=headers, timeout=30)


def die_before_the_tasks(data: Path, phoenix: Phoenix) -> None:
    """Kill the API after it has committed a group, while it waits to write to the queue."""
    with api(data, PATIENT) as (process, base_url):
        with httpx.Client(base_url=base_url, timeout=30) as client:
            headers = sign_in(client, "ada")
            client.get("/api/me", headers=headers).raise_for_status()
        with rival_writer(data / "queue.db"):
            post = threading.Thread(target=post_in_vain, args=(base_url, headers))
            post.start()
            eventually(lambda: len(group(phoenix)) == 4, poll_interval_s=0.005)
            process.kill()
            process.wait()
            post.join()


def test_sweep_enqueues_a_whole_group_after_the_api_was_killed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    phoenix = wiring.build(settings.load({**PATIENT, "PHOENIX_DATA": str(data)}))
    die_before_the_tasks(data, phoenix)
    with closing(sqlite3.connect(data / "queue.db")) as queue:
        assert queue.execute("SELECT count(*) FROM tasks").fetchone() == (0,)
    assert {each.status for each in group(phoenix)} == {Status.PENDING}

    with stack(data):
        eventually(lambda: not any(each.is_unfinished for each in group(phoenix)), within_s=90)

    entries = [
        each
        for each in phoenix.ports.store.everything()
        if isinstance(each, LedgerEntry) and each.entry_type is not EntryType.GRANT
    ]
    assert [each.status for each in group(phoenix)] == [Status.DRAFT] * 4
    assert [each.entry_type for each in entries] == [EntryType.DEBIT] * 4
    assert len(list((data / "generator/operations").glob("*.json"))) == 4
    assert phoenix.auditing.audit().violations == []
    phoenix.ports.close()
