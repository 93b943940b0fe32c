from collections.abc import Callable, Sequence
from typing import Any

import pytest

from shared.domain.account import account_key
from shared.domain.creation import creation_key
from shared.domain.errors import (
    CreationGone,
    InsufficientTokens,
    KeyReused,
    NotQueued,
    OutcomeUnknown,
    StoreUnavailable,
    TooManyOpened,
    TooManyUnfinished,
)
from shared.domain.failure import FailureCode
from shared.domain.keys import Key
from shared.domain.kind import Kind
from shared.domain.ledger import EntryType
from shared.domain.status import Status
from shared.lifecycle.failing import Refund
from shared.ports.store import Decision, Found, write
from tests.support.builders import ADA, a_creation_id, stored_media
from tests.support.world import World


def movements(world: World) -> list[tuple[EntryType, int]]:
    return [(entry.entry_type, entry.amount_tokens) for entry in reversed(world.ledger())]


WELCOME = (EntryType.GRANT, 100)
DEBIT = (EntryType.DEBIT, 10)
REFUND = (EntryType.REFUND, 10)


def test_opening_debits_creates_and_enqueues(world: World) -> None:
    opened = world.open()

    creation = world.now(opened.creation)
    assert creation.status is Status.PENDING
    assert opened.balance_tokens == world.account().balance_tokens == 90
    assert movements(world) == [WELCOME, DEBIT]
    assert world.queue.tasks == {(creation.creation_id, 1): None}


def test_existing_account_costs_one_transaction(world: World) -> None:
    world.open()
    world.store.faults = ["ok", "down", "down", "down", "down", "down"]

    world.open()

    assert len(world.store.faults) == 5


def test_open_without_enough_tokens_writes_and_enqueues_nothing(
    new_world: Callable[..., World],
) -> None:
    world = new_world(PHOENIX_WELCOME_TOKENS="19")
    world.open()

    with pytest.raises(InsufficientTokens) as refusal:
        world.open()

    assert (refusal.value.required, refusal.value.balance) == (10, 9)
    assert movements(world) == [(EntryType.GRANT, 19), DEBIT]
    assert len(world.queue.tasks) == 1


def test_in_flight_limit_writes_nothing(world: World) -> None:
    for _ in range(5):
        world.open()

    with pytest.raises(TooManyUnfinished):
        world.open()
    world.open(kind=Kind.IMAGE)

    assert world.account().balance_tokens == 49
    assert len(world.queue.tasks) == 6


def test_hourly_limit_ends_with_the_hour(new_world: Callable[..., World]) -> None:
    world = new_world(PHOENIX_POLICY_OPENED_PER_HOUR_MAX="2")
    world.open(kind=Kind.IMAGE)
    world.open(kind=Kind.IMAGE)

    with pytest.raises(TooManyOpened):
        world.open(kind=Kind.IMAGE)
    world.clock.sleep(3600)
    world.open(kind=Kind.IMAGE)
    world.phoenix.sweeping.sweep()

    assert len(world.queue.tasks) == 3


def test_replay_returns_the_current_creation_and_starts_nothing(world: World) -> None:
    first = world.open(key="k")
    world.claim(first.creation)

    again = world.open(key="k")

    assert again.is_replay
    assert not first.is_replay
    assert again.creation.status is Status.PROCESSING
    assert again.balance_tokens == 90
    assert movements(world) == [WELCOME, DEBIT]
    assert len(world.queue.tasks) == 1


def test_replay_of_an_unqueued_creation_leaves_it_to_the_sweep(world: World) -> None:
    world.open(key="k")
    world.queue.tasks.clear()

    again = world.open(key="k")

    assert again.is_replay
    assert world.queue.tasks == {}


def test_key_with_another_brief_is_refused(world: World) -> None:
    world.open(key="k")

    with pytest.raises(KeyReused):
        world.open(key="k", prompt="another fox")


def test_same_key_of_another_user_is_another_creation(world: World) -> None:
    ours, theirs = world.open(key="k"), world.open(key="k", user="ben")

    assert ours.creation.creation_id != theirs.creation.creation_id
    assert not theirs.is_replay


def test_key_whose_creation_was_deleted_is_gone(world: World) -> None:
    opened = world.open(key="k")
    claimed = world.claim(opened.creation)
    world.phoenix.failing.fail_attempt(claimed, FailureCode.INTERNAL, start_failed=False)

    def remove(found: Found) -> Decision[None]:
        return write(removing=tuple(found.documents), result=None)

    world.sqlite.transact([creation_key(opened.creation.creation_id)], remove)

    with pytest.raises(CreationGone):
        world.open(key="k")


