"""Transactions: run a decision until its outcome is known.

A commit without a response means "unknown", never "no": the decision runs again on the current
documents, unless `landed` finds an earlier commit there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from shared.domain.errors import OutcomeUnknown, StoreContention, StoreUnavailable, Unavailable
from shared.domain.keys import Key
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, Store, unchanged

ResultT = TypeVar("ResultT")

RERUNS_MAX = 4
FIRST_PAUSE_S = 0.1


@dataclass(frozen=True)
class Transactions:
    store: Store
    clock: Clock
    retry_budget_s: float

    def run(
        self,
        reading: Sequence[Key[Any]],
        decide: Callable[[Found], Decision[ResultT]],
        *,
        landed: Callable[[Found, ResultT], bool] = lambda _found, _sent: False,
    ) -> ResultT:
        """Commit the decision exactly once and return its result.

        `landed(found, sent)` returns whether `found` shows the commit of `sent`, a result whose
        commit had no response: then `sent` is returned and nothing more is written.

        Raises:
            StoreUnavailable, StoreContention: nothing was written.
            OutcomeUnknown: the retry budget ended before the outcome was known.
        """
        started_s = self.clock.monotonic_s()
        sent: list[ResultT] = []
        unanswered: list[ResultT] = []
        is_unknown = False

        def decide_again(found: Found) -> Decision[ResultT]:
            for result in unanswered:
                if landed(found, result):
                    return unchanged(result)
            decision = decide(found)
            sent[:] = [decision.result] if decision.writes or decision.removes else []
            return decision

        for rerun in range(RERUNS_MAX + 1):
            sent.clear()
            try:
                return self.store.transact(reading, decide_again)
            except (OutcomeUnknown, StoreUnavailable, StoreContention) as error:
                if isinstance(error, OutcomeUnknown):
                    is_unknown = True
                    unanswered += sent
                pause_s = FIRST_PAUSE_S * 2**rerun
                spent_s = self.clock.monotonic_s() - started_s
                if rerun == RERUNS_MAX or spent_s + pause_s > self.retry_budget_s:
                    raise _final(error, is_unknown=is_unknown) from error
                self.clock.sleep(pause_s)
        raise AssertionError("the loop above returns or raises")


def _final(error: Unavailable, *, is_unknown: bool) -> Unavailable:
    """Return `OutcomeUnknown` if any commit's outcome is, not only the last one's."""
    if is_unknown and not isinstance(error, OutcomeUnknown):
        return OutcomeUnknown(reason=str(error))
    return error
