import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.domain.creation import Creation
from shared.domain.errors import NotClaimable
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.ledger import EntryType
from shared.domain.media import MediaDeletion
from shared.domain.status import Status
from shared.lifecycle.duties import Outcome
from shared.lifecycle.folding import Folding
from shared.lifecycle.transactions import Transactions
from shared.ports.store import Decision, Found, write
from shared.telemetry import bind
from tests.support.builders import LEASE_OWNER, POLICY, RIVAL
from tests.support.world import World

NOTHING = {str(outcome): 0 for outcome in Outcome}


def sweep(world: World) -> dict[str, int]:
    """Sweep and return the counts that are not 0."""
    return {name: count for name, count in world.phoenix.sweeping.sweep().items() if count}


def fold(world: World) -> None:
    """Fold the outcomes so far, without faults."""
    folds = Folding(Transactions(world.sqlite, world.clock, 1), world.clock, POLICY)
    duty = folds.duty(world.clock.now())
    for page in duty.pages:
        for batch in page:
            duty.handle(batch)


def sweep_the_rest(world: World) -> dict[str, int]:
    """Fold the outcomes, and then sweep."""
    fold(world)
    return sweep(world)


def put(world: World, document: Creation | MediaDeletion) -> None:
    def decide(_: Found) -> Decision[None]:
        return write(document, result=None)

    world.sqlite.transact([document.key], decide)


def test_with_nothing_due_nothing_happens(world: World) -> None:
    world.open()

    assert world.phoenix.sweeping.sweep() == NOTHING


def test_paid_creation_without_a_task_is_requeued(world: World) -> None:
    creation = world.open().creation
    world.queue.tasks.clear()
    world.clock.sleep(60)

    assert sweep(world) == {"requeued": 1}
    assert world.queue.tasks == {(creation.creation_id, 2): None}
    assert world.now(creation).task_number == 2


def test_creation_with_a_waiting_task_is_left_alone(world: World) -> None:
    creation = world.open().creation
    for _ in range(5):
        world.clock.sleep(60)
        assert sweep(world) == {"left": 1}

    assert world.queue.tasks == {(creation.creation_id, 1): None}
    assert world.now(creation).requeue_count == 0


def test_creation_is_requeued_four_times_and_then_refunded(world: World) -> None:
    creation = world.open().creation
    requeued = 0
    while world.now(creation).is_unfinished:
        world.queue.tasks.clear()
        world.clock.sleep(30)
        requeued += sweep(world).get("requeued", 0)

    failed = world.now(creation)
    assert requeued == 4
    assert failed.error is not None
    assert failed.error.code == "deadline_exceeded"
    assert world.clock.monotonic_s() == 900
    assert world.account().balance_tokens == 100


def test_creation_of_a_dead_worker_gets_a_task_once_its_lease_expires(world: World) -> None:
    claimed = world.claim(world.open().creation)
    world.queue.done.add((claimed.creation_id, 1))
    world.clock.sleep(149)
    assert sweep(world) == {}
    world.clock.sleep(1)

    assert sweep(world) == {"requeued": 1}
    assert world.now(claimed).status is Status.PROCESSING
    assert world.claim(claimed, RIVAL).attempt == 2


def test_expired_lease_is_requeued_although_its_execution_runs(world: World) -> None:
    claimed = world.claim(world.open().creation)
    world.executions.running.add(LEASE_OWNER.execution)
    world.clock.sleep(150)

    assert sweep(world) == {"requeued": 1}
    assert world.claim(claimed, RIVAL).attempt == 2


def test_lease_that_was_renewed_after_the_query_is_left_alone(world: World) -> None:
    mine = world.claim(world.open().creation)
    world.clock.sleep(119)
    world.held(mine).heartbeat()
    renewed = world.now(mine)
    put(world, replace(renewed, sweep_at=mine.sweep_at))
    world.clock.sleep(31)

    assert sweep(world) == {"left": 1}
    assert world.now(mine).requeue_count == 0


def test_requeue_of_a_creation_that_was_handed_back_does_not_count(world: World) -> None:
    creation = world.open().creation
    world.held(world.claim(creation)).release()
    requeued = 0
    while world.now(creation).is_unfinished:
        world.queue.tasks.clear()
        world.clock.sleep(30)
        requeued += sweep(world).get("requeued", 0)

    assert requeued == POLICY.requeues_max + 1


def test_creation_past_its_deadline_is_refunded(world: World) -> None:
    claimed = world.claim(world.open().creation)
    world.executions.running.add(LEASE_OWNER.execution)
    world.clock.sleep(900)

    assert sweep(world) == {"refunded": 1}
    assert world.now(claimed).status is Status.FAILED
    assert world.account().balance_tokens == 100


def test_creation_without_attempts_left_fails_as_worker_lost(world: World) -> None:
    creation = world.open().creation
    for attempt in range(6):
        world.claim(creation, LeaseOwner(LEASE_OWNER.execution, attempt))
    world.clock.sleep(150)

    assert sweep(world) == {"refunded": 1}
    failed = world.now(creation)
    assert failed.error is not None
    assert failed.error.code == "worker_lost"


def test_released_creation_without_attempts_left_is_refunded(world: World) -> None:
    creation = world.open().creation
    for attempt in range(POLICY.attempts_max + POLICY.hand_backs_max):
        mine = world.claim(creation, LeaseOwner(LEASE_OWNER.execution, attempt))
        world.held(mine).release()
    world.clock.sleep(60)

    assert sweep(world) == {"refunded": 1}


