from datetime import timedelta

import pytest

from shared.domain.keys import UserId
from shared.domain.welcome import SHARDS, WelcomeShard, normalised_contact, welcome_id
from tests.support.builders import NOON

DAY = timedelta(days=1)
KEY = b"k" * 32


@pytest.mark.parametrize(
    ("contact", "spelling"),
    [
        ("ada@example.com", "ada@example.com"),
        ("ADA+x+y@Example.COM", "ada@example.com"),
        ("a.da@example.com", "a.da@example.com"),
        ("A.D.a+x@GoogleMail.com", "ada@gmail.com"),
        ("a.da@gmail.com", "ada@gmail.com"),
        ("a.da@mail.gmail.com", "a.da@mail.gmail.com"),
        ("\uff21da\uff0bx\uff20example.com", "ada@example.com"),
        ("a\u030ada@example.com", "\u00e5da@example.com"),
        ("\u0130da@example.com", "i\u0307da@example.com"),
        ("+x@example.com", "+x@example.com"),
        ("a.da+x@Gmail.com.", "ada@gmail.com"),
        ("ada@xn--mnchen-3ya.example", "ada@m\u00fcnchen.example"),
        ("ada@M\u00dcNCHEN.example", "ada@m\u00fcnchen.example"),
        ("ada@example\u3002com", "ada@example.com"),
        ("ada@xn--\u00e4.example", "ada@xn--\u00e4.example"),
        ("ada@xn--99999999999.example", "ada@xn--99999999999.example"),
        ("ada@x@example.com", "ada@x@example.com"),
        ("+46 70-123 45 67", "+46701234567"),
        ("+46701234567", "+46701234567"),
        ("Ada", "ada"),
    ],
)
def test_spellings_of_one_contact_are_normalised_to_one(contact: str, spelling: str) -> None:
    assert normalised_contact(contact) == spelling
    assert normalised_contact(spelling) == spelling


def test_welcome_id_depends_on_the_key_and_hides_the_address() -> None:
    ids = {welcome_id("ada@example.com", key=key) for key in (KEY, b"other")}

    assert len(ids) == 2
    assert all("ada" not in each and each.startswith("welcome_") for each in ids)


def test_user_always_has_the_same_shard_and_users_use_all_shards() -> None:
    shards = {WelcomeShard.of(UserId(f"user-{n}"), at=NOON).shard_id for n in range(500)}

    assert len(shards) == SHARDS


@pytest.mark.parametrize("per_day_max", [1, 15, 16, 17, 1600])
def test_all_shards_together_grant_exactly_the_daily_limit(per_day_max: int) -> None:
    day = NOON.date().isoformat()
    granted = 0
    for number in range(SHARDS):
        shard: WelcomeShard | None = WelcomeShard(shard_id=f"{number:02}", day=day)
        while shard and (shard := shard.counted(day, per_day_max=per_day_max)):
            granted += 1

    assert granted == per_day_max


def test_small_limit_reaches_every_shard_within_sixteen_days() -> None:
    shard = WelcomeShard(shard_id="07", day=NOON.date().isoformat())
    days = [(NOON + n * DAY).date().isoformat() for n in range(SHARDS)]

    assert sum(shard.counted(day, per_day_max=1) is not None for day in days) == 1


def test_new_day_resets_the_count_and_a_slow_clock_does_not_undo_it() -> None:
    today, tomorrow = ((NOON + n * DAY).date().isoformat() for n in range(2))
    full = WelcomeShard(shard_id="00", day=today, count=100)

    assert full.counted(today, per_day_max=1600) is None
    begun = full.counted(tomorrow, per_day_max=1600)
    assert begun == WelcomeShard(shard_id="00", day=tomorrow, count=1)
    assert begun.counted(today, per_day_max=1600) == WelcomeShard(
        shard_id="00", day=tomorrow, count=2
    )
