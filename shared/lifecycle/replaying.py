"""Replaying: debit what failed with one code once more for its owners, after an outage.

    for each creation that is failed with that code, oldest failure first:
        one transaction: [grant the price,] debit, pending again, the operator's act; then its task

A failed run is replayed once: the transaction requires that it still is the creation's last one. The
grant's reference names the creation, so that one that fails again is not granted twice: the refund
has returned what was granted. The balance and the limit of unfinished creations apply, and so do
the brakes of new creations. The hourly limits do not, and a replay does not count against them: the
owner did not ask for it.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.account import Account, HourlyCount, account_key
from shared.domain.creation import Creation
from shared.domain.errors import (
    CreationNotFound,
    IllegalTransition,
    NotQueued,
    RequestError,
    Unavailable,
)
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, debit_id, entry_key, grant_id
from shared.domain.operating import CLI, OperatorAct, Reason, Verb
from shared.domain.policy import Policy
from shared.lifecycle.opening import Opened, Opening
from shared.lifecycle.operating import Operating
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import (
    PAGE_LIMIT_MAX,
    Cursor,
    Decision,
    Document,
    Found,
    Page,
    write,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReplayRequest:
    """What to replay: failures with this code since then."""

    code: FailureCode
    since: datetime
    kind: Kind | None = None
    is_granted: bool = False
    """Grant the price first, so that the owner pays nothing."""
    limit: int | None = None
    """How many failures to look at."""
    until: datetime | None = None
    """When the last failure happened; None: those of now. A later one is left to another replay."""
    after: Cursor | None = None
    """The last failure that an earlier request looked at: skipped ones do not come again."""
    who: str = CLI

    @property
    def reason(self) -> Reason:
        return Reason(f"{self.code} since {self.since.isoformat()}", self.who)


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What became of one failure; `error` is why it was skipped."""

    creation_id: CreationId
    user_id: UserId
    kind: Kind
    failed_at: datetime
    tokens: int
    granted_tokens: int = 0
    error: RequestError | None = None

    @property
    def is_replayed(self) -> bool:
        return self.error is None


def replay_reference(creation_id: CreationId) -> str:
    """Return the reference of the only grant that pays for replays of a creation."""
    return f"replay {creation_id}"


@dataclass(frozen=True)
class Replaying:
    transactions: Transactions
    opening: Opening
    operating: Operating
    clock: Clock
    policy: Policy

    def candidates(self, request: ReplayRequest) -> Iterator[Creation]:
        """Yield what a replay would look at, oldest failure first; this writes nothing."""
        return self._failed(request, until=request.until or self.clock.now())

    def replay(self, request: ReplayRequest) -> Iterator[Replayed]:
        """Replay each failure, and yield what became of it; one that is skipped stops no other.

        Raises `StoreUnavailable` if the list cannot be read, or the request not recorded.
        """
        until = request.until or self.clock.now()
        self.operating.record(Verb.REPLAY, request.reason)
        for failed in self._failed(request, until=until):
            yield self._replayed(failed, request)

    def _failed(self, request: ReplayRequest, *, until: datetime) -> Iterator[Creation]:
        """Yield failures until that time: one that fails again is left to another request.

        The clock of the process that fails it again may be behind: each creation comes once.
        """
        left, seen = request.limit, set[CreationId]()
        after = request.after
        while True:
            page = self.transactions.store.failed_since(
                request.code, request.kind, request.since, Page(PAGE_LIMIT_MAX, after)
            )
            for each in page:
                if each.updated_at > until or left == 0:
                    return
                if each.creation_id not in seen:
                    seen.add(each.creation_id)
                    left = None if left is None else left - 1
                    yield each
            if not page:  # a shorter one may only lack unreadable documents
                return
            after = Cursor(page[-1].updated_at, page[-1].creation_id)

    def _replayed(self, failed: Creation, request: ReplayRequest) -> Replayed:
        outcome = Replayed(
            creation_id=failed.creation_id,
            user_id=failed.user_id,
            kind=failed.kind,
            failed_at=failed.updated_at,
            tokens=failed.cost_tokens,
        )
        granted_tokens = 0
        try:
            if request.is_granted and not self._was_granted(failed.creation_id):
                granted_tokens = failed.cost_tokens
            run = _Run(self, failed, request.reason, is_granted=granted_tokens > 0)
            self.opening.replay(failed.kind, run.debited)
        except RequestError as error:
            facts = {"creation_id": failed.creation_id, "reason": repr(error)}
            log.warning("replay_skipped", extra=facts)
            is_granted = granted_tokens > 0 and self._is_granted_after(error, failed.creation_id)
            return replace(outcome, granted_tokens=granted_tokens if is_granted else 0, error=error)
        return replace(outcome, granted_tokens=granted_tokens)

    def _is_granted_after(self, error: RequestError, creation_id: CreationId) -> bool:
        """Return whether the grant was committed although an error followed."""
        try:
            return isinstance(error, NotQueued) or self._was_granted(creation_id)
        except Unavailable:
            return False

    def _was_granted(self, creation_id: CreationId) -> bool:
        """Read the grant before the transaction: it never disappears, and nothing may rewrite it."""
        key = entry_key(grant_id(replay_reference(creation_id)))
        return self.transactions.store.get(key) is not None


