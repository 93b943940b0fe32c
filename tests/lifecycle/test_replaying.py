"""Replays after an outage: each failed run once, with its act, within the owner's limits."""

import sqlite3
from dataclasses import replace
from itertools import islice

import pytest

from shared.domain.account import HourlyCount
from shared.domain.creation import Creation
from shared.domain.errors import (
    IllegalTransition,
    InsufficientTokens,
    NotQueued,
    OutcomeUnknown,
    Paused,
    TooManyUnfinished,
)
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, EntryType
from shared.domain.operating import OperatorAct, Verb
from shared.domain.status import Status
from shared.lifecycle.replaying import Replayed, ReplayRequest
from shared.lifecycle.transactions import RERUNS_MAX
from tests.support.builders import ADA, BEN, NOON, POLICY, seconds, stored_media
from tests.support.documents import put
from tests.support.world import World

OUTAGE = FailureCode.GENERATOR_UNAVAILABLE
REQUEST = ReplayRequest(code=OUTAGE, since=NOON)


def failed(
    world: World, *, user: str = ADA, kind: Kind = Kind.VIDEO, code: FailureCode = OUTAGE
) -> Creation:
    opened = world.open(user=user, kind=kind).creation
    claimed = world.claim(opened, kind=kind)
    world.phoenix.failing.fail_attempt(claimed, code, start_failed=False)
    return world.now(claimed)


def fail_again(world: World, creation: Creation) -> None:
    claimed = world.claim(world.now(creation), kind=creation.kind)
    world.phoenix.failing.fail_attempt(claimed, OUTAGE, start_failed=False)


def replayed(world: World, request: ReplayRequest = REQUEST) -> list[Replayed]:
    return [*world.phoenix.replaying.replay(request)]


def acts(world: World) -> list[OperatorAct]:
    return [each for each in world.sqlite.everything() if isinstance(each, OperatorAct)]


@pytest.mark.parametrize("faults", [[], ["ok", "lost"], ["ok", "unsent", "lost"]])
def test_failure_is_debited_again_by_the_operator_with_its_task(
    world: World, faults: list[str]
) -> None:
    video = failed(world)
    world.store.faults = faults

    [result] = replayed(world)

    again = world.now(video)
    assert (again.status, again.run_number) == (Status.PENDING, 2)
    assert (again.creation_id, again.task_number) in world.queue.tasks
    debit = world.ledger()[0]
    assert (debit.entry_type, debit.actor) == (EntryType.DEBIT, Actor.OPERATOR)
    assert (result.is_replayed, result.tokens, result.granted_tokens) == (True, 10, 0)
    request, act = sorted(acts(world), key=lambda each: each.creation_id or "")
    assert (request.verb, request.creation_id) == (Verb.REPLAY, None)
    assert act.act_id == f"{video.creation_id}_replay_2"
    assert (act.user_id, act.tokens, act.who) == (ADA, 10, "cli")
    assert act.reason == "generator_unavailable since 2026-11-21T12:00:00+00:00"
    assert world.violations() == []


def test_granted_replay_costs_its_owner_nothing_even_if_it_fails_again(world: World) -> None:
    video = failed(world)
    request = replace(REQUEST, is_granted=True)

    [first] = replayed(world, request)
    balance = world.account().balance_tokens
    fail_again(world, video)
    [second] = replayed(world, request)

    assert (first.granted_tokens, second.granted_tokens) == (10, 0)
    assert (balance, world.account().balance_tokens) == (100, 100)
    assert world.now(video).run_number == 3
    grants = [each for each in acts(world) if each.verb is Verb.GRANT]
    assert [(each.tokens, each.user_id) for each in grants] == [(10, ADA)]
    assert world.violations() == []


def test_owner_without_tokens_is_helped_by_a_grant_only(world: World) -> None:
    failed(world)
    while world.account().balance_tokens >= 10:
        claimed = world.claim(world.open().creation)
        world.store_files(claimed)
        world.held(claimed).complete(stored_media(claimed))

    [without] = replayed(world)
    [granted] = replayed(world, replace(REQUEST, is_granted=True))

    assert isinstance(without.error, InsufficientTokens)
    assert granted.is_replayed
    assert world.account().balance_tokens == 0


def test_repeated_command_replays_nothing_twice(world: World) -> None:
    failed(world)
    replayed(world)

    assert replayed(world) == []


