"""The incremental audit reads only what moved, and raises no false alarm."""

from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from shared.domain.audit_checkpoint import AuditCheckpoint, checkpoint_key
from shared.domain.errors import StoreUnavailable
from shared.domain.keys import UserId
from shared.lifecycle import incremental_audit
from shared.lifecycle.auditing import AuditReport
from shared.lifecycle.incremental_audit import IncrementalAudit
from tests.lifecycle.test_auditing import remove, spoil
from tests.support.builders import ADA, BEN, an_account
from tests.support.documents import put
from tests.support.world import World

OWNER = UserId(ADA)


def audit(world: World) -> AuditReport:
    return world.phoenix.incremental_audit.audit()


def checkpoint(world: World, user: str = ADA) -> AuditCheckpoint | None:
    return world.sqlite.get(checkpoint_key(UserId(user)))


def test_first_audit_checks_every_account_and_the_next_one_none(world: World) -> None:
    world.draft()
    world.failed(user=BEN)

    first, second = audit(world), audit(world)

    assert (first.accounts, first.violations) == (2, [])
    assert (second.accounts, second.creations, second.ledger_entries) == (0, 0, 0)
    account = world.account()
    assert checkpoint(world) == AuditCheckpoint(
        user_id=account.user_id, ledger_count=2, balance_tokens=90, total_tokens_spent=10,
        welcomed=True,
    )  # fmt: skip


def test_only_the_account_that_moved_is_checked_from_its_checkpoint_on(world: World) -> None:
    for _ in range(5):
        world.draft()
    world.draft(user=BEN)
    audit(world)
    new = world.draft()

    report = audit(world)

    assert (report.accounts, report.creations, report.ledger_entries) == (1, 1, 1)
    assert checkpoint(world) == AuditCheckpoint.of(world.account())
    assert new.creation_id not in str(checkpoint(world))


def test_unfinished_creation_is_checked_until_it_has_ended(world: World) -> None:
    opened = world.open().creation
    audit(world)
    kept = checkpoint(world)
    assert kept is not None
    assert kept.unfinished == (opened.creation_id,)
    claimed = world.claim(opened)
    world.store_files(claimed)

    assert audit(world).creations == 1
    world.phoenix.failing.cancel(world.open(key="another").creation.creation_id, owner=OWNER)
    assert audit(world).creations == 2
    assert audit(world).creations == 1


def test_deleted_creation_and_its_earlier_runs_are_no_damage(world: World) -> None:
    failed = world.failed()
    audit(world)
    world.phoenix.opening.retry(failed.creation_id, owner=OWNER)
    world.phoenix.failing.cancel(failed.creation_id, owner=OWNER)
    world.phoenix.media_cleanup.delete_creation(failed.creation_id, owner=OWNER)

    assert audit(world).violations == []
    assert audit(world).accounts == 0


def test_damaged_account_gets_no_checkpoint_and_the_other_one_does(world: World) -> None:
    world.draft()
    world.draft(user=BEN)
    right = world.account().balance_tokens
    spoil(world, "users", f"id = '{ADA}'", lambda d: d.update(tokenBalance=81))

    assert [each.invariant for each in audit(world).violations] == ["I1"]
    assert checkpoint(world) is None
    assert checkpoint(world, BEN) is not None

    spoil(world, "users", f"id = '{ADA}'", lambda d: d.update(tokenBalance=right))
    assert audit(world).violations == []
    assert checkpoint(world) is not None


def over(world: World, store: Any) -> IncrementalAudit:
    this = world.phoenix.incremental_audit
    return replace(this, transactions=replace(this.transactions, store=store))


class OpenedMeanwhile:
    """A store in which the account opens a creation between two reads of it."""

    def __init__(self, world: World, times: int) -> None:
        self.world, self.left = world, times

    def ledger(self, *arguments: Any) -> Any:
        page = self.world.sqlite.ledger(*arguments)
        if self.left:
            self.left -= 1
            self.world.draft(key=f"meanwhile {self.left}")
        return page

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world.sqlite, name)


@pytest.mark.parametrize("times", [1, 2])
def test_account_that_moves_while_it_is_read_is_no_false_alarm(world: World, times: int) -> None:
    world.draft()
    busy = OpenedMeanwhile(world, times)

    assert over(world, busy).audit().violations == []
    assert busy.left == 0
    assert checkpoint(world) == AuditCheckpoint.of(world.account())


class Unreadable:
    """A store that cannot read one account's ledger."""

    def __init__(self, world: World) -> None:
        self.world = world

    def ledger(self, user_id: UserId, page: Any) -> Any:
        if user_id == OWNER:
            raise StoreUnavailable(reason="planned")
        return self.world.sqlite.ledger(user_id, page)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world.sqlite, name)


def test_unreadable_account_stops_no_other_and_fails_the_audit(world: World) -> None:
    world.draft()
    world.draft(user=BEN)

    with pytest.raises(StoreUnavailable):
        over(world, Unreadable(world)).audit()

    assert checkpoint(world) is None
    assert checkpoint(world, BEN) is not None


def test_audit_gives_up_when_nothing_can_be_read(world: World) -> None:
    put(world.sqlite, *[an_account(f"user-{n}") for n in range(200)])
    tried: list[UserId] = []

    class Down:
        def get(self, key: Any) -> Any:
            tried.append(key)
            raise StoreUnavailable(reason="planned")

        def __getattr__(self, name: str) -> Any:
            return getattr(world.sqlite, name)

    with pytest.raises(StoreUnavailable):
        over(world, Down()).audit()

    assert len(tried) < 200
    for n in range(200):
        remove(world, "users", f"id = 'user-{n}'")


class EndsEarly:
    """A store that returns only the first accounts, as Firestore after an hour."""

    def __init__(self, world: World) -> None:
        self.world = world

    def accounts(self) -> Any:
        yield from islice(self.world.sqlite.accounts(), 2)
        raise StoreUnavailable(reason="planned")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world.sqlite, name)


def test_audit_that_ends_early_reports_what_it_found_and_fails(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incremental_audit, "AT_ONCE", 1)
    world.draft()
    world.draft(user=BEN)
    right = world.account().balance_tokens
    spoil(world, "users", f"id = '{ADA}'", lambda d: d.update(tokenBalance=81))

    with pytest.raises(StoreUnavailable):
        over(world, EndsEarly(world)).audit()

    violations = [each for each in caplog.records if each.message == "violation"]
    assert [vars(each)["document"] for each in violations] == [ADA]
    spoil(world, "users", f"id = '{ADA}'", lambda d: d.update(tokenBalance=right))


def test_earlier_audit_does_not_replace_a_later_checkpoint(world: World) -> None:
    world.draft()
    audit(world)
    earlier = checkpoint(world)
    assert earlier is not None
    world.draft()
    audit(world)
    later = checkpoint(world)

    world.phoenix.incremental_audit._keep(earlier)

    assert checkpoint(world) == later != earlier
