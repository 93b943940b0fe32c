"""An object store that accepts requests and does not answer: it delays no refund."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from shared.adapters.r2.media_store import R2MediaStore
from shared.domain.creation import Creation
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.media import MediaDeletion
from shared.domain.schedule import Schedule
from shared.lifecycle.duties import AT_ONCE
from shared.ports.store import Document
from tests.lifecycle.test_expiring import put
from tests.support.builders import POLICY
from tests.support.fakes import FakeClock
from tests.support.world import World

BACKLOG = 1024
BRIEF_SWEEPS = {
    "PHOENIX_POLICY_SWEEP_REPAIRS_S": "1",
    "PHOENIX_POLICY_SWEEP_TURN_S": "0.2",
    "PHOENIX_POLICY_SWEEP_BUDGET_S": "8",
}
READ_TIMEOUT_S = 60
"""Longer than the test: what hangs in its first sweep still hangs in its second one."""
REFUND_WITHIN_S = 4


class RunningClock(FakeClock):
    """Its time of day moves by `sleep`, its seconds by themselves."""

    def monotonic_s(self) -> float:
        return time.monotonic()


@pytest.fixture
def hanging_media() -> Iterator[R2MediaStore]:
    """A media store whose server accepts every connection and reads nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as server:
        media = R2MediaStore(
            endpoint_url=f"http://127.0.0.1:{server.getsockname()[1]}",
            access_key_id="id",
            secret_access_key="secret",
            drafts_bucket="drafts",
            public_bucket="public",
            public_url="https://public.example",
            read_timeout_s=READ_TIMEOUT_S,
        )
        yield media
    media.close()


def scheduled_copies(draft: Creation, count: int) -> list[Document]:
    due = Schedule.of(draft.updated_at)
    return [
        replace(draft, creation_id=CreationId(f"c{n:025}"), schedule=due, expires_at=None)
        for n in range(count)
    ]


def deletions(world: World, count: int) -> list[Document]:
    at = world.clock.now()
    return [MediaDeletion.at_once(f"{n:04}", ["k"], at=at, policy=POLICY) for n in range(count)]


def expired_copies(draft: Creation, count: int) -> list[Document]:
    at = draft.updated_at
    return [
        replace(draft, creation_id=CreationId(f"e{n:025}"), expires_at=at) for n in range(count)
    ]


DUE: dict[str, Callable[[World], list[Document]]] = {
    "schedules": lambda world: scheduled_copies(world.draft(), 2 * AT_ONCE),
    "deletions": lambda world: deletions(world, 2 * AT_ONCE),
    "expiries": lambda world: expired_copies(world.draft(), 2 * AT_ONCE),
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose books are not audited: most of its creations have no debit."""
    with closing(World(tmp_path, **BRIEF_SWEEPS)) as world:
        yield world


@pytest.mark.slow
@pytest.mark.parametrize("due", DUE)
def test_refunds_are_made_in_time_while_the_object_store_hangs(
    world: World, hanging_media: R2MediaStore, due: str
) -> None:
    put(world, *DUE[due](world))
    clock = RunningClock(world.clock.now())
    phoenix = world.over(world.sqlite, clock=clock, media=hanging_media, queue=world.queue)
    results, refunded_after_s = [], []

    for _ in range(2):
        overdue = world.open(kind=Kind.IMAGE).creation
        clock.sleep(POLICY.deadline_s)
        world.clock.sleep(POLICY.deadline_s)
        began_s = time.monotonic()
        sweep = threading.Thread(target=lambda: results.append(phoenix.sweeping.sweep()))
        sweep.start()
        while sweep.is_alive() and world.now(overdue).is_unfinished:
            sweep.join(0.05)
        refunded_after_s.append(time.monotonic() - began_s)
        sweep.join()

    assert [each["refunded"] for each in results] == [1, 1]
    assert max(refunded_after_s) < REFUND_WITHIN_S
