"""SIGKILL of a process around the commit of a fold in Firestore: each outcome is counted once."""

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.adapters.firestore.store import FirestoreStore
from shared.lifecycle.folding import FOLD_SIZE
from shared.ports.store import Page
from tests.end_to_end.test_killed_folds import ONE, OUTCOMES, ROOT
from tests.servers.firestore_proxy import FirestoreProxy, Send
from tests.support.documents import put
from tests.support.machine import needs
from tests.support.world import World

pytestmark = [pytest.mark.slow, needs("firestore")]

COMMAND = (sys.executable, "-m", "tests.end_to_end.firestore_fold")
WITHIN_S = 30
Kill = Callable[[], object]


def before_it_arrives(send: Send, kill: Kill) -> None:
    kill()


def before_it_lands(send: Send, kill: Kill) -> None:
    kill()
    list(send())


def after_it_landed(send: Send, kill: Kill) -> None:
    list(send())
    kill()


@pytest.fixture
def project() -> str:
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def store(
    project: str, firestore_address: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FirestoreStore]:
    """A database with the outcomes of three folds of one hour."""
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    store = FirestoreStore(project)
    put(store, *(replace(ONE, cost_id=f"{n:03}_1") for n in range(OUTCOMES)))
    yield store
    store.close()


def kill_at_second_fold(
    proxy: FirestoreProxy, project: str, moment: Callable[[Send, Kill], None]
) -> None:
    """Fold through the proxy, which kills the process around its second commit."""
    environment = {**os.environ, "FIRESTORE_EMULATOR_HOST": proxy.address}
    handled = threading.Event()
    with subprocess.Popen([*COMMAND, project], cwd=ROOT, env=environment) as process:

        def kill() -> None:
            process.kill()
            process.wait()

        def second(send: Send, _: Any) -> Iterator[bytes]:
            moment(send, kill)
            handled.set()
            return iter(())

        proxy.faults["Commit"] = [lambda send, _: send(), second]
    assert handled.wait(WITHIN_S)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("moment", "folds"), [(before_it_arrives, 1), (before_it_lands, 2), (after_it_landed, 2)]
)
def test_outcomes_are_counted_once_after_a_process_died_around_the_commit_of_a_fold(
    world: World,
    store: FirestoreStore,
    proxy: FirestoreProxy,
    project: str,
    moment: Callable[[Send, Kill], None],
    folds: int,
) -> None:
    kill_at_second_fold(proxy, project, moment)
    counted = sum(each.image.ready for each in store.statistics("0"))
    phoenix = world.over(store)
    after_death = phoenix.auditing.audit().violations

    phoenix.sweeping.sweep()

    assert (counted, after_death) == (folds * FOLD_SIZE, [])
    [hour] = store.statistics("0")
    assert (hour.image.ready, hour.image.total_micro_usd) == (OUTCOMES, OUTCOMES * 50_000)
    assert store.unfolded(phoenix.ports.clock.now(), Page(1)) == []
    assert phoenix.auditing.audit().violations == []
