"""Sweep marks: up to where a duty of the sweep has worked, for duties without due documents."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.keys import Collection, Key


@dataclass(frozen=True, kw_only=True)
class SweepMark:
    """A duty's progress: by time (`reached_at`), or by document id (`after_id`)."""

    duty: str
    reached_at: datetime | None = None
    after_id: str | None = None
    has_ended: bool = False
    resumes_at: datetime | None = None
    """Where the next sweep continues what one sweep could not finish."""

    @property
    def key(self) -> Key["SweepMark"]:
        return sweep_mark_key(self.duty)


def sweep_mark_key(duty: str) -> Key[SweepMark]:
    return Key(Collection.SWEEP_MARKS, duty)