def test_lost_retry_task_is_created_again_after_its_time(world: World) -> None:
    mine = world.claim(world.open().creation)
    task = world.held(mine).retry_later(retry_after_s=0, start_failed=True)
    assert task is not None
    world.clock.sleep(119)
    assert sweep(world) == {}
    world.clock.sleep(1)

    assert sweep(world) == {"requeued": 1}
    assert (mine.creation_id, task.number + 1) in world.queue.tasks


def test_work_in_the_threads_of_a_sweep_carries_its_trace(
    world: World, log_stream: io.StringIO
) -> None:
    world.open()
    world.clock.sleep(900)
    with ThreadPoolExecutor(2) as threads, bind(request_id="r1"):
        counts = replace(world.phoenix.sweeping, workers=threads).sweep()

    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    assert counts["refunded"] == 1
    assert {line["message"]: line.get("request_id") for line in lines}["creation_failed"] == "r1"


def test_claim_between_the_query_and_the_transaction_wins(world: World) -> None:
    creation = world.open().creation
    world.queue.tasks.clear()
    world.clock.sleep(60)
    world.store.faults, world.store.meanwhile = ["before"], lambda: claim_quietly(world, creation)

    assert sweep(world) == {"left": 1}
    assert world.queue.tasks == {}


def claim_quietly(world: World, creation: Creation) -> None:
    world.store.faults = []
    world.claim(creation)


def test_requeue_whose_response_was_lost_happens_once(world: World) -> None:
    creation = world.open().creation
    world.queue.tasks.clear()
    world.clock.sleep(60)
    world.store.faults = ["lost"]

    assert sweep(world) == {"requeued": 1}
    assert world.queue.tasks == {(creation.creation_id, 2): None}


def test_sweep_overtaken_after_an_unknown_outcome_creates_no_task(world: World) -> None:
    creation = world.open().creation
    world.queue.tasks.clear()
    world.clock.sleep(60)
    swept = world.phoenix.sweeping

    def overtake() -> None:
        world.store.faults = []
        world.clock.sleep(1)
        swept._requeue(world.now(creation), at=world.clock.now())
        world.queue.tasks.clear()

    world.store.faults, world.store.meanwhile = ["unsent", "before"], overtake

    assert sweep(world) == {"left": 1}
    assert world.queue.tasks == {}


def test_one_failure_does_not_stop_the_sweep(world: World) -> None:
    stuck, overdue = world.open(kind=Kind.IMAGE).creation, world.open().creation
    world.clock.sleep(890)
    world.open(user="ben")
    world.queue.is_down = True
    world.clock.sleep(10)

    assert sweep(world) == {"refunded": 2}
    assert {world.now(each).status for each in (stuck, overdue)} == {Status.FAILED}
    world.clock.sleep(50)
    assert sweep(world) == {"errors": 1, "folded": 1}


def test_two_sweeps_refund_once(world: World) -> None:
    creation = world.open().creation
    world.clock.sleep(900)
    world.store.faults, world.store.meanwhile = ["before"], lambda: no_more_faults(world)

    first = sweep(world)

    assert first == {"left": 1}
    assert world.now(creation).status is Status.FAILED
    assert [entry.entry_type for entry in world.ledger()].count(EntryType.REFUND) == 1


def no_more_faults(world: World) -> None:
    world.store.faults = []
    assert sweep(world) == {"refunded": 1}


# The outbox


def put_file(world: World, key: str) -> None:
    path = world.files.path_of(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def test_due_deletion_runs_twice_to_remove_a_late_file(world: World) -> None:
    at, policy = world.clock.now(), world.settings.policy
    put(world, MediaDeletion.at_once("d", ["videos/ada/x/1.mp4"], at=at, policy=policy))
    put_file(world, "videos/ada/x/1.mp4")

    assert sweep(world) == {"deleted": 1}
    assert world.files.size_bytes("videos/ada/x/1.mp4") is None
    put_file(world, "videos/ada/x/1.mp4")
    assert sweep(world) == {}
    world.clock.sleep(3600)
    assert sweep(world) == {"deleted": 1}

    assert world.files.size_bytes("videos/ada/x/1.mp4") is None
    assert world.deletions() == []


def test_failed_deletion_is_kept(world: World) -> None:
    at, policy = world.clock.now(), world.settings.policy
    put(world, MediaDeletion.at_once("d", ["../../outside"], at=at, policy=policy))

    assert sweep(world) == {"errors": 1}
    assert len(world.deletions()) == 1


def test_orphaned_files_of_a_failed_creation_are_deleted_after_an_hour(world: World) -> None:
    mine = world.claim(world.open().creation)
    key = mine.keys_of(range(1, 2))[0]
    put_file(world, key)
    world.clock.sleep(900)
    sweep(world)
    world.clock.sleep(3599)
    assert sweep(world) == {"folded": 1}
    world.clock.sleep(1)

    assert sweep(world) == {"deleted": 1}
    assert world.files.size_bytes(key) is None
    assert world.deletions() == []


def test_late_task_for_a_settled_creation_claims_nothing(world: World) -> None:
    creation = world.open().creation
    world.clock.sleep(3600)
    sweep(world)

    with pytest.raises(NotClaimable, match="failed"):
        world.claim(creation)
