"""What an attempt does to its creation, from the claim to the draft.

Every write is fenced: it commits only while the creation is `processing` with this attempt's
number and lease_owner. Whoever finds it otherwise gets `LeaseLost`, stops, refunds nothing and removes
no file: the "other" may be its own earlier send that was never answered.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.account import account_key
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import LeaseLost, NotClaimable, StartNotAllowed
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.lease import Intent, LeaseOwner
from shared.domain.media import StoredMedia, thumbnail_key
from shared.domain.policy import Policy
from shared.domain.status import Stage, Status
from shared.lifecycle.failing import end_of_run
from shared.lifecycle.starts import (
    can_go_on,
    has_starts_left,
    may_start_again,
    next_retry_at,
)
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, unchanged, write

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetryTask:
    """The task that a waiting creation needs."""

    number: int
    not_before: datetime


@dataclass(frozen=True)
class Attempts:
    """The steps of an attempt; `mine` is the creation as this attempt claimed it."""

    transactions: Transactions
    clock: Clock
    policy: Policy

    def claim(self, creation_id: CreationId, *, kind: Kind, lease_owner: LeaseOwner) -> Creation:
        """Take the creation's lease.

        Raises:
            NotClaimable: there is nothing to do for this execution.
        """
        at = self.clock.now()
        key = creation_key(creation_id)

        def decide(found: Found) -> Decision[Creation]:
            now = found.get(key)
            if (
                now is not None
                and now.status is Status.PROCESSING
                and now.lease_owner == lease_owner
            ):
                return unchanged(now)
            if now is None:
                raise NotClaimable(creation_id=creation_id, reason="it is unknown")
            for obstacle in self._obstacles(now, kind=kind, lease_owner=lease_owner, at=at):
                raise NotClaimable(creation_id=creation_id, reason=obstacle)
            claimed = now.claimed(lease_owner, policy=self.policy, at=at)
            return write(claimed, result=claimed)

        return self.transactions.run([key], decide)

    def _obstacles(
        self, now: Creation, *, kind: Kind, lease_owner: LeaseOwner, at: datetime
    ) -> Iterator[str]:
        """Yield why this lease_owner may not claim the creation."""
        if now.kind is not kind:
            yield f"it is of kind {now.kind}"
        if not now.is_unfinished:
            yield f"it is {now.status}"
        early = timedelta(seconds=self.policy.retry_early_s)
        if now.retry_at is not None and at < now.retry_at - early:
            yield "its retry is not due yet"
        is_its_successor = now.lease_owner is not None and lease_owner.succeeds(now.lease_owner)
        skew = timedelta(seconds=self.policy.clock_skew_s)
        if now.is_leased(at - skew) and not is_its_successor:
            yield "another holds it"
        if not now.has_attempts_left(self.policy):
            yield "its attempts are used up"
        if not now.has_time_to_run(at, policy=self.policy):
            yield "its deadline is too near"

    def report(self, mine: Creation, *, stage: Stage, progress: int) -> Creation:
        """Renew the lease and show how far the work is.

        Raises:
            LeaseLost
        """
        at = self.clock.now()

        def decide(found: Found) -> Decision[Creation]:
            now = _held(found, mine)
            reporting = now.with_progress(stage, progress, policy=self.policy, at=at)
            return write(reporting, result=reporting)

        return self.transactions.run([mine.key], decide)

    def intend(self, mine: Creation, *, model: str, cost_usd: float) -> Creation:
        """Write down that the generator is about to be started.

        Raises:
            StartNotAllowed: an operation is known, or an earlier start of this debit may be
                running, or is too recent, or the deadline is too near.
            LeaseLost
        """
        at = self.clock.now()
        decided: Intent | None = None

        def decide(found: Found) -> Decision[Creation]:
            nonlocal decided
            now = _held(found, mine)
            if found.may_have_landed and now.intent == decided:
                return unchanged(now)
            if now.operation_name is not None or not has_starts_left(now):
                raise StartNotAllowed(reason="an earlier start may be running")
            if not may_start_again(now, at=at, policy=self.policy):
                raise StartNotAllowed(reason="an earlier start is too recent")
            if not now.has_time_to_run(at, policy=self.policy):
                raise StartNotAllowed(reason="the deadline is too near")
            intending = now.with_intent(model=model, cost_usd=cost_usd, at=at)
            decided = intending.intent
            return write(intending, result=intending)

        return self.transactions.run([mine.key], decide)

    def withdraw(self, mine: Creation) -> Creation:
        """Take back an intent that was never acted on.

        Raises:
            LeaseLost
        """
        at = self.clock.now()
        intent = mine.intent

        def decide(found: Found) -> Decision[Creation]:
            now = _held(found, mine)
            if now.intent != intent:
                return unchanged(now)
            withdrawn = now.without_start(at=at)
            return write(withdrawn, result=withdrawn)

        return self.transactions.run([mine.key], decide)

    def record_operation(self, mine: Creation, operation_name: str) -> Creation:
        """Write down the operation that any later attempt can resume.

        Raises:
            LeaseLost
        """
        at = self.clock.now()

        def decide(found: Found) -> Decision[Creation]:
            now = _held(found, mine)
            operating = now.with_operation(operation_name, at=at)
            return write(operating, result=operating)

        return self.transactions.run([mine.key], decide)

    def complete(self, mine: Creation, media: StoredMedia) -> None:
        """Turn the creation into a draft: its files are stored.

        A draft with this attempt's media is its own work, of this call or of an earlier one.

        Raises:
            LeaseLost
        """
        at = self.clock.now()
        account_at = account_key(mine.user_id)

        def decide(found: Found) -> Decision[None]:
            now, account = found.get(mine.key), found.get(account_at)
            is_mine = now is not None and now.media_key == media.media_key
            if is_mine or (found.may_have_landed and now is None):
                return unchanged(None)
            now = _held(found, mine)
            if account is None:
                raise AssertionError("a creation has an account")
            earlier = range(now.first_attempt, now.attempt)
            unused = now.keys_of(earlier)
            if media.thumbnail_key is None:  # one may have been sent, and land yet
                unused += (thumbnail_key(now.kind, now.user_id, now.creation_id, now.attempt),)
            return write(
                now.completed(media, at=at),
                account.with_slot_freed(now.kind, at=at),
                *end_of_run(now, unused, policy=self.policy, at=at),
                result=None,
            )

        self.transactions.run([mine.key, account_at], decide)
        log.info(
            "creation_completed",
            extra={
                "creation_id": mine.creation_id,
                "kind": mine.kind,
                "attempt": mine.attempt,
                "seconds": round(mine.unfinished_s(at, policy=self.policy), 1),
                "size_bytes": media.size_bytes,
                "cost_usd": mine.estimated_cost_usd,
            },
        )

    def retry_later(
        self,
        mine: Creation,
        *,
        retry_after_s: float,
        answered_no: bool,
        billed_usd: float = 0.0,
    ) -> RetryTask | None:
        """Give the creation to a later task, or return None if it has no retry left.

        `answered_no`: the start came to nothing and `billed_usd` is what the vendor bills for it;
        a later attempt starts again. Otherwise a later attempt resumes what this one began.
        `retry_after_s` is the vendor's hint.

        Raises:
            LeaseLost
        """
        at = self.clock.now()
        task: RetryTask | None = None

        def decide(found: Found) -> Decision[RetryTask | None]:
            nonlocal task
            if task is not None and found.may_have_landed and _waits_as_left(found, mine):
                return unchanged(task)
            now = _held(found, mine)
            if answered_no:
                now = now.without_start(billed_usd=billed_usd, at=at)
            retry_at = next_retry_at(now, hint_s=retry_after_s, at=at, policy=self.policy)
            if retry_at is None or not can_go_on(now):
                return unchanged(None)
            waiting = now.waiting_to_retry(retry_at, policy=self.policy, at=at)
            task = RetryTask(number=waiting.task_number, not_before=retry_at)
            return write(waiting, result=task)

        return self.transactions.run([mine.key], decide)

    def hand_back(self, mine: Creation) -> None:
        """Give the lease up, so that this execution's next try can go on at once.

        Raises:
            LeaseLost
        """
        at = self.clock.now()

        def decide(found: Found) -> Decision[None]:
            if found.may_have_landed and _waits_as_left(found, mine):
                return unchanged(None)
            now = _held(found, mine)
            return write(now.released(policy=self.policy, at=at), result=None)

        self.transactions.run([mine.key], decide)


def _is_held(found: Found, mine: Creation) -> bool:
    now = found.get(mine.key)
    return (
        now is not None
        and mine.lease_owner is not None
        and now.is_held_by(mine.lease_owner, attempt=mine.attempt)
    )


def _waits_as_left(found: Found, mine: Creation) -> bool:
    """Tell whether the creation waits for a later task since this attempt gave it up."""
    now = found.get(mine.key)
    return (
        now is not None
        and now.status is Status.PENDING
        and (now.attempt, now.lease_owner) == (mine.attempt, mine.lease_owner)
    )


def _held(found: Found, mine: Creation) -> Creation:
    """Return the creation while it is this attempt's, or raise `LeaseLost`."""
    now = found.get(mine.key)
    if now is None or not _is_held(found, mine):
        raise LeaseLost(creation_id=mine.creation_id)
    return now
