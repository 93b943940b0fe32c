"""Answered creations survive: no 202 is sent before its commit is on the disk."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from shared.adapters.local.data_folder import STORE
from tests.end_to_end.api_process import IMAGE, OPEN, api, sign_in
from tests.end_to_end.system_calls import TRACER, Call, accepted, calls_of, not_durable
from tests.support.machine import needs

pytestmark = pytest.mark.slow

CLIENTS = 16
EACH = 4


def opened(base_url: str, user: str) -> list[str]:
    """Return the creations that a new user opens, one after the other."""
    with httpx.Client(base_url=base_url, timeout=30) as client:
        headers = sign_in(client, user)
        answers = [client.post(OPEN, json=IMAGE, headers=headers) for _ in range(EACH)]
    assert {answer.status_code for answer in answers} == {202}
    return [answer.json()["creationId"] for answer in answers]


def traced(folder: Path, *, module: str) -> list[Call]:
    """Return the system calls of an API while one client and then 16 clients open creations."""
    trace = folder / "trace"
    tracer = (*TRACER, f"--output={trace}")
    with api(folder / "data", {}, module=module, tracer=tracer) as (_, base_url):
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
    calls = traced(tmp_path, module="api_service")

    assert not_durable(calls, f"{tmp_path}/data/{STORE}-wal") == set()


@needs("strace")
def test_each_202_of_an_api_without_synchronous_full_is_sent_too_early(tmp_path: Path) -> None:
    calls = traced(tmp_path, module="tests.end_to_end.unsynced_api")

    assert not_durable(calls, f"{tmp_path}/data/{STORE}-wal") == accepted(calls).keys()
