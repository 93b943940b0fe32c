from datetime import datetime

import pytest

from shared.domain.account import Account, HourlyCount, InFlight, checked_username
from shared.domain.errors import (
    InsufficientTokens,
    TooManyFree,
    TooManyOpened,
    TooManyUnfinished,
    WrongField,
)
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, EntryType, LedgerEntry
from shared.domain.policy import Policy
from tests.support.builders import ADA, NOON, POLICY, a_creation_id, an_account, seconds

ONE = a_creation_id()


def debit(
    account: Account,
    tokens: int = 10,
    kind: Kind = Kind.VIDEO,
    policy: Policy = POLICY,
    at: datetime = NOON,
) -> tuple[Account, LedgerEntry]:
    return account.debited(
        tokens,
        kind=kind,
        creation_id=ONE,
        debit=1,
        actor=Actor.OWNER,
        policy=policy,
        at=at,
    )


def refunded(account: Account, code: FailureCode, *, at: datetime = NOON) -> Account:
    after, _ = account.refunded(
        10, kind=Kind.VIDEO, creation_id=ONE, debit=1, actor=Actor.JOB, code=code, at=at
    )
    return after


def test_debit_updates_balance_spending_and_counters_and_adds_an_entry() -> None:
    account, entry = debit(an_account(tokens=12))

    assert (account.balance_tokens, account.total_tokens_spent) == (2, 10)
    assert account.in_flight.video == 1
    assert account.opened_hour.count == 1
    assert entry == LedgerEntry(
        entry_id=f"{ONE}_debit_1",
        user_id=ADA,
        entry_type=EntryType.DEBIT,
        amount_tokens=10,
        balance_after_tokens=2,
        sequence=1,
        creation_id=ONE,
        actor=Actor.OWNER,
        created_at=NOON,
    )


def test_refund_undoes_a_debit_but_not_the_hourly_count() -> None:
    debited, _ = debit(an_account(tokens=12))

    account, entry = debited.refunded(
        10,
        kind=Kind.VIDEO,
        creation_id=ONE,
        debit=1,
        actor=Actor.JOB,
        code=FailureCode.INTERNAL,
        at=NOON,
    )

    assert (account.balance_tokens, account.total_tokens_spent) == (12, 0)
    assert account.in_flight.video == 0
    assert account.opened_hour.count == 1
    assert (entry.entry_id, entry.sequence, entry.signed_tokens) == (f"{ONE}_refund_1", 2, 10)


def test_debit_above_the_balance_is_refused_with_price_and_balance() -> None:
    with pytest.raises(InsufficientTokens) as refusal:
        debit(an_account(tokens=9))

    assert (refusal.value.required, refusal.value.balance) == (10, 9)


@pytest.mark.parametrize(("kind", "limit"), [(Kind.VIDEO, 5), (Kind.IMAGE, 20)])
def test_in_flight_limit_of_each_kind_is_checked_before_the_balance(kind: Kind, limit: int) -> None:
    busy = an_account(tokens=0, in_flight=InFlight().changed(kind, by=limit))

    with pytest.raises(TooManyUnfinished) as refusal:
        debit(busy, kind=kind)

    assert refusal.value.limit == limit


def test_hourly_limit_reports_the_time_to_wait_and_ends_with_the_hour() -> None:
    policy = Policy(opened_per_hour_max=2)
    account = an_account(tokens=100)
    for _ in range(2):
        account, _ = debit(account, 1, policy=policy)

    with pytest.raises(TooManyOpened) as refusal:
        debit(account, 1, policy=policy)
    next_hour = account.opened_hour.counted(NOON + seconds(3600))

    assert refusal.value.retry_after_s == 3600
    assert next_hour.count == 1


def test_next_hour_of_opens_begins_with_the_first_open_after_the_last() -> None:
    old = an_account(opened_hour=HourlyCount(started_at=NOON - seconds(5 * 3600), count=60))
    policy = Policy(opened_per_hour_max=2)

    account, _ = debit(old, 1, policy=policy)
    account, _ = debit(account, 1, policy=policy, at=NOON + seconds(3599))
    with pytest.raises(TooManyOpened):
        debit(account, 1, policy=policy, at=NOON + seconds(3599))

    assert account.opened_hour == HourlyCount(started_at=NOON, count=2)


OWNERS = ["cancelled", "policy_violation", "safety_filter", "generator_rejected"]


@pytest.mark.parametrize("code", OWNERS)
def test_open_after_ten_free_outcomes_is_refused_until_the_hour_ends(code: str) -> None:
    account = an_account(tokens=1000)
    for minute in range(10):
        debit(account, at=NOON + seconds(60 * minute))
        account = refunded(account, FailureCode(code), at=NOON + seconds(60 * minute))

    with pytest.raises(TooManyFree) as refusal:
        debit(account, at=NOON + seconds(600.5))
    after_an_hour, _ = debit(account, at=NOON + seconds(3600))

    assert (refusal.value.limit, refusal.value.retry_after_s) == (10, 3000)
    assert after_an_hour.in_flight.video == account.in_flight.video + 1


@pytest.mark.parametrize("code", sorted(set(FailureCode) - set(OWNERS)))
def test_system_failures_do_not_count_as_free_outcomes(code: str) -> None:
    account = an_account(tokens=1000)
    for _ in range(11):
        account = refunded(account, FailureCode(code))

    assert account.free_hour is None
    debit(account)


def test_next_hour_of_free_outcomes_begins_with_the_first_after_the_last() -> None:
    first = refunded(an_account(), FailureCode.CANCELLED)
    same = refunded(first, FailureCode.CANCELLED, at=NOON + seconds(3599))
    after = refunded(same, FailureCode.CANCELLED, at=NOON + seconds(5 * 3600))
    still = refunded(after, FailureCode.CANCELLED, at=NOON + seconds(6 * 3600 - 1))

    assert same.free_hour == HourlyCount(started_at=NOON, count=2)
    assert after.free_hour == HourlyCount(started_at=NOON + seconds(5 * 3600), count=1)
    assert still.free_hour == HourlyCount(started_at=NOON + seconds(5 * 3600), count=2)


def test_refund_is_never_refused_after_any_number_of_refunds() -> None:
    account = an_account()
    for _ in range(25):
        account = refunded(account, FailureCode.CANCELLED)

    assert account.free_hour == HourlyCount(started_at=NOON, count=25)


@pytest.mark.parametrize("name", ["ada", "a-b", "x" * 24, "007"])
def test_valid_usernames_are_accepted(name: str) -> None:
    assert checked_username(name) == name


@pytest.mark.parametrize(
    "name", ["", "ab", "x" * 25, "-ada", "ada-", "Ada", "a_b", "adä", "me", "api", "a b", "ada\n"]
)
def test_invalid_usernames_are_refused(name: str) -> None:
    with pytest.raises(WrongField):
        checked_username(name)
