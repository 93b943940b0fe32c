"""Accounts that open and cancel do not delay others: the whole stack with real processes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import pytest

from shared.adapters.local.task_queue import QueueLimits
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.status import Status
from tests.end_to_end.conftest import OneMachine

pytestmark = pytest.mark.slow

ABUSERS = 10
OPENS = 60
FREE_OUTCOMES_MAX = 10
TIME_LEFT_MIN = timedelta(seconds=15)
"""How long before its deadline, 60 s after it was opened, another account's video is a draft."""
DISPATCHES_PER_S = 0.5
"""So slow that the tasks of cancelled creations would still be waiting."""
TOO_MANY_FREE = "too_many_free_outcomes"


@dataclass
class Abuse:
    """The responses that one account got, in order."""

    answers: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    cancelled_before_refusal: int | None = None
    """Number of cancellations before the first refused open."""


def open_and_cancel(client: httpx.Client) -> Abuse:
    """Open and cancel videos as fast as the API responds."""
    abuse = Abuse()
    for _ in range(OPENS):
        opened = client.post("/api/generate/creation", json={"type": "video", "prompt": "[hang]"})
        body = opened.json()
        abuse.answers.append(f"open {opened.status_code} {body.get('code', '')}".strip())
        if opened.is_success:
            cancelled = client.post(f"/api/generate/creation/{body['creationId']}/cancel")
            abuse.answers.append(f"cancel {cancelled.status_code}")
            abuse.cancelled += [body["creationId"]] * cancelled.is_success
        elif body["code"] == TOO_MANY_FREE and abuse.cancelled_before_refusal is None:
            abuse.cancelled_before_refusal = len(abuse.cancelled)
            assert int(opened.headers["Retry-After"]) > 0
    return abuse


def slow_down(machine: OneMachine) -> None:
    local = machine.stack.phoenix.local
    assert local is not None
    local.queue.limits = QueueLimits(dispatches_per_s=DISPATCHES_PER_S)


def waits(machine: OneMachine, creation_id: str) -> bool:
    """Return whether the creation's last task is still waiting."""
    number = machine.document(creation_id).task_number
    queue = machine.stack.phoenix.ports.queue
    return queue.waits(CreationId(creation_id), kind=Kind.VIDEO, number=number)


def test_ten_accounts_that_open_and_cancel_do_not_delay_another(
    new_machine: Callable[..., OneMachine],
) -> None:
    machine = new_machine()
    slow_down(machine)
    clients = [machine.client(f"abuser-{number}") for number in range(ABUSERS)]
    eve = machine.client("eve")
    with ThreadPoolExecutor(ABUSERS) as threads:
        abuses = list(threads.map(open_and_cancel, clients))
    cancelled = [creation_id for abuse in abuses for creation_id in abuse.cancelled]
    still_queued = [creation_id for creation_id in cancelled if waits(machine, creation_id)]

    video = machine.open(eve, "waves [slow 0]", duration=4)
    opened = machine.document(video)
    settled = machine.settled(video)

    assert still_queued == [], "the task of a cancelled creation is never dispatched later"
    assert not any(machine.starts(creation_id) for creation_id in cancelled)
    assert len(cancelled) >= ABUSERS * FREE_OUTCOMES_MAX / 2
    limits = {abuse.cancelled_before_refusal for abuse in abuses}
    assert FREE_OUTCOMES_MAX in limits
    assert limits <= {FREE_OUTCOMES_MAX, None}
    refused = sum(abuse.answers.count(f"open 429 {TOO_MANY_FREE}") for abuse in abuses)
    assert refused >= ABUSERS * OPENS // 2
    statuses = {answer.split()[1] for abuse in abuses for answer in abuse.answers}
    assert statuses <= {"200", "202", "409", "429"}

    assert settled.status is Status.DRAFT
    assert opened.deadline_at is not None
    assert settled.updated_at < opened.deadline_at - TIME_LEFT_MIN
