"""Which waiting creations an execution may claim, and in which order."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from shared.adapters.local.store import SQLiteStore
from shared.domain.creation import Creation
from shared.domain.errors import NotClaimable
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.lifecycle.claim import Claim
from shared.lifecycle.draining import (
    CANDIDATES_MAX,
    DOCUMENTS_MAX,
    OF_ONE_ACCOUNT_MAX,
    Draining,
)
from shared.ports.store import Page, write
from shared.wiring import Phoenix
from tests.support.builders import LEASE_OWNER, NOON, POLICY, a_creation, seconds
from tests.support.fakes import FakeClock
from tests.support.world import World


@dataclass
class Backlog:
    """A store of waiting creations without their accounts."""

    store: SQLiteStore
    clock: FakeClock
    phoenix: Phoenix

    @property
    def draining(self) -> Draining:
        return self.phoenix.draining

    def claim(self, creation: Creation, owner: LeaseOwner = LEASE_OWNER) -> Claim:
        return self.phoenix.claims.claim(
            creation.creation_id, kind=creation.kind, lease_owner=owner
        )


@pytest.fixture
def backlog(world: World, tmp_path: Path) -> Iterator[Backlog]:
    with closing(SQLiteStore(tmp_path / "backlog.db")) as store:
        yield Backlog(store, world.clock, world.over(store, clock=world.clock))


def waiting(
    backlog: Backlog, count: int, *, user: str = "", kind: Kind = Kind.IMAGE
) -> list[Creation]:
    """Store waiting creations a second apart, each of a user of its own unless one is named."""
    made = [
        replace(
            a_creation(f"{user}{number}", kind=kind, user_id=user or f"user-{number}"),
            available_at=NOON + seconds(number),
        )
        for number in range(count)
    ]
    backlog.store.transact([], lambda _: write(*made, result=None))
    backlog.clock.sleep(count)
    return made


def candidates(
    backlog: Backlog, execution: str = "one", kind: Kind = Kind.IMAGE
) -> list[CreationId]:
    found = backlog.draining.candidates(kind, execution=execution)
    return [each.creation_id for each in found]


def test_look_finds_at_most_two_of_one_account(backlog: Backlog) -> None:
    waiting(backlog, 9, user="ada")
    waiting(backlog, 9, user="ben")
    waiting(backlog, 1, user="cleo")

    found = backlog.draining.candidates(Kind.IMAGE, execution="one")

    counts = Counter(each.user_id for each in found)
    assert counts == {"ada": OF_ONE_ACCOUNT_MAX, "ben": OF_ONE_ACCOUNT_MAX, "cleo": 1}


def test_look_finds_the_50_that_wait_longest(backlog: Backlog) -> None:
    made = waiting(backlog, CANDIDATES_MAX + 10)

    assert {*candidates(backlog)} == {each.creation_id for each in made[:CANDIDATES_MAX]}


def test_order_differs_between_executions_and_is_the_same_for_one(backlog: Backlog) -> None:
    waiting(backlog, 20)

    one, again, two = candidates(backlog), candidates(backlog), candidates(backlog, "two")

    assert one == again
    assert one != two
    assert {*one} == {*two}


def test_look_reads_at_most_200_documents_and_passes_over_a_full_account(
    backlog: Backlog, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(backlog, DOCUMENTS_MAX - 1, user="ada")
    waiting(backlog, DOCUMENTS_MAX + 1, user="ben")
    read: list[Creation] = []
    of_store = backlog.store.waiting

    def waiting_read(kind: Kind, now: datetime, page: Page) -> list[Creation]:
        found = of_store(kind, now, page)
        read.extend(found)
        return found

    monkeypatch.setattr(backlog.store, "waiting", waiting_read)

    found = backlog.draining.candidates(Kind.IMAGE, execution="one")

    assert len({each.creation_id for each in read}) == len(read) == DOCUMENTS_MAX
    assert {each.user_id for each in found} == {"ada", "ben"}


def test_other_kind_and_retry_that_is_not_due_are_no_candidates(backlog: Backlog) -> None:
    waiting(backlog, 1, user="video", kind=Kind.VIDEO)
    [later] = waiting(backlog, 1, user="later")
    retry_at = backlog.clock.now() + seconds(60)
    later = later.claimed(LeaseOwner("one", 0), policy=POLICY, at=NOON).waiting_to_retry(
        retry_at, policy=POLICY, at=NOON
    )
    backlog.store.transact([later.key], lambda _: write(later, result=None))

    assert candidates(backlog) == []
    backlog.clock.sleep(60)
    assert candidates(backlog) == [later.creation_id]


def test_one_whose_deadline_is_too_near_is_no_candidate(backlog: Backlog) -> None:
    [made] = waiting(backlog, 1)
    backlog.clock.sleep(POLICY.deadline_s - POLICY.image_minimum_run_s)

    assert candidates(backlog) == []
    with pytest.raises(NotClaimable, match="deadline"):
        backlog.claim(made)


@pytest.mark.parametrize("kind", Kind)
def test_backlog_that_is_too_late_does_not_hide_the_others(backlog: Backlog, kind: Kind) -> None:
    too_late = waiting(backlog, DOCUMENTS_MAX, user="late", kind=kind)
    backlog.clock.sleep(POLICY.deadline_s - POLICY.minimum_run_s(kind) - DOCUMENTS_MAX)
    at = backlog.clock.now()
    made = replace(a_creation("in-time", kind=kind), available_at=at, deadline_at=at + seconds(900))
    backlog.store.transact([], lambda _: write(made, result=None))
    backlog.clock.sleep(DOCUMENTS_MAX)

    assert made.creation_id in candidates(backlog, kind=kind)
    assert not {*candidates(backlog, kind=kind)} & {each.creation_id for each in too_late}


def test_processing_creation_is_no_candidate_even_when_its_lease_has_run_out(
    backlog: Backlog,
) -> None:
    [made] = waiting(backlog, 1)
    backlog.claim(made)
    backlog.clock.sleep(POLICY.lease_s + POLICY.lease_grace_s + POLICY.clock_skew_s)

    assert candidates(backlog) == []


def test_held_are_those_of_the_execution_with_the_fewest_attempts_first(backlog: Backlog) -> None:
    owner, other = LeaseOwner("one", 0), LeaseOwner("two", 0)
    crashed, companion, of_other = waiting(backlog, 3)
    backlog.claim(crashed, owner).release()
    for creation, by in ((crashed, owner), (companion, owner), (of_other, other)):
        backlog.claim(creation, by)

    held = backlog.draining.held(Kind.IMAGE, execution="one")

    assert [each.creation_id for each in held] == [companion.creation_id, crashed.creation_id]
    assert backlog.draining.held(Kind.VIDEO, execution="one") == []


def test_kind_is_crowded_when_more_than_running_max_are_processing(backlog: Backlog) -> None:
    policy = replace(POLICY, images_running_max=2)
    draining = replace(backlog.draining, policy=policy)
    crowded = []
    for creation in waiting(backlog, 3):
        backlog.claim(creation)
        crowded.append(draining.is_crowded(Kind.IMAGE))

    assert crowded == [False, False, True]
    assert not draining.is_crowded(Kind.VIDEO)
