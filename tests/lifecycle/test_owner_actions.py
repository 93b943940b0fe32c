from collections.abc import Callable

import pytest

from shared.domain.creation import Creation
from shared.domain.errors import (
    AlreadyStarted,
    CreationNotFound,
    IllegalTransition,
    InsufficientTokens,
    NotQueued,
    OutcomeUnknown,
    StoreUnavailable,
    TooManyUnfinished,
)
from shared.domain.ledger import Actor, EntryType
from shared.domain.status import Status
from tests.support.builders import ADA, BEN, RIVAL, a_creation_id, stored_media
from tests.support.world import World


def refunds(world: World) -> int:
    return sum(entry.entry_type is EntryType.REFUND for entry in world.ledger())


def retry(world: World, creation: Creation, run_number: int | None = None) -> Creation:
    return world.phoenix.opening.retry(
        creation.creation_id, owner=ADA, run_number=run_number
    ).creation


# Retry


def test_retry_debits_again_on_the_same_card(world: World) -> None:
    failed = world.failed()
    world.clock.sleep(5)

    opened = world.phoenix.opening.retry(failed.creation_id, owner=ADA)

    again = world.now(failed)
    assert opened.creation == again
    assert opened.balance_tokens == world.account().balance_tokens == 90
    assert (again.status, again.run_number, again.task_number) == (Status.PENDING, 2, 2)
    assert (again.attempt, again.first_attempt) == (1, 2)
    assert (again.created_at, again.progress, again.error) == (failed.created_at, 0, None)
    assert not again.refunded
    assert again.deadline_at is not None
    assert (again.deadline_at - world.clock.now()).total_seconds() == 900
    assert (failed.creation_id, 2) in world.queue.tasks
    assert [entry.entry_id for entry in world.ledger()[:1]] == [f"{failed.creation_id}_debit_2"]
    assert world.ledger()[0].actor is Actor.OWNER


def test_second_run_may_fail_and_is_refunded_too(world: World) -> None:
    failed = world.failed()
    retry(world, failed)
    mine = world.claim(failed, RIVAL)
    assert mine.attempt == 2
    world.clock.sleep(900)
    world.phoenix.sweeping.sweep()

    assert world.account().balance_tokens == 100
    assert refunds(world) == 2
    assert world.now(failed).run_number == 2


def test_retry_resets_the_run(world: World) -> None:
    creation = world.open().creation
    world.queue.tasks.clear()
    world.clock.sleep(60)
    world.phoenix.sweeping.sweep()
    claim = world.held(world.claim(creation))
    claim.record_intent(model="m", cost_usd=1)
    claim.record_operation("operation-1")
    waiting = claim.retry_later(retry_after_s=0, start_failed=False)
    assert waiting is not None
    world.clock.sleep(900)
    world.phoenix.sweeping.sweep()
    failed = world.now(creation)
    assert failed.intent
    assert failed.operation_name
    assert failed.retry_count
    assert failed.requeue_count

    retry(world, failed)

    again = world.now(creation)
    assert (again.intent, again.operation_name, again.error, again.retry_at) == (None,) * 4
    assert (again.retry_count, again.requeue_count, again.progress) == (0, 0, 0)
    assert (again.first_attempt, again.attempt) == (2, 1)


@pytest.mark.parametrize("status", ["pending", "processing", "draft", "published"])
def test_only_a_failed_creation_is_retried(world: World, status: str) -> None:
    creation = world.creation_that_is(status)

    with pytest.raises(IllegalTransition) as refusal:
        retry(world, creation)

    assert refusal.value.status == status


def test_retry_obeys_the_limits_of_an_open(world: World) -> None:
    failed = world.failed()
    for _ in range(5):
        world.open()
    with pytest.raises(TooManyUnfinished):
        retry(world, failed)
    for _ in range(5):
        world.clock.sleep(900)
        world.phoenix.sweeping.sweep()

    assert world.now(failed).status is Status.FAILED


