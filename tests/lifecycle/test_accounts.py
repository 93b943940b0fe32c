from collections.abc import Callable
from dataclasses import replace

import pytest

from shared.domain.account import UsernameClaim, username_key
from shared.domain.errors import AccountNotFound, ReferenceReused, WrongField
from shared.domain.ledger import Actor
from shared.domain.welcome import welcome_id
from shared.lifecycle.accounts import slug
from shared.ports.identity import Caller
from tests.support.builders import ADA, BEN, NOON, a_caller, an_account
from tests.support.documents import put
from tests.support.world import World


def test_first_call_creates_account_username_and_welcome_together(world: World) -> None:
    account = world.phoenix.accounts.of(a_caller())
    again = world.phoenix.accounts.of(a_caller())

    assert account == again
    assert account.balance_tokens == 100
    assert [entry.entry_id for entry in world.ledger()] == [
        welcome_id("ada@example.com", key=world.phoenix.accounts.welcome.key)
    ]
    claim = world.sqlite.get(username_key("ada"))
    assert claim is not None
    assert claim.user_id == ADA


def test_lost_answer_grants_no_second_welcome(world: World) -> None:
    world.store.faults = ["lost"]

    account = world.phoenix.accounts.of(a_caller())

    assert account.balance_tokens == 100
    assert len(world.ledger()) == 1


def test_valid_username_hint_is_used_unchanged(world: World) -> None:
    for name in ("a--b", "ada---lovelace"):
        assert world.phoenix.accounts.of(a_caller(name, username_hint=name)).username == name


def test_taken_username_gets_a_number(world: World) -> None:
    world.phoenix.accounts.of(a_caller("ada"))

    other = world.phoenix.accounts.of(a_caller("uid-2", username_hint="Ada"))

    assert other.username == "ada-0001"


@pytest.mark.parametrize("hint", ["", "玛丽", "me", "x", "api"])
def test_hint_without_usable_letters_gets_a_random_username(world: World, hint: str) -> None:
    account = world.phoenix.accounts.of(a_caller("uid-3", username_hint=hint))

    assert account.username.startswith("user-")
    assert len(account.username) == 13


def test_long_name_leaves_room_for_its_number(world: World) -> None:
    name = "a-very-long-display-name-of-somebody"
    first = world.phoenix.accounts.of(a_caller("uid-4", username_hint=name))
    second = world.phoenix.accounts.of(a_caller("uid-5", username_hint=name))

    assert first.username == "a-very-long-display-name"
    assert second.username == "a-very-long-display-0001"


def test_without_welcome_tokens_there_is_no_entry(new_world: Callable[..., World]) -> None:
    world = new_world(PHOENIX_WELCOME_TOKENS="0")

    account = world.phoenix.accounts.of(a_caller())

    assert account.balance_tokens == 0
    assert world.ledger() == []


@pytest.fixture
def unverified() -> Caller:
    return a_caller(is_verified=False, verified_contact=None)


def test_unverified_caller_gets_an_account_without_welcome(
    world: World, unverified: Caller
) -> None:
    account = world.phoenix.accounts.of(unverified)

    assert (account.balance_tokens, account.welcomed) == (0, False)
    assert world.ledger() == []


def test_verification_adds_the_welcome_to_an_existing_account(
    world: World, unverified: Caller
) -> None:
    world.phoenix.accounts.of(unverified)
    world.clock.sleep(90 * 24 * 3600)

    welcomed = world.phoenix.accounts.of(a_caller())
    again = world.phoenix.accounts.of(a_caller())

    assert welcomed == again
    assert (welcomed.balance_tokens, welcomed.welcomed) == (100, True)
    assert len(world.ledger()) == 1


def test_lost_answer_of_a_later_welcome_grants_no_second_one(
    world: World, unverified: Caller
) -> None:
    world.phoenix.accounts.of(unverified)
    world.store.faults = ["lost"]

    assert world.phoenix.accounts.of(a_caller()).balance_tokens == 100
    assert len(world.ledger()) == 1


def test_opening_adds_the_welcome_before_the_debit(world: World, unverified: Caller) -> None:
    world.phoenix.accounts.of(unverified)

    assert world.open().balance_tokens == 90


