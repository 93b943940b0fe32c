from collections.abc import Callable

import pytest

from shared.domain.account import username_key
from shared.domain.errors import AccountNotFound, ReferenceReused, WrongField
from shared.domain.ledger import Actor
from shared.lifecycle.accounts import WelcomeGrant, slug
from tests.builders import ADA, BEN, a_caller
from tests.world import World


def test_the_first_call_makes_account_username_and_welcome_together(world: World) -> None:
    account = world.phoenix.accounts.of(a_caller())
    again = world.phoenix.accounts.of(a_caller())

    assert account == again
    assert account.balance_tokens == 100
    assert [entry.entry_id for entry in world.ledger()] == ["ada_grant_welcome"]
    claim = world.sqlite.get(username_key("ada"))
    assert claim is not None
    assert claim.user_id == ADA


def test_a_lost_answer_grants_no_second_welcome(world: World) -> None:
    world.store.faults = ["lost"]

    account = world.phoenix.accounts.of(a_caller())

    assert account.balance_tokens == 100
    assert len(world.ledger()) == 1


def test_a_name_that_may_be_a_username_is_one_as_it_is(world: World) -> None:
    for name in ("a--b", "ada---lovelace"):
        assert world.phoenix.accounts.of(a_caller(name, username_hint=name)).username == name


def test_a_taken_username_gets_a_number(world: World) -> None:
    world.phoenix.accounts.of(a_caller("ada"))

    other = world.phoenix.accounts.of(a_caller("uid-2", username_hint="Ada"))

    assert other.username == "ada-0001"


@pytest.mark.parametrize("hint", ["", "玛丽", "me", "x", "api"])
def test_a_name_that_gives_no_username_gets_a_random_one(world: World, hint: str) -> None:
    account = world.phoenix.accounts.of(a_caller("uid-3", username_hint=hint))

    assert account.username.startswith("user-")
    assert len(account.username) == 13


def test_a_long_name_leaves_room_for_its_number(world: World) -> None:
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


def test_where_it_is_needed_only_the_verified_get_a_welcome() -> None:
    welcome = WelcomeGrant(50, needs_verification=True)

    assert welcome.for_caller(a_caller(is_verified=False)) == 0
    assert welcome.for_caller(a_caller(is_verified=True)) == 50


def test_a_grant_is_given_once_per_reference(world: World) -> None:
    world.phoenix.accounts.of(a_caller())

    first = world.phoenix.accounts.grant(ADA, 50, reference="order 1", actor=Actor.SERVICE)
    again = world.phoenix.accounts.grant(ADA, 50, reference="order 1", actor=Actor.OPERATOR)
    second = world.phoenix.accounts.grant(ADA, 50, reference="order 2", actor=Actor.SERVICE)

    assert first == again
    assert (first.balance_after_tokens, second.balance_after_tokens) == (150, 200)
    assert first.reference == "order 1"


def test_a_reference_belongs_to_one_user_and_amount(world: World) -> None:
    for user in (ADA, BEN):
        world.phoenix.accounts.of(a_caller(user))
    world.phoenix.accounts.grant(ADA, 50, reference="r", actor=Actor.SERVICE)

    for user, amount in ((BEN, 50), (ADA, 51)):
        with pytest.raises(ReferenceReused):
            world.phoenix.accounts.grant(user, amount, reference="r", actor=Actor.SERVICE)

    assert world.account(BEN).balance_tokens == 100


def test_a_grant_needs_an_account(world: World) -> None:
    with pytest.raises(AccountNotFound):
        world.phoenix.accounts.grant(ADA, 50, reference="r", actor=Actor.SERVICE)


@pytest.mark.parametrize(
    ("amount", "reference", "field"),
    [
        (0, "r", "amount"),
        (100_001, "r", "amount"),
        (1, "", "reference"),
        (1, "r" * 201, "reference"),
    ],
)
def test_a_grant_out_of_bounds_names_its_field(
    world: World, amount: int, reference: str, field: str
) -> None:
    with pytest.raises(WrongField) as refusal:
        world.phoenix.accounts.grant(ADA, amount, reference=reference, actor=Actor.SERVICE)

    assert refusal.value.field == field


def test_a_slug_is_plain_lower_case() -> None:
    assert slug("  Åsa  Öberg-Müller! ") == "asa-oberg-muller"
