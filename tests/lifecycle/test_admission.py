"""The brake: what refuses a new creation, what it never refuses, and what it does when it is blind."""

import io
import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Timer
from time import monotonic
from typing import Any

import pytest

from shared.domain.creation import Creation
from shared.domain.errors import (
    CreationGone,
    IllegalTransition,
    InsufficientTokens,
    KeyReused,
    Paused,
    QueueFull,
    SpendingLimit,
    StoreUnavailable,
    Unavailable,
)
from shared.domain.kind import Kind
from shared.domain.ledger import Cost
from shared.domain.operating import Switch
from shared.lifecycle.admission import FIRST_READ_S, Admission
from tests.support.builders import ADA, POLICY, a_brief, a_caller
from tests.support.documents import put
from tests.support.world import World

NewWorld = Callable[..., World]

SLOW_S = 1.3
"""Longer than a request used to wait for a reading, and less than it waits now."""


def pause(world: World, *kinds: Kind, is_paused: bool = True) -> None:
    for kind in kinds or tuple(Kind):
        put(world.sqlite, Switch(kind=kind, is_paused=is_paused, changed_at=world.clock.now()))


def crowd(world: World) -> None:
    """Let the queue be so slow that one task is too many."""
    world.queue.rate_per_s = 0.001


def spend(world: World, cost_usd: float, *, cost_id: str = "spent") -> None:
    cost = Cost(
        cost_id=cost_id,
        model="m",
        estimated_cost_usd=cost_usd,
        kind=Kind.VIDEO,
        was_claimed=True,
        created_at=world.clock.now(),
    )
    put(world.sqlite, cost)


def retry(world: World, creation: Creation) -> Creation:
    return world.phoenix.opening.retry(creation.creation_id, owner=ADA).creation


BRAKES: dict[type[Unavailable], Callable[[World], None]] = {
    Paused: pause,
    QueueFull: crowd,
    SpendingLimit: lambda world: spend(world, 20),
}


@pytest.fixture
def braked(new_world: NewWorld) -> World:
    """A world with a ceiling of 20 dollars a day."""
    return new_world(PHOENIX_DAILY_COST_MAX_USD="20")


@pytest.mark.parametrize("error", BRAKES)
def test_nothing_is_written_when_an_open_is_refused(
    braked: World, error: type[Unavailable]
) -> None:
    braked.open(kind=Kind.IMAGE)
    before = list(braked.sqlite.everything())
    BRAKES[error](braked)
    given = list(braked.sqlite.everything())
    braked.clock.sleep(10)

    with pytest.raises(error) as refusal:
        braked.open()

    assert refusal.value.retry_after_s >= 10
    assert list(braked.sqlite.everything()) == given
    assert len(before) <= len(given)
    assert len(braked.queue.tasks) == 1


@pytest.mark.parametrize("error", BRAKES)
def test_retry_is_refused_like_an_open(braked: World, error: type[Unavailable]) -> None:
    failed = braked.failed()
    braked.clock.sleep(POLICY.settled_within_s)
    BRAKES[error](braked)
    braked.clock.sleep(10)

    with pytest.raises(error):
        retry(braked, failed)

    assert braked.now(failed) == failed
    assert braked.account().balance_tokens == 100


@pytest.mark.parametrize("error", BRAKES)
def test_replay_is_answered_while_the_brake_is_on(braked: World, error: type[Unavailable]) -> None:
    creation = braked.open(key="one").creation
    gone = braked.failed(key="gone")
    braked.phoenix.media_cleanup.delete_creation(gone.creation_id, owner=ADA)
    BRAKES[error](braked)
    braked.clock.sleep(10)

    replay = braked.open(key="one")

    assert (replay.is_replay, replay.creation) == (True, creation)
    with pytest.raises(KeyReused):
        braked.open(key="one", prompt="another")
    with pytest.raises(CreationGone):
        braked.open(key="gone")


def test_repeated_click_on_retry_is_answered_while_the_brake_is_on(world: World) -> None:
    failed = world.failed()
    retry(world, failed)
    pause(world)
    world.clock.sleep(10)

    again = world.phoenix.opening.retry(failed.creation_id, owner=ADA, run_number=1)

    assert again.is_replay


def test_illegal_transition_is_reported_before_the_brake(world: World) -> None:
    creation = world.open().creation
    pause(world)
    world.clock.sleep(10)

    with pytest.raises(IllegalTransition):
        retry(world, creation)


def test_owner_can_cancel_publish_and_delete_while_the_brake_is_on(world: World) -> None:
    pending, draft = world.open().creation, world.draft()
    pause(world)
    world.clock.sleep(10)

    world.phoenix.failing.cancel(pending.creation_id, owner=ADA)
    world.phoenix.publishing.publish(draft.creation_id, owner=ADA, caption=None)
    world.phoenix.media_cleanup.delete_creation(draft.creation_id, owner=ADA)


