from dataclasses import replace

import pytest

from shared.adapters.documents import from_fields, to_fields
from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.history import (
    DETAIL_LENGTH_MAX,
    HISTORY_MAX,
    KEPT_FIRST,
    Event,
    Step,
    appended,
)
from shared.domain.status import Stage
from tests.support.builders import LEASE_OWNER, NOON, POLICY, a_creation, seconds, stored_media


def steps(creation: Creation) -> list[str]:
    return [each.what for each in creation.history]


def test_each_transition_appends_one_event() -> None:
    creation = a_creation()
    claimed = creation.claimed(LEASE_OWNER, policy=POLICY, at=NOON + seconds(1))
    started = claimed.with_intent(model="m", cost_usd=0.5, at=NOON + seconds(2))
    waiting = started.without_start(at=NOON + seconds(3)).waiting_to_retry(
        NOON + seconds(60), policy=POLICY, at=NOON + seconds(3)
    )
    released = waiting.claimed(LEASE_OWNER, policy=POLICY, at=NOON).released(policy=POLICY, at=NOON)
    failed = released.requeued(policy=POLICY, at=NOON).failed(
        FailureCode.INTERNAL, policy=POLICY, at=NOON
    )
    again = failed.debited_again(policy=POLICY, at=NOON).claimed(
        LEASE_OWNER, policy=POLICY, at=NOON
    )
    draft = again.with_operation("o", at=NOON).completed(
        stored_media(again), policy=POLICY, at=NOON
    )
    public = draft.prepared_for_publication("p", at=NOON).published(None, at=NOON)

    assert steps(public.unpublished(policy=POLICY, at=NOON)) == [
        *("opened", "claimed", "intent", "start_cleared", "retry_later", "claimed", "released"),
        *("requeued", "failed", "debited_again", "claimed", "operation", "completed"),
        *("published", "unpublished"),
    ]
    assert public.history[1] == Event(NOON + seconds(1), "claimed", f"attempt 1 {LEASE_OWNER}")
    assert public.history[8].detail == "internal"


def test_heartbeat_appends_nothing_and_a_stage_appends_one_event() -> None:
    claimed = a_creation().claimed(LEASE_OWNER, policy=POLICY, at=NOON)

    beating = claimed.with_progress(Stage.GENERATING, 40, policy=POLICY, at=NOON)
    next_stage = beating.with_progress(Stage.DOWNLOADING, 88, policy=POLICY, at=NOON)
    late = next_stage.with_progress(Stage.GENERATING, 50, policy=POLICY, at=NOON)

    assert beating.history == claimed.history
    assert steps(next_stage)[len(claimed.history) :] == ["stage"]
    assert late.history == next_stage.history


def test_full_history_keeps_its_first_and_its_last_events() -> None:
    history: tuple[Event, ...] = ()
    for number in range(2 * HISTORY_MAX):
        history = appended(history, Step.CLAIMED, number, at=NOON)

    numbers = [int(each.detail) for each in history]
    assert len(numbers) == HISTORY_MAX
    assert numbers[:KEPT_FIRST] == [*range(KEPT_FIRST)]
    last = HISTORY_MAX - KEPT_FIRST
    assert numbers[KEPT_FIRST:] == [*range(2 * HISTORY_MAX - last, 2 * HISTORY_MAX)]


@pytest.mark.parametrize(
    "detail", ["", "one", " two  words ", "x" * 1000, f"{'x' * (DETAIL_LENGTH_MAX - 1)} x"]
)
def test_stored_event_is_read_back_equal(detail: str) -> None:
    history = appended((), Step.OPERATION, detail, at=NOON + seconds(0.000001))
    creation = replace(a_creation(), history=history)

    fields = to_fields(creation)

    assert from_fields(creation.key, fields) == creation
    [text] = fields["history"]
    assert len(text) <= DETAIL_LENGTH_MAX + 50


def test_event_of_a_later_release_is_kept() -> None:
    creation = a_creation()
    fields = to_fields(creation) | {"history": [f"{NOON.isoformat()} teleported far away"]}

    found = from_fields(creation.key, fields)

    assert found.history == (Event(NOON, "teleported", "far away"),)
