"""Answered creations survive: no 202 is sent before its commit is on the disk.

This holds for the store. A task need not be durable, because the sweep creates it again.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from shared.adapters.local.data_folder import STORE
from tests.end_to_end.api_process import API, IMAGE, OPEN, api, sign_in
from tests.end_to_end.broken_api import EARLY, UNSYNCED
from tests.end_to_end.kill_after_answer import killed_times
from tests.end_to_end.system_calls import TRACER, Call, accepted, calls_of, not_durable
from tests.support.machine import needs

pytestmark = pytest.mark.slow

CLIENTS = 16
EACH = 4
KILLS = 20
SLOW_DISK = "--inject=fdatasync:delay_enter=10000"
"""Each sync takes 10 ms more: concurrent requests share commits, and one that does not wait is seen."""


def opened(base_url: str, user: str) -> list[str]:
    """Return the creations that a new user opens, one after the other."""
    with httpx.Client(base_url=base_url, timeout=30) as client:
        headers = sign_in(client, user)
        answers = [client.post(OPEN, json=IMAGE, headers=headers) for _ in range(EACH)]
    assert {answer.status_code for answer in answers} == {202}
    return [answer.json()["creationId"] for answer in answers]


def traced(folder: Path, *, command: Sequence[str] = API) -> list[Call]:
    """Return the system calls of an API while one client and then 16 clients open creations."""
    trace = folder / "trace"
    tracer = (*TRACER, SLOW_DISK, f"--output={trace}")
    with api(folder / "data", {}, command=command, tracer=tracer) as (_, base_url):
        answered = opened(base_url, "user-alone")
        with ThreadPoolExecutor(CLIENTS) as clients:
            users = [f"user-{number}" for number in range(CLIENTS)]
            for creation_ids in clients.map(opened, [base_url] * CLIENTS, users):
                answered += creation_ids
    with trace.open(encoding="ascii") as lines:
        calls = calls_of(lines)
    assert accepted(calls).keys() == set(answered)
    assert len(set(answered)) == (1 + CLIENTS) * EACH
    return calls


@needs("strace")
def test_no_202_is_sent_before_a_sync_that_began_after_its_commit_was_written(
    tmp_path: Path,
) -> None:
    calls = traced(tmp_path)

    assert not_durable(calls, f"{tmp_path}/data/{STORE}-wal") == set()


@needs("strace")
@pytest.mark.parametrize("mistake", [UNSYNCED, EARLY], ids=["synchronous=NORMAL", "early"])
def test_each_202_of_a_broken_api_is_sent_too_early(tmp_path: Path, mistake: Sequence[str]) -> None:
    calls = traced(tmp_path, command=mistake)

    assert not_durable(calls, f"{tmp_path}/data/{STORE}-wal") == accepted(calls).keys()


def test_no_answered_creation_is_lost_by_sigkill_right_after_the_answer(tmp_path: Path) -> None:
    counts = killed_times(tmp_path, KILLS)

    assert counts["kills"] == KILLS
    assert counts["unanswered"] >= KILLS, "other requests were in flight"


def test_api_that_answers_before_its_commit_loses_a_creation_by_sigkill(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="is lost"):
        killed_times(tmp_path, 1, command=EARLY)
