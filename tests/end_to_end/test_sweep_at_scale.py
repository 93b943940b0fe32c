"""Ten thousand overdue creations and two concurrent sweeps, one of them killed."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from shared import settings, wiring
from shared.domain.account import Account, InFlight, UsernameClaim
from shared.domain.creation import Creation
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, EntryType
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.ports.store import Decision, Document, Found, write
from shared.wiring import Phoenix
from tests.support.builders import COSTS, NOON, POLICY, a_brief, a_creation_id, an_account, seconds

pytestmark = pytest.mark.slow

USERS = 100
EACH = 100
SWEEP_S_MAX = 45
AT = NOON - seconds(365 * 24 * 3600)
ROOMY = Policy(images_in_flight_max=EACH, opened_per_hour_max=EACH)


def a_user_with_overdue_images(user: str) -> list[Document]:
    """Return an account with a hundred images, debited an hour ago and unfinished."""
    account, entry = an_account(user, tokens=0).granted(
        1000, entry_id=f"{user}_grant_welcome", reference=None, actor=Actor.API, at=AT
    )
    documents: list[Document] = [UsernameClaim(username=user, user_id=account.user_id), entry]
    for number in range(EACH):
        creation = Creation.opened(
            a_creation_id(str(number), user),
            account=account,
            brief=a_brief(Kind.IMAGE),
            costs=COSTS,
            policy=POLICY,
            at=AT,
        )
        account, entry = account.debited(
            1,
            kind=Kind.IMAGE,
            creation_id=creation.creation_id,
            debit=1,
            actor=Actor.OWNER,
            policy=ROOMY,
            at=AT,
        )
        documents += [creation, entry]
    return [*documents, account]


@pytest.fixture
def phoenix(tmp_path: Path) -> Phoenix:
    made = wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)}))
    for number in range(USERS):
        documents = a_user_with_overdue_images(f"user-{number}")

        def decide(_: Found, documents: list[Document] = documents) -> Decision[None]:
            return write(*documents, result=None)

        made.ports.store.transact([], decide)
    return made


def sweeping(data: Path) -> "subprocess.Popen[bytes]":
    command = [str(Path(sys.executable).with_name("phoenix")), "sweep", "--data", str(data)]
    return subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.DEVNULL)


def test_ten_thousand_overdue_creations_are_each_refunded_once(
    phoenix: Phoenix, tmp_path: Path
) -> None:
    killed, other = sweeping(tmp_path), sweeping(tmp_path)
    time.sleep(2)
    killed.kill()
    killed.wait()
    assert other.wait() == 0
    calls, longest_s = 2, 0.0
    while True:
        began_s = time.monotonic()
        counts = phoenix.sweeping.sweep()
        longest_s = max(longest_s, time.monotonic() - began_s)
        calls += 1
        if counts["refunded"] == 0:
            break

    documents = list(phoenix.ports.store.everything())
    creations = [each for each in documents if isinstance(each, Creation)]
    accounts = [each for each in documents if isinstance(each, Account)]
    refunds = [each for each in documents if getattr(each, "entry_type", None) is EntryType.REFUND]
    assert len(creations) == len(refunds) == USERS * EACH
    assert {creation.status for creation in creations} == {Status.FAILED}
    assert {account.balance_tokens for account in accounts} == {1000}
    assert {account.in_flight for account in accounts} == {InFlight()}
    assert phoenix.auditing.audit().violations == []
    assert calls <= 14
    assert longest_s < SWEEP_S_MAX
    phoenix.ports.close()


def test_sweep_does_not_duplicate_a_backlog_of_waiting_tasks(
    phoenix: Phoenix, tmp_path: Path
) -> None:
    store, queue = phoenix.ports.store, phoenix.ports.queue
    now = phoenix.ports.clock.now()
    waiting = [each for each in store.everything() if isinstance(each, Creation)][:500]
    for creation in waiting:
        queue.enqueue(creation.creation_id, kind=creation.kind, number=creation.task_number)
        in_time = replace(creation, sweep_at=now, deadline_at=now + seconds(600))
        store.transact([creation.key], lambda _, later=in_time: write(later, result=None))  # type: ignore[misc]

    for _ in range(3):
        phoenix.sweeping.sweep()

    assert all(
        isinstance(now_there := store.get(creation.key), Creation) and now_there.task_number == 1
        for creation in waiting
    )
    phoenix.ports.close()
