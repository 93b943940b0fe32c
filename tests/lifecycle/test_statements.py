"""A statement explains one account, and notices each way in which tokens can be missing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shared.domain.errors import AccountNotFound, StoreContention
from shared.domain.keys import UserId
from shared.domain.ledger import Actor, EntryType
from shared.domain.welcome import WelcomeShard
from shared.lifecycle.statements import FULL_DAY, VERIFY, Statement
from tests.lifecycle.test_auditing import remove, spoil
from tests.support.builders import ADA, BEN, NOON, a_caller
from tests.support.world import World

NewWorld = Callable[..., World]


def statement(world: World, who: str = ADA) -> Statement:
    return world.phoenix.statements.of(who)


def test_statement_contains_the_balance_and_its_explanation(world: World) -> None:
    world.failed()
    world.draft()
    running = world.claim(world.open().creation)

    found = statement(world)

    assert found.account == world.account()
    assert [each.sequence for each in found.ledger] == [5, 4, 3, 2, 1]
    assert [found.tokens_of(each) for each in EntryType] == [100, 30, 10]
    assert [each.creation_id for each in found.unfinished] == [running.creation_id]
    assert found.pending_tokens == 10
    assert found.is_right
    assert found.verdict == "Every token is accounted for."
    assert found.message == (
        "Your balance is 80 tokens. 10 more are in use by 1 unfinished creation; "
        "they are paid back by 2026-11-21 12:15 UTC if it fails."
    )


def test_message_uses_singular_and_plural(new_world: NewWorld) -> None:
    world = new_world(PHOENIX_WELCOME_TOKENS="3", PHOENIX_VIDEO_COST="1", PHOENIX_IMAGE_COST="1")
    world.open()
    world.open()

    assert statement(world).message == (
        "Your balance is 1 token. 2 more are in use by 2 unfinished creations; "
        "those that fail are paid back by 2026-11-21 12:15 UTC."
    )


def test_account_is_found_by_username_email_and_user_id(world: World) -> None:
    world.phoenix.accounts.of(a_caller("uid-7", username_hint="Ada Lovelace"))

    class Directory:
        """Knows one email address."""

        def user_id_of(self, email: str) -> UserId | None:
            return UserId("uid-7") if email == "ada@example.com" else None

    statements = replace(world.phoenix.statements, identity=Directory())  # type: ignore[arg-type]  # all that is asked of it
    found = [statements.of(who) for who in ("ada-lovelace", "ada@example.com", "uid-7")]

    assert {each.account.user_id for each in found} == {"uid-7"}
    for unknown in ("ada", "ben@example.com", "", "a/b", "uid-8"):
        with pytest.raises(AccountNotFound):
            statements.of(unknown)


def test_username_is_found_with_at_sign_and_capitals(world: World) -> None:
    world.phoenix.accounts.of(a_caller("uid-7", username_hint="Ada Lovelace"))
    world.phoenix.accounts.of(a_caller("Ben", username_hint="someone"))
    world.phoenix.accounts.of(a_caller("uid-8", username_hint="ben"))

    written = ("@ada-lovelace", "Ada-Lovelace", " ada-lovelace\n", "@Ada-Lovelace", "Ben", "ben")
    found = [statement(world, who).account.user_id for who in written]

    assert found == ["uid-7", "uid-7", "uid-7", "uid-7", "Ben", "uid-8"]


def test_ledger_longer_than_a_page_is_summed_completely(world: World) -> None:
    world.phoenix.accounts.of(a_caller())
    for number in range(120):
        world.phoenix.accounts.grant(ADA, 1, reference=f"r {number}", actor=Actor.SERVICE)

    found = statement(world)

    assert len(found.ledger) == 121
    assert found.is_right


@pytest.fixture
def damaged(tmp_path: Path) -> World:
    """A world with a failed and a pending creation, whose books are not checked at the end."""
    world = World(tmp_path)
    world.failed(key="failed")
    world.open(key="pending")
    return world


DAMAGES: dict[str, tuple[str, Callable[[World], None]]] = {
    "a balance that the ledger does not explain": (
        "I1",
        lambda w: spoil(w, "users", "id = 'ada'", lambda d: d.update(tokenBalance=81)),
    ),
    "an entry that is gone": ("I1", lambda w: remove(w, "transactions", "id LIKE '%refund_1'")),
    "a failed creation without its refund": (
        "I3",
        lambda w: remove(w, "transactions", "id LIKE '%refund_1'"),
    ),
    "a refund that is late": ("I7", lambda w: w.clock.sleep(1100)),
    "a counter that is wrong": (
        "I16",
        lambda w: spoil(w, "users", "id = 'ada'", lambda d: d["inFlight"].update(video=3)),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_missing_tokens_are_detected(damaged: World, damage: str) -> None:
    invariant, spoil_it = DAMAGES[damage]
    assert statement(damaged).is_right

    spoil_it(damaged)

    found = statement(damaged)
    damaged.close()
    assert invariant in {each.invariant for each in found.violations}
    assert not found.is_right
    assert ("phoenix sweep" in found.verdict) == (invariant == "I7")
    assert ("late" if invariant == "I7" else "mistake") in found.message


def test_change_during_the_reading_is_no_violation(world: World) -> None:
    world.phoenix.accounts.of(a_caller())
    store = ChangedOnce(world)

    found = replace(world.phoenix.statements, store=store).of(ADA)  # type: ignore[arg-type]  # it is one by delegation

    assert (found.account.balance_tokens, found.is_right) == (105, True)


def test_account_that_keeps_changing_is_contention(world: World) -> None:
    world.phoenix.accounts.of(a_caller())
    store = ChangedOnce(world, times=99)

    with pytest.raises(StoreContention):
        replace(world.phoenix.statements, store=store).of(ADA)  # type: ignore[arg-type]  # it is one by delegation


class ChangedOnce:
    """The world's store; a grant lands whenever the ledger has just been read."""

    def __init__(self, world: World, *, times: int = 1) -> None:
        self.world = world
        self.times = times

    def ledger(self, *arguments: object) -> object:
        read = self.world.store.ledger(*arguments)
        if self.times:
            self.times -= 1
            self.world.phoenix.accounts.grant(
                ADA, 5, reference=f"r {self.times}", actor=Actor.SERVICE
            )
        return read

    def __getattr__(self, name: str) -> object:
        return getattr(self.world.store, name)