def test_brake_is_checked_before_the_balance(new_world: NewWorld) -> None:
    world = new_world(PHOENIX_WELCOME_TOKENS="0")
    with pytest.raises(InsufficientTokens):
        world.open()
    pause(world)
    world.clock.sleep(10)

    with pytest.raises(Paused):
        world.open()


# The switches


def test_each_kind_is_paused_and_resumed_separately(world: World) -> None:
    pause(world, Kind.VIDEO)

    with pytest.raises(Paused, match="video"):
        world.open()
    world.open(kind=Kind.IMAGE)
    pause(world, Kind.VIDEO, is_paused=False)
    world.clock.sleep(10)
    world.open()


def test_switch_that_cannot_be_read_stays_as_it_was(world: World) -> None:
    pause(world)
    with pytest.raises(Paused):
        world.open()
    gauges = blinded(world, "get")
    world.clock.sleep(3600)

    assert isinstance(gauges.refusal(Kind.VIDEO), Paused)


# The queue


def test_creation_that_would_not_be_ready_in_time_is_refused(new_world: NewWorld) -> None:
    world = new_world(PHOENIX_WELCOME_TOKENS="10000", PHOENIX_POLICY_VIDEOS_IN_FLIGHT_MAX="1000")
    world.queue.rate_per_s = 1 / 60
    room = int((900 - 90 - 60) / 60)
    for _ in range(room):
        world.open()
    world.clock.sleep(10)
    with pytest.raises(QueueFull):
        world.open()
    world.open(kind=Kind.IMAGE)

    world.claim(world.open(kind=Kind.IMAGE).creation, kind=Kind.IMAGE)
    world.queue.rate_per_s = 1 / 50
    world.clock.sleep(10)
    world.open()


def test_retry_after_is_the_time_the_queue_needs(world: World) -> None:
    world.queue.rate_per_s = 1 / 1000

    with pytest.raises(QueueFull) as refusal:
        world.open()

    assert refusal.value.retry_after_s == 1000 - (900 - 90 - 60)


def test_settled_rate_counts_if_it_exceeds_the_dispatch_rate(world: World) -> None:
    world.queue.rate_per_s = 0.001
    with pytest.raises(QueueFull):
        world.open()
    for number in range(12):
        spend(world, 0, cost_id=f"settled {number}")
    world.clock.sleep(10)

    world.open()


def test_creations_cancelled_in_the_queue_do_not_count_as_settled_rate(world: World) -> None:
    for _ in range(9):
        world.phoenix.failing.cancel(world.open().creation.creation_id, owner=ADA)
    world.queue.rate_per_s = 0.001
    world.clock.sleep(10)

    with pytest.raises(QueueFull):
        world.open()


def test_unknown_rate_is_not_full(world: World) -> None:
    crowd(world)
    with pytest.raises(QueueFull):
        world.open()
    gauges = world.phoenix.opening.admission
    world.queue.is_down = True
    world.clock.sleep(10)

    assert gauges.refusal(Kind.VIDEO) is None


def test_old_reading_of_the_queue_is_not_full(world: World) -> None:
    crowd(world)
    gauges = world.phoenix.opening.admission
    assert isinstance(gauges.refusal(Kind.VIDEO), QueueFull)
    gauges.worker, gauges.wait_max_s = Stuck(), 0.05
    world.clock.sleep(POLICY.gauges_life_s)
    assert isinstance(gauges.refusal(Kind.VIDEO), QueueFull)
    world.clock.sleep(1)

    assert gauges.refusal(Kind.VIDEO) is None


# The ceiling


def test_day_cost_plus_unfinished_price_reaches_the_ceiling(new_world: NewWorld) -> None:
    world = new_world(PHOENIX_DAILY_COST_MAX_USD="1.5")
    spend(world, 0.44)
    world.open()
    world.claim(world.open().creation)
    world.clock.sleep(10)
    world.open(kind=Kind.IMAGE)
    world.clock.sleep(10)
    image = world.open(kind=Kind.IMAGE).creation
    world.clock.sleep(10)

    with pytest.raises(SpendingLimit) as refusal:
        world.open(kind=Kind.IMAGE)

    assert refusal.value.retry_after_s == 12 * 3600 - 30
    world.phoenix.failing.cancel(image.creation_id, owner=ADA)
    world.clock.sleep(10)
    world.open(kind=Kind.IMAGE)


