"""A creation's history: a bounded list of its transitions, for operators.

An event is stored as one text, so that reading a creation costs little more than before.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

HISTORY_MAX = 60
KEPT_FIRST = 20
"""How many of the first events stay when later ones are dropped."""
DETAIL_LENGTH_MAX = 200
AS_SCHEDULED = ", as scheduled"
"""The end of a detail of a publication that a sweep made."""


class Step(StrEnum):
    OPENED = "opened"
    CLAIMED = "claimed"
    INTENT = "intent"
    START_CLEARED = "start_cleared"
    OPERATION = "operation"
    STAGE = "stage"
    RETRY_LATER = "retry_later"
    RELEASED = "released"
    REQUEUED = "requeued"
    COMPLETED = "completed"
    FAILED = "failed"
    DEBITED_AGAIN = "debited_again"
    PUBLISHED = "published"
    UNPUBLISHED = "unpublished"


@dataclass(frozen=True)
class Event:
    """One transition. `what` is a `Step`, or one of a later release."""

    at: datetime
    what: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.at.isoformat()} {self.what} {self.detail}".rstrip()

    @classmethod
    def parse(cls, text: str) -> "Event":
        at, _, rest = text.partition(" ")
        what, _, detail = rest.partition(" ")
        return cls(datetime.fromisoformat(at), what, detail)


def appended(
    history: tuple[Event, ...], step: Step, detail: object = "", *, at: datetime
) -> tuple[Event, ...]:
    """Return the history with one more event, without the oldest of its middle if it is full."""
    kept = (
        history if len(history) < HISTORY_MAX else history[:KEPT_FIRST] + history[KEPT_FIRST + 1 :]
    )
    return (*kept, Event(at, step.value, str(detail).strip()[:DETAIL_LENGTH_MAX].rstrip()))
