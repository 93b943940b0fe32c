"""A draft's schedule: when it is published, and why a schedule ended without that."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.errors import WrongField

AHEAD_MIN = timedelta(minutes=1)
AHEAD_MAX = timedelta(days=90)
BACK_OFF_MIN = timedelta(minutes=1)
BACK_OFF_MAX = timedelta(hours=1)
TRIED_FOR = timedelta(hours=24)
"""How long after `publish_at` the last try may begin."""
ACCEPTED_PUBLISH_AT = "use a time 1 minute to 90 days ahead, written like 2030-01-31T18:00:00Z"
RFC_3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:[0-5]\d)", re.ASCII
)


class ScheduleError(StrEnum):
    """Why the sweep gave up publishing a draft."""

    MEDIA_MISSING = "media_missing"
    STORAGE_FAILED = "storage_failed"

    @property
    def message(self) -> str:
        return _MESSAGES[self]


_MESSAGES = {
    ScheduleError.MEDIA_MISSING: "It could not be published: its file is missing.",
    ScheduleError.STORAGE_FAILED: "Publishing failed for 24 hours. Publish it again.",
}


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Publication at `publish_at`; the sweep tries it at `try_at`.

    A try counts as a failure from its beginning: only a publication removes the schedule. So a crash
    backs off like an error, and no two sweeps try at once.
    """

    publish_at: datetime
    try_at: datetime
    failure_count: int = 0

    @classmethod
    def of(cls, publish_at: datetime) -> "Schedule":
        return cls(publish_at=publish_at, try_at=publish_at)

    def is_still(self, current: "Schedule | None") -> bool:
        """Return whether the current schedule is for the same time."""
        return current is not None and current.publish_at == self.publish_at

    @property
    def _last_try_from(self) -> datetime:
        return self.publish_at + TRIED_FOR

    @property
    def has_failed(self) -> bool:
        """Return whether the last try has begun and did not publish."""
        return self.failure_count > 0 and self.try_at - BACK_OFF_MIN >= self._last_try_from

    def tried(self, at: datetime) -> "Schedule":
        """Return it with its next try 1, 2, 4 .. 60 min later, or when the last one begins."""
        back_off = min(BACK_OFF_MIN * 2 ** min(self.failure_count, 10), BACK_OFF_MAX)
        latest = max(self._last_try_from, at + BACK_OFF_MIN)
        try_at = min(at + back_off, latest)
        return replace(self, try_at=try_at, failure_count=self.failure_count + 1)


def parsed_time(text: str) -> datetime:
    """Return a time of RFC 3339 with its zone, to the microsecond; raise `ValueError`."""
    if not RFC_3339.fullmatch(text):
        raise ValueError("not a time of RFC 3339")
    return datetime.fromisoformat(text.upper())


def parsed_publish_at(text: str) -> datetime:
    """Return a time of RFC 3339, or raise `WrongField`."""
    try:
        return parsed_time(text)
    except ValueError as error:
        raise WrongField(field="publishAt", reason=ACCEPTED_PUBLISH_AT) from error


def check_publish_at(publish_at: datetime, at: datetime) -> None:
    """Raise `WrongField` unless the time is as far ahead as a schedule may be."""
    if not AHEAD_MIN <= publish_at - at <= AHEAD_MAX:
        raise WrongField(field="publishAt", reason=ACCEPTED_PUBLISH_AT)
