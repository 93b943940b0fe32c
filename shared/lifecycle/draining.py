"""Draining: which further creations a running execution may claim, and in which order.

It only reads: each claim checks the creation again.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from shared.domain.creation import Creation
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.ports.clock import Clock
from shared.ports.store import PAGE_LIMIT_MAX, Cursor, Page, Store

CANDIDATES_MAX = 50
DOCUMENTS_MAX = 200
"""How many documents one look reads at most."""
OF_ONE_ACCOUNT_MAX = 2
BEFORE_EVERY_ID = "0"


@dataclass(frozen=True)
class Draining:
    store: Store
    clock: Clock
    policy: Policy

    def candidates(self, kind: Kind, *, execution: str) -> list[Creation]:
        """Return creations that have waited longest, at most two of one account.

        Each execution gets them in an order of its own, so that executions rarely try the same one.
        """
        at = self.clock.now()
        found: list[Creation] = []
        counts: Counter[str] = Counter()
        after = Cursor(self._oldest_in_time(kind, at), BEFORE_EVERY_ID)
        for _ in range(DOCUMENTS_MAX // PAGE_LIMIT_MAX):
            page = self.store.waiting(kind, at, Page(PAGE_LIMIT_MAX, after))
            for each in page:
                counts[each.user_id] += 1
                is_fair = counts[each.user_id] <= OF_ONE_ACCOUNT_MAX
                if is_fair and each.has_time_to_run(at, policy=self.policy):
                    found.append(each)
            if len(found) >= CANDIDATES_MAX or len(page) < PAGE_LIMIT_MAX:
                break
            after = Cursor(page[-1].available_at or at, page[-1].creation_id)
        return sorted(found[:CANDIDATES_MAX], key=lambda each: _place(each, execution))

    def _oldest_in_time(self, kind: Kind, at: datetime) -> datetime:
        """Return the earliest `available_at` of a creation that may still have time to run.

        It is never before the debit, from which the deadline counts. In a long backlog, earlier ones
        would fill every look until the sweep refunds them.
        """
        waited_s = self.policy.deadline_s - self.policy.minimum_run_s(kind)
        return at - timedelta(seconds=waited_s)

    def held(self, kind: Kind, *, execution: str) -> list[Creation]:
        """Return what earlier tries of this execution left, fewest attempts first.

        A creation that crashes its process has more attempts than the ones that it took along.
        """
        held = self.store.held(execution, kind)
        return sorted(held, key=lambda each: len(each.attempts_of_this_debit))

    def is_crowded(self, kind: Kind) -> bool:
        """Return whether so many creations are processing that no execution should take more."""
        running = self.store.unfinished(kind, Status.PROCESSING)
        return running > self.policy.running_max(kind)


def _place(creation: Creation, execution: str) -> bytes:
    return sha256(f"{execution} {creation.creation_id}".encode()).digest()