def test_ceiling_is_of_the_utc_day(braked: World) -> None:
    spend(braked, 20)
    with pytest.raises(SpendingLimit):
        braked.open()
    gauges = blinded(braked, "cost_usd_since")

    braked.clock.sleep(12 * 3600 - 1)
    assert isinstance(gauges.refusal(Kind.VIDEO), SpendingLimit)
    braked.clock.sleep(1)

    assert gauges.refusal(Kind.VIDEO) is None


def test_without_a_ceiling_no_cost_stops_anything(world: World) -> None:
    spend(world, 1e9)

    world.open()


# The reading


class Stuck(ThreadPoolExecutor):
    """An executor whose work never begins."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(None)
        return done


def blinded(world: World, *methods: str) -> Admission:
    """Return the world's admission, whose store cannot answer these reads any more."""

    def down(*_: object) -> None:
        raise StoreUnavailable(reason="planned")

    for method in methods:
        setattr(world.store, method, down)
    return world.phoenix.opening.admission


class Gate:
    """Holds a gauge of the world's store up: `began` is set when it is read, `may_end` releases it."""

    def __init__(self, world: World, method: str) -> None:
        self.began, self.may_end = Event(), Event()
        self._read = getattr(world.sqlite, method)
        setattr(world.store, method, self)

    def __call__(self, *arguments: Any) -> Any:
        self.began.set()
        self.may_end.wait()
        return self._read(*arguments)


def test_gauges_are_read_once_in_ten_seconds(world: World) -> None:
    read_kinds: list[Kind] = []
    rate = world.queue.dispatches_per_s

    def counted(kind: Kind) -> float:
        read_kinds.append(kind)
        return rate(kind)

    world.queue.dispatches_per_s = counted  # type: ignore[method-assign]  # counted on its way
    for _ in range(4):
        world.open()
        world.clock.sleep(4)

    assert read_kinds == [*Kind, *Kind]


@pytest.mark.parametrize("method", ["get", "unfinished", "settled_since", "cost_usd_since"])
def test_unreadable_gauge_refuses_nothing_and_is_logged(
    braked: World, log_stream: io.StringIO, method: str
) -> None:
    gauges = blinded(braked, method)

    assert [gauges.refusal(kind) for kind in Kind] == [None, None]

    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    assert {line["message"] for line in lines} == {"gauge_unreadable"}
    assert all("planned" in line["reason"] for line in lines)


def test_unreadable_gauge_does_not_hide_the_others(braked: World) -> None:
    pause(braked, Kind.VIDEO)
    spend(braked, 20)
    gauges = blinded(braked, "settled_since")

    assert isinstance(gauges.refusal(Kind.VIDEO), Paused)
    assert isinstance(gauges.refusal(Kind.IMAGE), SpendingLimit)


@pytest.mark.parametrize("error", BRAKES)
def test_brake_that_is_on_is_logged_with_each_reading(
    braked: World, log_stream: io.StringIO, error: type[Unavailable]
) -> None:
    BRAKES[error](braked)

    for _ in range(3):
        with pytest.raises(error):
            braked.open()

    lines = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    brakes = [line for line in lines if line["message"] == "brake_on"]
    assert {(line["kind"], line["code"]) for line in brakes} == {
        (kind, error.code) for kind in Kind
    }
    assert len(brakes) == 2
    assert {line["severity"] for line in brakes} == {"WARNING"}


def test_requests_use_the_last_reading_while_the_next_one_runs(world: World) -> None:
    """Ten seconds later the new reading hangs: no request waits for it."""
    gauges = world.phoenix.opening.admission
    assert gauges.refusal(Kind.VIDEO) is None
    pause(world)
    gate = Gate(world, "get")
    with ThreadPoolExecutor(1) as worker:
        gauges.worker = worker
        world.clock.sleep(10)
        answers = [gauges.refusal(Kind.VIDEO) for _ in range(3)]
        gate.began.wait()
        gate.may_end.set()

    assert answers == [None, None, None]
    assert isinstance(gauges.refusal(Kind.VIDEO), Paused)


def test_first_request_waits_for_the_reading(world: World) -> None:
    pause(world)

    with ThreadPoolExecutor(1) as worker:
        world.phoenix.opening.admission.worker = worker
        with pytest.raises(Paused):
            world.open()


def test_after_a_quiet_time_a_request_waits_for_the_reading(world: World) -> None:
    world.draft()
    pause(world)
    world.clock.sleep(3600)

    with ThreadPoolExecutor(1) as worker:
        world.phoenix.opening.admission.worker = worker
        with pytest.raises(Paused):
            world.open()


def test_warmed_up_process_makes_no_request_wait(world: World) -> None:
    pause(world)
    gauges = world.phoenix.opening.admission
    gauges.warm_up()
    gauges.worker = Stuck()

    with pytest.raises(Paused):
        world.open()


