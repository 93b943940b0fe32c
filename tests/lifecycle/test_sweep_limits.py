"""Limits of the sweep: unexpected errors of one creation, and the number of tasks it may create."""

from collections.abc import Callable

from shared.domain.creation import Creation
from shared.domain.kind import Kind
from shared.domain.status import Status
from tests.support.world import World


def test_unexpected_error_at_one_creation_does_not_stop_the_others(world: World) -> None:
    creations = [world.open(user=user).creation for user in ("ada", "ben", "cyd")]
    broken = creations[1]
    world.clock.sleep(60)

    def failing(creation_id: str, *, kind: Kind, number: int) -> bool:
        if creation_id == broken.creation_id:
            raise RuntimeError("planned")
        return False

    world.queue.waits = failing  # type: ignore[method-assign]  # a planned fault
    counts = world.phoenix.sweeping.sweep()

    assert (counts["errors"], counts["requeued"]) == (1, 2)
    assert [world.now(each).requeue_count for each in creations] == [1, 0, 1]


def test_sweep_creates_no_more_tasks_than_the_policy_allows(
    new_world: Callable[..., World],
) -> None:
    world = new_world(PHOENIX_POLICY_REQUEUES_MAX="2")
    policy = world.settings.policy
    creation = world.open().creation
    last = creation.task_number + policy.requeues_max

    while world.now(creation).is_unfinished:
        mark_as_dispatched(world, creation)
        world.clock.sleep(policy.sweep_every_s)
        world.phoenix.sweeping.sweep()

    settled = world.now(creation)
    assert (settled.status, settled.requeue_count) == (Status.FAILED, policy.requeues_max)
    assert max(number for _, number in world.queue.tasks) == settled.task_number == last


def mark_as_dispatched(world: World, creation: Creation) -> None:
    """Let the current task vanish without a claim."""
    world.queue.done.add((creation.creation_id, world.now(creation).task_number))