def test_second_user_with_an_address_is_welcomed_without_tokens(world: World) -> None:
    world.phoenix.accounts.of(a_caller(ADA))
    for known in (False, True):
        twin = a_caller(f"twin-{known}", verified_contact="Ada+other@Example.com")
        if known:
            world.phoenix.accounts.of(replace(twin, is_verified=False, verified_contact=None))

        account = world.phoenix.accounts.of(twin)

        assert (account.balance_tokens, account.welcomed) == (0, True)
        assert world.ledger(twin.user_id) == []


def test_racing_first_requests_of_one_address_get_one_welcome(world: World) -> None:
    twin = a_caller(BEN, verified_contact="ada@example.com")
    world.store.faults = ["before"]

    def win() -> None:
        world.over(world.sqlite).accounts.of(twin)

    world.store.meanwhile = win

    account = world.phoenix.accounts.of(a_caller())

    assert (account.balance_tokens, account.welcomed) == (0, True)
    assert world.account(BEN).balance_tokens == 100


def test_account_with_the_welcome_of_an_earlier_release_gets_no_other(world: World) -> None:
    granted, entry = an_account(tokens=0).granted(
        100, entry_id="ada_grant_welcome", reference=None, actor=Actor.API, at=NOON
    )
    claim = UsernameClaim(username="ada", user_id=ADA)
    put(world.sqlite, granted, entry, claim)

    account = world.phoenix.accounts.of(a_caller())

    assert (account.balance_tokens, account.welcomed) == (100, True)
    assert world.ledger() == [entry]


def test_welcomed_account_is_not_looked_up_again(world: World) -> None:
    world.phoenix.accounts.of(a_caller())
    world.store.faults = ["down"] * 9

    assert world.phoenix.accounts.of(a_caller()).balance_tokens == 100


def test_full_day_creates_the_account_and_defers_the_welcome(
    new_world: Callable[..., World],
) -> None:
    world = new_world(PHOENIX_POLICY_WELCOME_GRANTS_PER_DAY_MAX="16")
    users = [f"user-{n}" for n in range(120)]
    first = {user: world.phoenix.accounts.of(a_caller(user)) for user in users}
    full = [user for user in users if first[user].balance_tokens == 0]
    again = [world.phoenix.accounts.of(a_caller(user)) for user in full]

    assert len(users) - len(full) == 16
    assert {account.welcomed for account in again} == {False}

    world.clock.sleep(24 * 3600)
    assert world.phoenix.accounts.of(a_caller(full[0])).balance_tokens == 100


def test_grant_is_applied_once_per_reference(world: World) -> None:
    world.phoenix.accounts.of(a_caller())

    first = world.phoenix.accounts.grant(ADA, 50, reference="order 1", actor=Actor.SERVICE)
    again = world.phoenix.accounts.grant(ADA, 50, reference="order 1", actor=Actor.OPERATOR)
    second = world.phoenix.accounts.grant(ADA, 50, reference="order 2", actor=Actor.SERVICE)

    assert first == again
    assert (first.balance_after_tokens, second.balance_after_tokens) == (150, 200)
    assert first.reference == "order 1"


def test_reference_is_bound_to_one_user_and_amount(world: World) -> None:
    for user in (ADA, BEN):
        world.phoenix.accounts.of(a_caller(user))
    world.phoenix.accounts.grant(ADA, 50, reference="r", actor=Actor.SERVICE)

    for user, amount in ((BEN, 50), (ADA, 51)):
        with pytest.raises(ReferenceReused):
            world.phoenix.accounts.grant(user, amount, reference="r", actor=Actor.SERVICE)

    assert world.account(BEN).balance_tokens == 100


def test_grant_needs_an_account(world: World) -> None:
    with pytest.raises(AccountNotFound):
        world.phoenix.accounts.grant(ADA, 50, reference="r", actor=Actor.SERVICE)


@pytest.mark.parametrize(
    ("amount", "reference", "field"),
    [
        (0, "r", "amount"),
        (100_001, "r", "amount"),
        (1, "", "reference"),
        (1, "r" * 201, "reference"),
        (1, "\udcff", "reference"),
    ],
)
def test_grant_out_of_bounds_names_its_field(
    world: World, amount: int, reference: str, field: str
) -> None:
    with pytest.raises(WrongField) as refusal:
        world.phoenix.accounts.grant(ADA, amount, reference=reference, actor=Actor.SERVICE)

    assert refusal.value.field == field


def test_slug_is_plain_lower_case() -> None:
    assert slug("  Åsa  Öberg-Müller! ") == "asa-oberg-muller"
