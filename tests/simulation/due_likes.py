"""When the next sweep has likes to count."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.domain.keys import Key
from shared.domain.like import Like
from shared.domain.sweep_mark import SweepMark, sweep_mark_key
from shared.lifecycle.like_counting import LIKES_MARK, LOOK_BACK
from shared.ports.store import Document


def likes_due_at(
    likes: Mapping[Key[Like], Like], documents: Mapping[Key[Any], Document]
) -> datetime | None:
    """Return when the first like is due: when it is changed, and before the sweep passes it.

    The sweeps in between read it, too, but one a minute would only make histories slow.
    """
    mark = documents.get(sweep_mark_key(LIKES_MARK))
    reached_at = mark.reached_at if isinstance(mark, SweepMark) else None
    times = [each.changed_at for each in likes.values()]
    if isinstance(mark, SweepMark) and mark.resumes_at is not None:
        return min((each for each in times if each >= mark.resumes_at), default=reached_at)
    if reached_at is not None:
        again = [each for each in times if reached_at - LOOK_BACK <= each <= reached_at]
        times = [each for each in times if each > reached_at] + [at + LOOK_BACK for at in again]
    return min(times, default=None)