def test_message_explains_a_missing_welcome(world: World) -> None:
    world.phoenix.accounts.of(a_caller(ADA))
    world.phoenix.accounts.of(a_caller(BEN, verified_contact="ada@example.com"))
    world.phoenix.accounts.of(a_caller("eve", is_verified=False, verified_contact=None))

    assert statement(world, ADA).message == "Your balance is 100 tokens."
    assert "already received its welcome tokens" in statement(world, BEN).message
    assert "once the email address or phone number is verified" in statement(world, "eve").message


def test_message_on_a_full_day_does_not_request_verification(new_world: NewWorld) -> None:
    world = new_world(PHOENIX_POLICY_WELCOME_GRANTS_PER_DAY_MAX="16")
    first = next(
        user for user in map(UserId, map(str, range(200))) if shard_of(user) == shard_of(ADA)
    )
    world.phoenix.accounts.of(a_caller(first, verified_contact="first@example.com"))
    world.phoenix.accounts.of(a_caller())

    full_day = statement(world).message
    world.clock.sleep(24 * 3600)
    next_day = statement(world).message

    assert full_day == f"Your balance is 0 tokens. {FULL_DAY}"
    assert next_day == f"Your balance is 0 tokens. {VERIFY}"


def shard_of(user_id: UserId) -> str:
    return WelcomeShard.of(user_id, at=NOON).shard_id
