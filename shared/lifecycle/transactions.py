"""Run a decision until its outcome is known.

An error at a commit means "unknown", never "no" (product, money rule 9): the same decision is run
again on what is there now, and only its answer is believed. The decision is told when an
earlier send of the same call may have landed, so that it can recognise its own work.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from shared.domain.errors import OutcomeUnknown, StoreContention, StoreUnavailable, Unavailable
from shared.domain.keys import Key
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, Store

ResultT = TypeVar("ResultT")

RERUNS_MAX = 4
FIRST_PAUSE_S = 0.1


@dataclass(frozen=True)
class Transactions:
    """A store together with the patience of the process that uses it."""

    store: Store
    clock: Clock
    patience_s: float

    def run(
        self, reading: Sequence[Key[Any]], decide: Callable[[Found], Decision[ResultT]]
    ) -> ResultT:
        """Carry the decision out exactly once; from the second run on `found` says so.

        Raises:
            StoreUnavailable, StoreContention: nothing was written.
            OutcomeUnknown: it could not be found out in time.
        """
        started_s = self.clock.monotonic_s()
        may_have_landed = False

        def decide_again(found: Found) -> Decision[ResultT]:
            return decide(replace(found, may_have_landed=may_have_landed))

        for rerun in range(RERUNS_MAX + 1):
            try:
                return self.store.transact(reading, decide_again)
            except (OutcomeUnknown, StoreUnavailable, StoreContention) as error:
                may_have_landed = may_have_landed or isinstance(error, OutcomeUnknown)
                pause_s = FIRST_PAUSE_S * 2**rerun
                spent_s = self.clock.monotonic_s() - started_s
                if rerun == RERUNS_MAX or spent_s + pause_s > self.patience_s:
                    raise _verdict(error, may_have_landed=may_have_landed) from error
                self.clock.sleep(pause_s)
        raise AssertionError("the loop above returns or raises")


def _verdict(error: Unavailable, *, may_have_landed: bool) -> Unavailable:
    if may_have_landed and not isinstance(error, OutcomeUnknown):
        return OutcomeUnknown(reason=str(error))
    return error