@dataclass(frozen=True)
class _Run:
    """The next run of one failed creation."""

    replaying: Replaying
    failed: Creation
    reason: Reason
    is_granted: bool

    def debited(self, refusal: Unavailable | None) -> Opened:
        """Commit the debit, or raise why there is none; the creation's run must be the last."""
        failed, at = self.failed, self.replaying.clock.now()
        user_key = account_key(failed.user_id)
        debit_key = entry_key(debit_id(failed.creation_id, failed.run_number + 1))

        def decide(found: Found) -> Decision[Opened]:
            current, account = found.get(failed.key), found.get(user_key)
            if current is None or account is None:
                raise CreationNotFound
            if current.run_number != failed.run_number:
                raise IllegalTransition(status=current.status)
            again = current.debited_again(policy=self.replaying.policy, at=at)
            if refusal is not None:
                raise refusal
            return self._debit(account, again, at=at)

        def landed(found: Found, _sent: Opened) -> bool:
            debit = found.get(debit_key)
            return debit is not None and (debit.actor, debit.created_at) == (Actor.OPERATOR, at)

        transactions = self.replaying.transactions
        opened = transactions.run([failed.key, user_key, debit_key], decide, landed=landed)
        facts = {"creation_id": failed.creation_id, "kind": failed.kind}
        log.info(
            "creation_opened",
            extra={**facts, "debit": failed.run_number + 1, "actor": Actor.OPERATOR},
        )
        return opened

    def _debit(self, account: Account, again: Creation, *, at: datetime) -> Decision[Opened]:
        paid, grants = self._granted(account, at=at)
        unlimited = replace(paid, opened_hour=HourlyCount(started_at=at), free_hour=None)
        debited, entry = unlimited.debited(
            again.cost_tokens,
            kind=again.kind,
            creation_id=again.creation_id,
            debit=again.run_number,
            actor=Actor.OPERATOR,
            policy=self.replaying.policy,
            at=at,
        )
        debited = replace(debited, opened_hour=paid.opened_hour, free_hour=paid.free_hour)
        act = OperatorAct.of_debit(Verb.REPLAY, again, entry, self.reason)
        opened = Opened(creations=(again,), balance_tokens=debited.balance_tokens)
        return write(debited, again, *grants, entry, act, result=opened)

    def _granted(self, account: Account, *, at: datetime) -> tuple[Account, tuple[Document, ...]]:
        if not self.is_granted:
            return account, ()
        reference = replay_reference(self.failed.creation_id)
        granted, entry = account.granted(
            self.failed.cost_tokens,
            entry_id=grant_id(reference),
            reference=reference,
            actor=Actor.OPERATOR,
            at=at,
        )
        return granted, (entry, OperatorAct.of_grant(entry, self.reason))
