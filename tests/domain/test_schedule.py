from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from shared.domain.errors import WrongField
from shared.domain.schedule import Schedule, check_publish_at, parsed_publish_at
from tests.support.builders import NOON

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def failing(publish_at: datetime) -> list[datetime]:
    """Return the times of all tries if each fails at once."""
    schedule, tries = Schedule.of(publish_at), list[datetime]()
    while not schedule.has_failed:
        tries.append(schedule.try_at)
        schedule = schedule.tried(schedule.try_at)
    return tries


def test_failing_tries_back_off_to_an_hour_and_end_after_a_day() -> None:
    tries = failing(NOON)
    pauses = [(later - at) // MINUTE for at, later in pairwise(tries)]

    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert max(pauses) == 60
    assert tries[-1] == NOON + DAY


def test_first_try_after_an_outage_of_days_is_made_and_is_the_last() -> None:
    late = Schedule.of(NOON)
    assert not late.has_failed

    tried = late.tried(NOON + 3 * DAY)

    assert tried.has_failed
    assert tried.try_at == NOON + 3 * DAY + MINUTE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-28T18:00:00Z", datetime(2026, 12, 28, 18, tzinfo=UTC)),
        ("2026-12-28t18:00:00.5z", datetime(2026, 12, 28, 18, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-12-28T18:00:00+05:30", datetime(2026, 12, 28, 12, 30, tzinfo=UTC)),
    ],
)
def test_time_of_rfc_3339_is_accepted(text: str, expected: datetime) -> None:
    assert parsed_publish_at(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "tomorrow", "2026-12-28", "2026-12-28T18:00:00", "2026-12-28 18:00:00Z"),
        *("2026-12-28T18:00Z", "20261228T180000Z", "2026-13-28T18:00:00Z", "2026-W52-1T18:00:00Z"),
        *(
            "2026-12-28T18:00:60Z",
            "2026-12-28T18:00:00+25:00",
            "2026-12-28T18:00:00+01:60",
            "٢٠٢٦-12-28T18:00:00Z",
        ),
    ],
)
def test_other_text_is_no_time(text: str) -> None:
    with pytest.raises(WrongField, match="publishAt"):
        parsed_publish_at(text)


def test_schedule_is_one_minute_to_ninety_days_ahead() -> None:
    for ahead in (MINUTE, 90 * DAY):
        check_publish_at(NOON + ahead, NOON)
    second = timedelta(seconds=1)
    for ahead in (-DAY, timedelta(0), MINUTE - second, 90 * DAY + second):
        with pytest.raises(WrongField, match="publishAt"):
            check_publish_at(NOON + ahead, NOON)
    with pytest.raises(WrongField):
        check_publish_at(parsed_publish_at("0001-01-01T00:00:00+23:59"), NOON)