def test_retry_without_tokens_writes_nothing(world: World) -> None:
    failed = world.failed()
    for _ in range(5):
        world.draft()
    for _ in range(5):
        world.open()

    with pytest.raises((InsufficientTokens, TooManyUnfinished)):
        retry(world, failed)

    assert world.now(failed) == failed


def test_two_clicks_on_one_card_debit_once(world: World) -> None:
    failed = world.failed()

    first = world.phoenix.opening.retry(failed.creation_id, owner=ADA, run_number=1)
    second = world.phoenix.opening.retry(failed.creation_id, owner=ADA, run_number=1)

    assert not first.is_replay
    assert second.is_replay
    assert second.creation == first.creation
    assert world.account().balance_tokens == 90
    assert len(world.queue.tasks) == 2


@pytest.mark.parametrize("faults", [["lost"], ["unsent", "lost"], ["lost", "down", "lost"]])
def test_retry_whose_response_was_lost_debits_once_and_creates_its_task(
    world: World, faults: list[str]
) -> None:
    failed = world.failed()
    world.store.faults = faults

    opened = world.phoenix.opening.retry(failed.creation_id, owner=ADA)

    assert not opened.is_replay
    assert world.account().balance_tokens == 90
    assert (failed.creation_id, 2) in world.queue.tasks


def test_retry_after_a_run_that_does_not_exist_recognises_its_own_debit(world: World) -> None:
    failed = world.failed()
    world.store.faults = ["lost"]

    opened = world.phoenix.opening.retry(failed.creation_id, owner=ADA, run_number=99)

    assert not opened.is_replay
    assert (failed.creation_id, 2) in world.queue.tasks


def test_retry_without_a_queue_is_refunded_at_once(world: World) -> None:
    failed = world.failed()
    world.queue.is_down = True

    with pytest.raises(NotQueued):
        retry(world, failed)

    now = world.now(failed)
    assert (now.status, now.run_number, now.queue_error_code) == (
        Status.FAILED,
        2,
        "queue_unavailable",
    )
    assert world.account().balance_tokens == 100


def test_retry_with_unknown_outcome_names_the_creation(world: World) -> None:
    failed = world.failed()
    world.store.faults = ["lost", *["down"] * 4]

    with pytest.raises(OutcomeUnknown) as refusal:
        retry(world, failed)

    assert refusal.value.creation_id == failed.creation_id


# Cancel


def test_cancelling_refunds_a_waiting_creation(world: World) -> None:
    creation = world.open().creation

    cancelled = world.phoenix.failing.cancel(creation.creation_id, owner=ADA)

    assert cancelled == world.now(creation)
    assert cancelled.error is not None
    assert (cancelled.status, cancelled.error.code) == (Status.FAILED, "cancelled")
    assert world.account().balance_tokens == 100
    assert world.ledger()[0].actor is Actor.OWNER


@pytest.mark.parametrize("faults", [["lost"], ["unsent"], ["lost", "down", "lost"]])
def test_cancellation_whose_response_was_lost_refunds_once(world: World, faults: list[str]) -> None:
    creation = world.open().creation
    world.store.faults = faults

    world.phoenix.failing.cancel(creation.creation_id, owner=ADA)

    assert refunds(world) == 1


def test_creation_with_a_recorded_start_is_not_cancelled(world: World) -> None:
    processing, waiting = (world.claim(world.open().creation) for _ in range(2))
    for each in (processing, waiting):
        world.held(each).record_intent(model="m", cost_usd=1)
    world.held(waiting).release()
    draft, failed = world.draft(), world.failed()

    for creation, error in (
        *((each, AlreadyStarted) for each in (processing, waiting)),
        *((each, IllegalTransition) for each in (draft, failed)),
    ):
        with pytest.raises(error):
            world.phoenix.failing.cancel(creation.creation_id, owner=ADA)

    assert refunds(world) == 1


def test_creation_waiting_for_a_retry_can_be_cancelled(world: World) -> None:
    mine = world.claim(world.open().creation)
    world.held(mine).retry_later(retry_after_s=0, start_failed=True)

    assert world.phoenix.failing.cancel(mine.creation_id, owner=ADA).status is Status.FAILED