def verdict_after(world: World, gate: Gate, *, seconds: float) -> Unavailable | None:
    """Return the verdict of a request whose reading is held up for so long, in real time."""
    with ThreadPoolExecutor(1) as worker:
        gauges = world.phoenix.opening.admission
        gauges.worker = worker
        timer = Timer(seconds, gate.may_end.set)
        timer.start()
        verdict = gauges.refusal(Kind.VIDEO)
        gate.may_end.set()
        timer.join()
    return verdict


@pytest.mark.parametrize("quiet_s", [0, 3600])
def test_request_waits_for_a_slow_reading_of_a_switch(world: World, quiet_s: float) -> None:
    if quiet_s:
        world.draft()
    pause(world)
    world.clock.sleep(quiet_s)

    verdict = verdict_after(world, Gate(world, "get"), seconds=SLOW_S)

    assert isinstance(verdict, Paused)


@pytest.mark.parametrize("quiet_s", [0, 3600])
def test_request_waits_for_a_slow_reading_of_the_day_cost(braked: World, quiet_s: float) -> None:
    if quiet_s:
        braked.draft()
    spend(braked, 20)
    braked.clock.sleep(quiet_s)

    verdict = verdict_after(braked, Gate(braked, "cost_usd_since"), seconds=SLOW_S)

    assert isinstance(verdict, SpendingLimit)


def test_second_request_of_a_cold_process_waits_for_the_same_reading(world: World) -> None:
    """The reading of a cold process is still being submitted when another request arrives."""
    pause(world)
    gauges, is_handing_over = world.phoenix.opening.admission, Event()
    with ThreadPoolExecutor(1) as worker, ThreadPoolExecutor(2) as requests:

        class Hesitant(ThreadPoolExecutor):
            """Hands over when the second request has its answer, or in any case soon."""

            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
                is_handing_over.set()
                is_answered.wait(SLOW_S)
                return worker.submit(fn, *args, **kwargs)

        is_answered = Event()
        gauges.worker = Hesitant()
        first = requests.submit(gauges.refusal, Kind.VIDEO)
        is_handing_over.wait()
        second = requests.submit(gauges.refusal, Kind.VIDEO)
        second.add_done_callback(lambda _: is_answered.set())

        assert isinstance(second.result(), Paused)
        assert isinstance(first.result(), Paused)


def test_slow_queue_delays_no_request(world: World) -> None:
    gate = Gate(world, "unfinished")
    with ThreadPoolExecutor(1) as worker:
        world.phoenix.opening.admission.worker = worker
        began_s = monotonic()
        world.open()
        took_s = monotonic() - began_s
        gate.may_end.set()

    assert took_s < FIRST_READ_S


def test_stalled_reading_is_followed_by_another(world: World) -> None:
    """A process without CPU between its requests resumes in the middle of an old reading."""
    gate = Gate(world, "unfinished")
    gauges = world.phoenix.opening.admission
    with ThreadPoolExecutor(1) as worker:
        gauges.worker = worker
        assert gauges.refusal(Kind.VIDEO) is None
        gate.began.wait()
        pause(world)
        world.clock.sleep(3600)
        verdict = verdict_after(world, gate, seconds=SLOW_S / 10)

    assert isinstance(verdict, Paused)


@pytest.mark.parametrize("error", BRAKES)
def test_hanging_reading_refuses_nothing(braked: World, error: type[Unavailable]) -> None:
    creation = braked.open(key="one").creation
    BRAKES[error](braked)
    braked.clock.sleep(POLICY.gauges_life_s + 1)
    gauges = braked.phoenix.opening.admission
    gauges.worker, gauges.wait_max_s = Stuck(), 0.05

    replay = braked.open(key="one")

    assert (replay.is_replay, replay.creation) == (True, creation)
    assert not braked.open(key="two").is_replay


def test_request_of_an_ending_process_is_not_delayed(world: World) -> None:
    ended = ThreadPoolExecutor(1)
    ended.shutdown()
    world.phoenix.opening.admission.worker = ended

    world.open()


def test_rerun_by_an_operator_ignores_the_brake(world: World) -> None:
    """An operator who retries for an owner knows of the brake, and has set it."""
    failed = world.failed()
    pause(world)
    world.clock.sleep(10)

    again = world.phoenix.opening.rerun(failed.creation_id, execution="by-hand")

    assert again is not None
    assert again.creation.run_number == 2


def test_account_is_created_while_the_brake_is_on(world: World) -> None:
    pause(world)

    with pytest.raises(Paused):
        world.phoenix.opening.open(a_brief(), caller=a_caller("ben"))

    assert world.account("ben").balance_tokens == 100
