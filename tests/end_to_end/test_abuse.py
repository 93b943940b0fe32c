"""Accounts that never spend a token hold up nobody: the whole stack, with real processes."""

import collections
from collections.abc import Callable

import httpx
import pytest

from shared.domain.status import Status
from tests.end_to_end.conftest import OneMachine

pytestmark = pytest.mark.slow

ABUSERS = 10
OPENS = 60
FREE_OUTCOMES_MAX = 10


def open_and_cancel(client: httpx.Client) -> "collections.Counter[str]":
    """Open and cancel videos, and count the answers by status and code."""
    answers: collections.Counter[str] = collections.Counter()
    for _ in range(OPENS):
        opened = client.post("/api/generate/creation", json={"type": "video", "prompt": "[hang]"})
        body = opened.json()
        answers[f"open {opened.status_code} {body.get('code', '')}".strip()] += 1
        if opened.is_success:
            cancelled = client.post(f"/api/generate/creation/{body['creationId']}/cancel")
            answers[f"cancel {cancelled.status_code}"] += 1
    return answers


def test_ten_accounts_that_open_and_cancel_hold_up_nobody(
    new_machine: Callable[..., OneMachine],
) -> None:
    machine = new_machine()
    answers: collections.Counter[str] = collections.Counter()
    for number in range(ABUSERS):
        answers += open_and_cancel(machine.client(f"abuser-{number}"))

    video = machine.open(machine.client("eve"), "waves [slow 0]", duration=4)
    opened = machine.document(video)
    settled = machine.settled(video)

    assert settled.status is Status.DRAFT
    assert opened.deadline_at is not None
    assert settled.updated_at < opened.deadline_at
    assert answers["cancel 200"] <= ABUSERS * FREE_OUTCOMES_MAX
    assert answers["open 429 too_many_free_outcomes"] >= ABUSERS * OPENS // 2
    assert {answer.split()[0:2][1] for answer in answers} <= {"200", "202", "409", "429"}
