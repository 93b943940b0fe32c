"""SIGKILL of `phoenix replay` between the commit of a debit and its task."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared import settings, wiring
from shared.domain.creation import Creation, creation_key
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.ledger import EntryType, LedgerEntry
from shared.domain.operating import OperatorAct, Verb
from shared.domain.status import Status
from shared.wiring import Phoenix
from tests.end_to_end.conftest import SCALED_DOWN
from tests.end_to_end.test_restarts import stack
from tests.support.builders import LEASE_OWNER, a_brief, a_caller
from tests.support.eventually import eventually
from tests.support.rival_writer import rival_writer

pytestmark = pytest.mark.slow

PATIENT = {**SCALED_DOWN, "PHOENIX_POLICY_DEADLINE_S": "300"}
CODE = FailureCode.GENERATOR_UNAVAILABLE
FAILURES = 3


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def phoenix(data: Path) -> Iterator[Phoenix]:
    built = wiring.build(settings.load({**PATIENT, "PHOENIX_DATA": str(data)}))
    yield built
    built.ports.close()


def failed(phoenix: Phoenix) -> Creation:
    """Return an image that failed before its start, and whose task has run."""
    brief = a_brief(Kind.IMAGE, "a fox [slow 0]")
    creation_id = phoenix.opening.open(brief, caller=a_caller()).creation.creation_id
    claims = phoenix.claims
    claimed = claims.claim(creation_id, kind=Kind.IMAGE, lease_owner=LEASE_OWNER).creation
    phoenix.failing.fail_attempt(claimed, CODE, start_failed=False)
    queue = phoenix.ports.queue
    queue.withdraw(creation_id, kind=Kind.IMAGE, number=claimed.task_number)
    return now(phoenix, claimed)


def now(phoenix: Phoenix, creation: Creation) -> Creation:
    found = phoenix.ports.store.get(creation_key(creation.creation_id))
    assert found is not None
    return found


def tasks(data: Path) -> int:
    """Return how many tasks wait."""
    with closing(sqlite3.connect(data / "queue.db")) as queue:
        count: int = queue.execute("SELECT count(*) FROM tasks WHERE done_s IS NULL").fetchone()[0]
        return count


def replay(data: Path, *options: str) -> "subprocess.Popen[str]":
    phoenix_command = Path(sys.executable).with_name("phoenix")
    return subprocess.Popen(
        [phoenix_command, "replay", "--code", CODE, "--since", "1h", *options],
        env={**os.environ, **PATIENT, "PHOENIX_DATA": str(data)},
        stdout=subprocess.PIPE,
        text=True,
    )


def die_before_the_task(data: Path, phoenix: Phoenix, oldest: Creation, *options: str) -> None:
    """Kill a replay after its first debit, while it waits to write to the queue."""
    with rival_writer(data / "queue.db"), replay(data, *options) as process:
        eventually(lambda: now(phoenix, oldest).run_number == 2, poll_interval_s=0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL


def last_line(data: Path, *options: str) -> str:
    """Replay to the end, and return what it counted."""
    with replay(data, *options) as process:
        text, _ = process.communicate(timeout=60)
    return text.splitlines()[-1]


def until_drafts(phoenix: Phoenix, creations: list[Creation]) -> None:
    eventually(
        lambda: {now(phoenix, each).status for each in creations} == {Status.DRAFT}, within_s=90
    )


def check_debited_once(phoenix: Phoenix, creations: list[Creation], *, is_granted: bool) -> None:
    """Check that each creation has one debit of the replay, with its act, and a clean audit."""
    ids = {each.creation_id for each in creations}
    documents = [*phoenix.ports.store.everything()]
    entries = Counter(
        (each.creation_id, each.entry_type)
        for each in documents
        if isinstance(each, LedgerEntry) and each.creation_id
    )
    acts = [each for each in documents if isinstance(each, OperatorAct)]
    replays = [each.creation_id for each in acts if each.verb is Verb.REPLAY and each.creation_id]
    grants = [each for each in acts if each.verb is Verb.GRANT]

    assert entries == Counter(
        {(id_, kind): n for id_ in ids for kind, n in [(EntryType.DEBIT, 2), (EntryType.REFUND, 1)]}
    )
    assert sorted(replays) == sorted(ids)
    assert len(grants) == (len(ids) if is_granted else 0)
    assert {now(phoenix, each).run_number for each in creations} == {2}
    assert phoenix.auditing.audit().violations == []


def test_sweep_enqueues_what_a_killed_replay_debited(data: Path, phoenix: Phoenix) -> None:
    creations = [failed(phoenix) for _ in range(FAILURES)]
    oldest, *others = creations
    die_before_the_task(data, phoenix, oldest)
    assert (now(phoenix, oldest).status, tasks(data)) == (Status.PENDING, 0)
    assert {now(phoenix, each).status for each in others} == {Status.FAILED}
    assert phoenix.auditing.audit().violations == []

    with stack(data):
        until_drafts(phoenix, [oldest])
        assert last_line(data) == "2 replayed, 0 skipped"
        until_drafts(phoenix, creations)

    check_debited_once(phoenix, creations, is_granted=False)
    assert len(list((data / "generator/operations").glob("*.json"))) == FAILURES


def test_next_replay_after_a_killed_one_grants_and_debits_only_the_rest(
    data: Path, phoenix: Phoenix
) -> None:
    creations = [failed(phoenix) for _ in range(FAILURES)]
    die_before_the_task(data, phoenix, creations[0], "--grant")
    assert (now(phoenix, creations[0]).status, tasks(data)) == (Status.PENDING, 0)

    assert last_line(data, "--grant") == "2 replayed, 0 skipped"
    assert last_line(data, "--grant") == "0 replayed, 0 skipped"
    assert tasks(data) == FAILURES - 1
    with stack(data):
        until_drafts(phoenix, creations)

    check_debited_once(phoenix, creations, is_granted=True)
    assert len(list((data / "generator/operations").glob("*.json"))) == FAILURES