def test_only_failures_of_the_code_the_time_and_the_kind_are_replayed(world: World) -> None:
    early = failed(world)
    world.clock.sleep(60)
    image, other = failed(world, kind=Kind.IMAGE), failed(world, code=FailureCode.INTERNAL)
    video = failed(world)
    request = replace(REQUEST, since=NOON + seconds(30), kind=Kind.VIDEO)

    results = replayed(world, request)

    assert [each.creation_id for each in results] == [video.creation_id]
    assert {world.now(each).run_number for each in (early, image, other)} == {1}


def test_skipped_failure_stops_no_other(world: World) -> None:
    blocked = failed(world, user=BEN)
    for number in range(POLICY.videos_in_flight_max):
        world.open(user=BEN, key=f"{number}")
    world.clock.sleep(1)
    free = failed(world)

    first, second = replayed(world)

    assert (first.creation_id, second.creation_id) == (blocked.creation_id, free.creation_id)
    assert isinstance(first.error, TooManyUnfinished)
    assert second.is_replayed


def test_hourly_limits_do_not_apply_and_are_not_counted(world: World) -> None:
    failed(world)
    hour = HourlyCount(started_at=NOON, count=10_000)
    put(world.sqlite, replace(world.account(), opened_hour=hour, free_hour=hour))

    [result] = replayed(world)

    assert result.is_replayed
    assert (world.account().opened_hour, world.account().free_hour) == (hour, hour)


def test_paused_kind_is_skipped(world: World) -> None:
    failed(world)
    world.phoenix.operating.switch(Kind.VIDEO, is_paused=True)
    world.clock.sleep(30)

    [result] = replayed(world)

    assert isinstance(result.error, Paused)
    assert world.account().balance_tokens == 100


@pytest.mark.parametrize("commit_s", [0, 1], ids=["clock behind", "clock"])
def test_failure_during_the_replay_is_left_to_another_request(
    world: World, commit_s: float
) -> None:
    failures = [failed(world, code=FailureCode.QUEUE_UNAVAILABLE) for _ in range(2)]
    world.clock.sleep(1)
    world.queue.is_down = True
    world.store.afterwards = lambda: world.clock.sleep(commit_s)

    request = replace(REQUEST, code=FailureCode.QUEUE_UNAVAILABLE)
    results = [*islice(world.phoenix.replaying.replay(request), 5)]

    assert [type(each.error) for each in results] == [NotQueued, NotQueued]
    assert {world.now(each).run_number for each in failures} == {2}
    assert world.violations() == []


@pytest.mark.parametrize(("first", "granted"), [("lost", 10), ("unsent", 0)])
def test_grant_is_in_the_outcome_exactly_if_it_was_committed(
    world: World, first: str, granted: int
) -> None:
    failed(world)
    world.store.faults = ["ok", first, *["unsent"] * RERUNS_MAX]

    [result] = replayed(world, replace(REQUEST, is_granted=True))

    assert isinstance(result.error, OutcomeUnknown)
    assert result.granted_tokens == granted
    assert world.account().balance_tokens == 100
    assert world.violations() == []


def test_failure_that_its_owner_retries_meanwhile_is_skipped(world: World) -> None:
    video = failed(world)
    world.store.faults = ["ok", "before"]

    def retry() -> None:
        world.phoenix.opening.retry(video.creation_id, owner=video.user_id)

    world.store.meanwhile = retry

    results = replayed(world)

    assert [type(each.error) for each in results] == [IllegalTransition]
    assert world.now(video).run_number == 2
    assert len(acts(world)) == 1


def test_candidates_are_listed_without_a_change(world: World) -> None:
    videos = [failed(world) for _ in range(3)]
    before = [*world.sqlite.everything()]

    listed = [*world.phoenix.replaying.candidates(REQUEST)]

    assert {each.creation_id for each in listed} == {each.creation_id for each in videos}
    assert [*world.sqlite.everything()] == before


def test_unreadable_failure_hides_no_later_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.lifecycle.replaying.PAGE_LIMIT_MAX", 2)
    unreadable, *others = (failed(world) for _ in range(4))
    with sqlite3.connect(world.folder / "store.db") as connection:
        text = "UPDATE creations SET document = json_set(document, '$.schedule', ?) WHERE id = ?"
        connection.execute(text, ["soon", unreadable.creation_id])
        connection.commit()
        results = replayed(world)
        connection.execute(text, [None, unreadable.creation_id])

    assert {each.creation_id for each in results} == {each.creation_id for each in others}
