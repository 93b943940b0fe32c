"""Many creations at once: what one execution for each could not make."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from shared.domain.keys import UserId
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from tests.simulation.clients import PROMPT, Clients
from tests.simulation.faults import Faults
from tests.simulation.generators import POISON
from tests.simulation.history import Outcome, Setup, play
from tests.simulation.wire_queue import WireQueue, wire_queues

POLICY = Policy()
NEVER = 10**9
"""More commits than a history has: its books are checked at its end only."""
IMAGES_OF_ONE_ACCOUNT = 10
DISPATCHES_PER_S = 45 / 60
ARRIVALS_PER_S = 1000 / 60
IMAGE_TAKES_S = (9.0, 10.5)
"""With claim, upload and commits, an image takes 12 s."""
VIDEO_DISPATCHES_PER_S = 10 / 60
VIDEO_ARRIVALS_PER_S = 1.0
VIDEO_TAKES_S = (80.0, 88.0)
"""With polls, claim, upload and commits, a video takes 90 s."""
KILLED = {"crash_before": 0.00004, "crash_after": 0.00004}
"""The probability at each port call that its process is killed."""


@dataclass(frozen=True)
class Crowd:
    """The outcome, and what became of the tasks."""

    outcome: Outcome
    queue: WireQueue

    @property
    def in_time_share(self) -> float:
        """Return the share of creations that were claimed within 30 s."""
        waited_s = [each for user in self.outcome.waited_s.values() for each in user]
        return sum(each <= 30 for each in waited_s) / max(1, len(waited_s))


def images(count: int, *, drains: bool = True, seed: int = 1, policy: Policy = POLICY) -> Crowd:
    """Let images arrive at 1,000 a minute; 45 executions begin in a minute, some are killed."""
    faults = Faults(seed, rates=KILLED, is_only=True)
    with wire_queues(dispatches_per_s=DISPATCHES_PER_S) as (make, made):
        setup = Setup(queue=make, policy=policy, drains=drains, image_takes_s=IMAGE_TAKES_S)
        outcome = play(
            seed,
            faults=faults,
            scenario=partial(_arrive, count=count, prompt_of=lambda _: PROMPT),
            books_every=NEVER,
            setup=setup,
        )
        return Crowd(outcome, made[0])


def videos(count: int, *, policy: Policy, seed: int = 1) -> Outcome:
    """Let videos of as many accounts arrive at 60 a minute; 10 executions begin in a minute."""

    def arrive(clients: Clients) -> None:
        clients.welcomes.late_share = 0
        for number in range(count):
            at_s, user = number / VIDEO_ARRIVALS_PER_S, UserId(f"user {number}")
            clients.opens_at(at_s, f"video {number}", user, Kind.VIDEO)

    with wire_queues(dispatches_per_s=VIDEO_DISPATCHES_PER_S) as (make, _):
        return play(
            seed,
            faults=Faults(seed, is_exact=True),
            scenario=arrive,
            books_every=NEVER,
            setup=Setup(queue=make, policy=policy, video_takes_s=VIDEO_TAKES_S),
        )


def poisoned(count: int, *, seed: int = 1) -> Outcome:
    """Let one image in the middle crash each process that decodes it, and nothing else fail."""

    def prompt_of(number: int) -> str:
        return POISON if number == count // 2 else PROMPT

    return play(
        seed,
        faults=Faults(seed, is_exact=True),
        scenario=partial(_arrive, count=count, prompt_of=prompt_of, pace_per_s=DISPATCHES_PER_S),
        books_every=NEVER,
        setup=Setup(image_takes_s=IMAGE_TAKES_S),
    )


def _arrive(
    clients: Clients,
    *,
    count: int,
    prompt_of: Callable[[int], str],
    pace_per_s: float | None = None,
) -> None:
    clients.welcomes.late_share = 0
    if pace_per_s is not None:
        clients.slow_queue(pace_per_s)
    accounts = math.ceil(count / IMAGES_OF_ONE_ACCOUNT)
    for number in range(count):
        user, name = UserId(f"user {number % accounts}"), f"image {number}"
        at_s, prompt = number / ARRIVALS_PER_S, prompt_of(number)
        clients.opens_at(at_s, name, user, Kind.IMAGE, prompt=prompt)
