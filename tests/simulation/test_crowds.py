"""`make test-drain`: what draining promises, with thousands of creations in virtual time."""

import pytest

from shared.domain.kind import Kind
from shared.domain.policy import Policy
from tests.simulation import crowds

pytestmark = pytest.mark.slow

IMAGES = 10_000
EXECUTIONS_MAX = 500
IN_TIME_SHARE_MIN = 0.95


def test_ten_thousand_images_are_claimed_in_time_by_five_hundred_executions() -> None:
    """1,000 arrive in a minute, 45 executions may begin, and processes are killed at random."""
    crowd = crowds.images(IMAGES)
    outcome, queue = crowd.outcome, crowd.queue

    assert outcome.violations == [], "no double start, no late refund, no lost token"
    assert outcome.endings["draft"] >= IMAGES - 5, "an image may lose its process twice"
    assert outcome.executions <= EXECUTIONS_MAX
    assert crowd.in_time_share >= IN_TIME_SHARE_MIN
    running_max = Policy().images_running_max
    assert outcome.most_running[Kind.IMAGE] <= 1.1 * running_max, "the brake is passed by a few"
    assert len(outcome.happened) >= 10, "processes were killed"
    assert max(queue.dispatched.values()) == 1
    assert len(queue.dispatched) + queue.withdrawn_count == outcome.tasks


def test_images_miss_their_deadlines_without_draining() -> None:
    outcome = crowds.images(4000, drains=False).outcome

    assert outcome.violations == []
    assert outcome.endings["failed deadline_exceeded"] > 100
    assert outcome.marks["refused_queue_full"] > 1000, "the queue is longer than a deadline"
    assert outcome.endings["draft"] < 1500


def test_brake_at_the_arriving_load_leaves_a_backlog() -> None:
    """1,000 images a minute of 12 s each are 200 at once: then nothing is left for a backlog."""
    crowd = crowds.images(4000, policy=Policy(images_running_max=200))

    assert crowd.in_time_share < IN_TIME_SHARE_MIN


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_poisoned_image_among_a_thousand_costs_only_itself(seed: int) -> None:
    """It crashes each process that decodes it, with up to seven others at the first time."""
    poisoned = crowds.poisoned(1000, seed=seed)

    assert poisoned.violations == []
    assert poisoned.endings["draft"] == 999
    assert 2 <= poisoned.marks["poisoned"] <= Policy().attempts_max
    companions_max = Policy().images_at_once - 1
    assert poisoned.starts <= 1000 + 1 + companions_max, (
        "each companion is started once more at most"
    )
    attempts_max = 1000 + Policy().attempts_max - 1 + 2 * companions_max
    assert poisoned.attempts <= attempts_max, "a second image start waits for a later attempt"