def test_unqueued_creation_is_refunded_before_the_response(world: World) -> None:
    world.queue.is_down = True

    with pytest.raises(NotQueued) as refusal:
        world.open(key="k")

    creation = world.sqlite.get(creation_key(a_creation_id("k")))
    assert creation is not None
    assert refusal.value.creation_id == creation.creation_id
    assert refusal.value.refunded
    assert (creation.status, creation.refunded) == (Status.FAILED, True)
    assert creation.queue_error_code == "queue_unavailable"
    assert movements(world) == [WELCOME, DEBIT, REFUND]


def test_debit_is_kept_if_the_task_existed_and_was_claimed(world: World) -> None:
    world.queue.is_down = True
    settle = world.phoenix.failing

    def claim_first() -> None:
        world.claim(a_creation_id("k"))

    world.store.faults, world.store.meanwhile = ["ok", "ok", "ok", "before"], claim_first
    opened = world.open(key="k")

    assert opened.creation.status is Status.PROCESSING
    assert movements(world) == [WELCOME, DEBIT]
    assert settle.fail_unqueued(world.now(opened.creation)).refund is Refund.NOT_DUE


def test_deleted_draft_of_an_unanswered_task_is_gone_and_not_refunded(world: World) -> None:
    world.queue.is_down = True

    def make_and_delete() -> None:
        world.store.faults = []
        claimed = world.claim(a_creation_id("k"))
        world.store_files(claimed)
        world.held(claimed).complete(stored_media(claimed))
        world.phoenix.media_cleanup.delete_creation(claimed.creation_id, owner=claimed.user_id)

    world.store.faults, world.store.meanwhile = ["ok", "ok", "ok", "before"], make_and_delete
    with pytest.raises(CreationGone):
        world.open(key="k")

    assert movements(world) == [WELCOME, DEBIT]


def test_debit_whose_response_was_lost_is_recognised_and_no_replay(world: World) -> None:
    world.open(kind=Kind.IMAGE)
    world.store.faults = ["lost"]

    opened = world.open(key="k")

    assert not opened.is_replay
    assert opened.balance_tokens == 89
    assert (opened.creation.creation_id, 1) in world.queue.tasks


def test_replay_whose_response_was_lost_is_still_a_replay(world: World) -> None:
    waiting = world.open(key="k").creation
    world.queue.is_down = True
    world.store.faults = ["lost"]

    assert world.open(key="k").is_replay
    assert world.now(waiting).status is Status.PENDING


def test_raced_key_whose_first_commit_never_landed_is_a_replay(world: World) -> None:
    world.open(kind=Kind.IMAGE)
    transact, won = world.store.transact, []

    def lose(reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[Any]]) -> Any:
        def send(found: Found) -> Decision[Any]:
            decide(found)
            raise OutcomeUnknown(reason="planned")

        world.store.transact = transact  # type: ignore[method-assign]  # once
        try:
            return transact(reading, send)
        finally:
            world.clock.sleep(1)
            won.append(world.open(key="k"))

    world.store.transact = lose  # type: ignore[method-assign]  # its commit never lands
    raced = world.open(key="k")

    assert (raced.is_replay, raced.creation) == (True, won[0].creation)
    assert movements(world).count(DEBIT) == 1


def test_commit_that_never_landed_is_sent_again(world: World) -> None:
    world.open(kind=Kind.IMAGE)
    world.store.faults = ["unsent", "down", "unsent"]

    opened = world.open()

    assert world.account().balance_tokens == 89
    assert world.now(opened.creation).status is Status.PENDING


def test_unknown_outcome_names_the_creation(world: World) -> None:
    world.open(kind=Kind.IMAGE)
    world.store.faults = ["lost", "down", "down", "down", "down"]

    with pytest.raises(OutcomeUnknown) as refusal:
        world.open(key="k")

    assert refusal.value.creation_id == a_creation_id("k")
    assert world.account().balance_tokens == 89


def test_open_while_the_store_is_down_debits_nothing(world: World) -> None:
    world.open(kind=Kind.IMAGE)
    world.store.faults = ["down"] * 5

    with pytest.raises(StoreUnavailable):
        world.open()

    assert world.account().balance_tokens == 99


def test_unknown_refund_is_not_reported_as_a_refund(world: World) -> None:
    world.open(kind=Kind.IMAGE)
    world.queue.is_down = True
    world.store.faults = ["ok", *["down"] * 5]

    with pytest.raises(OutcomeUnknown) as refusal:
        world.open(key="k")

    assert refusal.value.creation_id == a_creation_id("k")
    assert world.account().balance_tokens == 89
    assert world.sqlite.get(account_key(ADA)) is not None
