"""Thousands of overdue creations and two overlapping sweeps, one of them killed."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from google.cloud import tasks_v2

from shared import settings, wiring
from shared.adapters.system.clock import SystemClock
from shared.domain.account import Account, InFlight, UsernameClaim
from shared.domain.creation import Creation
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, EntryType
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.ports.store import Decision, Document, Found, write
from shared.wiring import Phoenix
from tests.servers.certificate_server import CertificateServer
from tests.servers.cloud_tasks_server import CloudTasksServer
from tests.servers.google_settings import google_settings
from tests.servers.r2_server import R2Server
from tests.servers.run_admin_server import LOCATION
from tests.support.builders import COSTS, NOON, POLICY, a_brief, a_creation_id, an_account, seconds
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = pytest.mark.slow

USERS = 100
WELCOME_TOKENS = 1000
AT = NOON - seconds(365 * 24 * 3600)
HEAD_START = 100
"""How many are refunded before one of two sweeps is killed."""


@dataclass(frozen=True)
class Backlog:
    """An installation, the environment of its processes, and its overdue images."""

    phoenix: Phoenix
    environment: dict[str, str]
    each: int
    """The images of one user."""

    @property
    def unfinished(self) -> int:
        return self.phoenix.ports.store.unfinished(Kind.IMAGE, Status.PENDING)

    def sweeping(self) -> "subprocess.Popen[bytes]":
        """Start a sweep in a process of its own."""
        command = [str(Path(sys.executable).with_name("phoenix")), "sweep"]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL)


def a_user_with_overdue_images(user: str, *, each: int) -> list[Document]:
    """Return an account with so many images, debited a year ago and unfinished."""
    roomy = Policy(images_in_flight_max=each, opened_per_hour_max=each)
    account, entry = an_account(user, tokens=0).granted(
        WELCOME_TOKENS, entry_id=f"{user}_grant_welcome", reference=None, actor=Actor.API, at=AT
    )
    documents: list[Document] = [UsernameClaim(username=user, user_id=account.user_id), entry]
    for number in range(each):
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
            policy=roomy,
            at=AT,
        )
        documents += [creation, entry]
    return [*documents, account]


def filled(environment: dict[str, str], *, each: int) -> Backlog:
    phoenix = wiring.build(settings.load(environment))
    for number in range(USERS):
        documents = a_user_with_overdue_images(f"user-{number}", each=each)

        def decide(_: Found, documents: list[Document] = documents) -> Decision[None]:
            return write(*documents, result=None)

        phoenix.ports.store.transact([], decide)
    return Backlog(phoenix, {**os.environ, **environment}, each)


@pytest.fixture
def on_one_machine(tmp_path: Path) -> Iterator[Backlog]:
    """Ten thousand images in SQLite."""
    backlog = filled({"PHOENIX_DATA": str(tmp_path)}, each=100)
    yield backlog
    backlog.phoenix.ports.close()


@pytest.fixture
def in_the_cloud(firestore_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backlog]:
    """Two thousand images in Firestore's emulator."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    queues = (tasks_v2.Queue(name=f"{LOCATION}/queues/{kind}-generation-queue") for kind in Kind)
    with ExitStack() as running:
        google = running.enter_context(CertificateServer())
        tasks = running.enter_context(CloudTasksServer(queues, clock=SystemClock()))
        r2 = running.enter_context(R2Server()).settings
        environment = {
            **google_settings(google, tasks),
            "FIRESTORE_EMULATOR_HOST": firestore_address,
            "PHOENIX_COLLECTION_PREFIX": f"t{uuid.uuid4().hex}-",
            "PHOENIX_WELCOME_KEY": "key-of-the-welcome-grants-of-tests",
            "R2_ENDPOINT_URL": r2["endpoint_url"],
            "R2_ACCESS_KEY_ID": r2["access_key_id"],
            "R2_SECRET_ACCESS_KEY": r2["secret_access_key"],
            "R2_DRAFTS_BUCKET_NAME": r2["drafts_bucket"],
            "R2_BUCKET_NAME": r2["public_bucket"],
        }
        backlog = filled(environment, each=20)
        running.callback(backlog.phoenix.ports.close)
        yield backlog


@pytest.mark.parametrize(
    "place", ["on_one_machine", pytest.param("in_the_cloud", marks=needs("firestore"))]
)
def test_backlog_is_settled_by_one_call_with_each_creation_refunded_once(
    request: pytest.FixtureRequest, place: str
) -> None:
    backlog: Backlog = request.getfixturevalue(place)
    count = backlog.unfinished
    began_s = time.monotonic()
    killed, other = backlog.sweeping(), backlog.sweeping()
    eventually(lambda: backlog.unfinished < count - HEAD_START)
    assert backlog.unfinished
    killed.kill()
    killed.wait()
    assert other.wait() == 0
    took_s = time.monotonic() - began_s

    assert backlog.unfinished == 0
    assert took_s < POLICY.sweep_budget_s
    documents = list(backlog.phoenix.ports.store.everything())
    creations = [each for each in documents if isinstance(each, Creation)]
    accounts = [each for each in documents if isinstance(each, Account)]
    refunds = [each for each in documents if getattr(each, "entry_type", None) is EntryType.REFUND]
    assert len(creations) == len(refunds) == count == USERS * backlog.each
    assert {creation.status for creation in creations} == {Status.FAILED}
    assert {account.balance_tokens for account in accounts} == {WELCOME_TOKENS}
    assert {account.in_flight for account in accounts} == {InFlight()}
    assert backlog.phoenix.auditing.audit().violations == []


def test_sweep_does_not_duplicate_a_backlog_of_waiting_tasks(on_one_machine: Backlog) -> None:
    phoenix = on_one_machine.phoenix
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