# Delete


@pytest.mark.parametrize("kind", ["draft", "failed", "published"])
def test_deleting_removes_the_document_and_every_file_at_once(world: World, kind: str) -> None:
    creation = world.creation_that_is(kind)
    balance = world.account().balance_tokens

    world.phoenix.media_cleanup.delete_creation(creation.creation_id, owner=ADA)

    assert world.sqlite.get(creation.key) is None
    assert world.stored_keys() == set()
    assert world.account().balance_tokens == balance
    deletion = {d.deletion_id: d for d in world.deletions()}[f"{creation.creation_id}_delete"]
    assert (deletion.until - world.clock.now()).total_seconds() == 3600
    with pytest.raises(CreationNotFound):
        world.phoenix.media_cleanup.delete_creation(creation.creation_id, owner=ADA)


def test_unfinished_creation_is_not_deleted(world: World) -> None:
    for creation in (world.open().creation, world.claim(world.open().creation)):
        with pytest.raises(IllegalTransition):
            world.phoenix.media_cleanup.delete_creation(creation.creation_id, owner=ADA)


@pytest.mark.parametrize("faults", [["lost"], ["lost", "down"], ["unsent", "lost"]])
def test_delete_whose_response_was_lost_still_removes_the_files(
    world: World, faults: list[str]
) -> None:
    draft = world.draft()
    world.store.faults = faults

    world.phoenix.media_cleanup.delete_creation(draft.creation_id, owner=ADA)

    assert world.stored_keys() == set()


def test_files_that_cannot_be_deleted_now_are_deleted_by_the_sweep(world: World) -> None:
    draft = world.draft()
    world.media.is_down = True
    world.phoenix.media_cleanup.delete_creation(draft.creation_id, owner=ADA)
    assert len(world.stored_keys()) == 2
    world.media.is_down = False

    world.phoenix.sweeping.sweep()

    assert world.stored_keys() == set()


def test_deleting_removes_the_files_of_earlier_attempts(world: World) -> None:
    first = world.claim(world.open().creation)
    world.store_files(first)
    world.clock.sleep(130)
    second = world.claim(first, RIVAL)
    world.store_files(second)
    world.held(second).complete(stored_media(second))
    assert len(world.stored_keys()) == 4

    world.phoenix.media_cleanup.delete_creation(first.creation_id, owner=ADA)

    assert world.stored_keys() == set()


def test_file_written_late_is_removed_an_hour_after_the_delete(world: World) -> None:
    draft = world.draft()
    world.phoenix.media_cleanup.delete_creation(draft.creation_id, owner=ADA)
    world.store_files(draft)
    world.clock.sleep(3600)

    world.phoenix.sweeping.sweep()

    assert world.stored_keys() == set()
    assert world.deletions() == []


# Whose it is


@pytest.mark.parametrize("action", ["read", "show", "retry", "cancel", "delete"])
def test_creation_of_another_owner_is_unknown(world: World, action: str) -> None:
    theirs = world.failed(user="ben")
    before = world.now(theirs)
    phoenix = world.phoenix
    actions: dict[str, Callable[..., object]] = {
        "read": phoenix.reading.own_creation,
        "show": phoenix.reading.own_shown,
        "retry": phoenix.opening.retry,
        "cancel": phoenix.failing.cancel,
        "delete": phoenix.media_cleanup.delete_creation,
    }
    act = actions[action]

    with pytest.raises(CreationNotFound):
        act(theirs.creation_id, owner=ADA)
    with pytest.raises(CreationNotFound):
        act(a_creation_id("unknown"), owner=ADA)

    assert world.now(theirs) == before
    assert world.account(BEN).balance_tokens == 100


def test_delete_while_the_store_is_down_changes_nothing(world: World) -> None:
    draft = world.draft()
    world.store.faults = ["down"] * 5

    with pytest.raises(StoreUnavailable):
        world.phoenix.media_cleanup.delete_creation(draft.creation_id, owner=ADA)

    assert world.now(draft) == draft
    assert len(world.stored_keys()) == 2
