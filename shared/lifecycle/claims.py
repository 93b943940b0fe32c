"""Claims: what an attempt may do to the creation whose lease it holds.

An attempt that lost its lease stops, refunds nothing and deletes no file: what it finds may be
its own commit that was never answered.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain.account import account_key
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import NotClaimable, StartNotAllowed
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.media import StoredMedia, thumbnail_key
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.lifecycle.leases import Lease
from shared.lifecycle.settling import Settling, leftovers
from shared.lifecycle.starts import (
    can_be_retried,
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
    """The task that a creation waiting for its retry needs."""

    number: int
    not_before: datetime


@dataclass(frozen=True)
class Claims:
    transactions: Transactions
    settling: Settling
    clock: Clock
    policy: Policy

    def claim(self, creation_id: CreationId, *, kind: Kind, lease_owner: LeaseOwner) -> "Claim":
        """Take the creation's lease; an owner that has it already keeps it.

        Raises:
            NotClaimable: there is nothing to do for this execution.
        """
        at = self.clock.now()
        key = creation_key(creation_id)

        def decide(found: Found) -> Decision[Creation]:
            current = found.get(key)
            if current is None:
                raise NotClaimable(creation_id=creation_id, reason="it is unknown")
            if current.status is Status.PROCESSING and current.lease_owner == lease_owner:
                return unchanged(current)
            for obstacle in self._obstacles(current, kind=kind, lease_owner=lease_owner, at=at):
                raise NotClaimable(creation_id=creation_id, reason=obstacle)
            claimed = current.claimed(lease_owner, policy=self.policy, at=at)
            return write(claimed, result=claimed)

        return self.of(self.transactions.run([key], decide))

    def of(self, claimed: Creation) -> "Claim":
        """Return the claim that this creation's last attempt holds."""
        return Claim(claimed, self.transactions, self.clock, self.policy, settling=self.settling)

    def _obstacles(
        self, current: Creation, *, kind: Kind, lease_owner: LeaseOwner, at: datetime
    ) -> Iterator[str]:
        """Yield each reason why this lease owner may not claim the creation."""
        if current.kind is not kind:
            yield f"it is of kind {current.kind}"
        if not current.is_unfinished:
            yield f"it is {current.status}"
        early = timedelta(seconds=self.policy.retry_early_s)
        if current.retry_at is not None and at < current.retry_at - early:
            yield "its retry is not due yet"
        is_successor = current.lease_owner is not None and lease_owner.succeeds(current.lease_owner)
        skew = timedelta(seconds=self.policy.clock_skew_s)
        if current.is_leased(at - skew) and not is_successor:
            yield "another holds it"
        if not current.has_attempts_left(self.policy):
            yield "its attempts are used up"
        if not current.has_time_to_run(at, policy=self.policy):
            yield "its deadline is too near"


@dataclass(eq=False)
class Claim(Lease):
    """One attempt's claim. Each method raises `LeaseLost` once another attempt has taken over."""

    settling: Settling = field(kw_only=True)

    def record_intent(self, *, model: str, cost_usd: float) -> None:
        """Record that the generator is about to be started.

        Raises:
            StartNotAllowed: an operation is known, or an earlier start of this debit may be
                running, or is too recent, or the deadline is too near.
        """
        at = self.clock.now()

        def with_intent(held: Creation) -> Creation:
            if held.operation_name is not None or not has_starts_left(held):
                raise StartNotAllowed(reason="an earlier start may be running")
            if not may_start_again(held, at=at, policy=self.policy):
                raise StartNotAllowed(reason="an earlier start is too recent")
            if not held.has_time_to_run(at, policy=self.policy):
                raise StartNotAllowed(reason="the deadline is too near")
            return held.with_intent(model=model, cost_usd=cost_usd, at=at)

        self.creation = self._update(
            with_intent,
            landed=lambda found, sent: self._is_held(found) and found.intent == sent.intent,
        )

    def clear_intent(self) -> None:
        """Remove an intent that was not acted on; one that is no longer there stays removed."""
        at, intent = self.clock.now(), self.creation.intent
        self.creation = self._update(
            lambda held: held.without_start(at=at) if held.intent == intent else held
        )

    def record_operation(self, operation_name: str) -> None:
        """Record the operation, so that any later attempt can resume it."""
        at = self.clock.now()
        self.creation = self._update(lambda held: held.with_operation(operation_name, at=at))

    def complete(self, media: StoredMedia) -> None:
        """Turn the creation into a draft whose files are stored.

        A draft with this attempt's media is its own, from this call or an earlier one.
        """
        at = self.clock.now()
        mine = self.creation
        account_key_ = account_key(mine.user_id)

        def landed(found: Found, _sent: None) -> bool:
            return found.get(mine.key) is None  # its owner has deleted the draft since

        def decide(found: Found) -> Decision[None]:
            current, account = found.get(mine.key), found.get(account_key_)
            if current is not None and current.media_key == media.media_key:
                return unchanged(None)
            current = self._held(current)
            if account is None:
                raise AssertionError("a creation has an account")
            unused = current.keys_of(range(current.first_attempt, current.attempt))
            if media.thumbnail_key is None:  # an upload that failed may still land
                unused += (thumbnail_key(mine.kind, mine.user_id, mine.creation_id, mine.attempt),)
            return write(
                current.completed(media, at=at),
                account.with_slot_freed(current.kind, at=at),
                *leftovers(current, unused, policy=self.policy, at=at),
                result=None,
            )

        self.transactions.run([mine.key, account_key_], decide, landed=landed)
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

    def fail(self, code: FailureCode, *, answered_no: bool, billed_usd: float = 0.0) -> None:
        """Fail and refund the creation; `answered_no` and `billed_usd` as for `retry_later`."""
        self.settling.fail_attempt(
            self.creation, code, answered_no=answered_no, billed_usd=billed_usd
        )

    def retry_later(
        self, *, retry_after_s: float, answered_no: bool, billed_usd: float = 0.0
    ) -> RetryTask | None:
        """Leave the creation to a later task, or return None if it has no retry left.

        `answered_no`: the start produced nothing and the vendor bills `billed_usd` for it; a later
        attempt starts again. Otherwise a later attempt resumes what this one began.
        `retry_after_s` is the vendor's hint.
        """
        at = self.clock.now()

        def waiting(held: Creation) -> Creation:
            left = held.without_start(billed_usd=billed_usd, at=at) if answered_no else held
            retry_at = next_retry_at(left, hint_s=retry_after_s, at=at, policy=self.policy)
            if retry_at is None or not can_be_retried(left):
                return held
            return left.waiting_to_retry(retry_at, policy=self.policy, at=at)

        given_up = self._update(waiting, landed=self._was_given_up)
        if given_up.retry_at is None:
            return None
        return RetryTask(number=given_up.task_number, not_before=given_up.retry_at)

    def release(self) -> None:
        """Give the lease up, so that the execution's next try can claim the creation at once."""
        at = self.clock.now()
        self._update(
            lambda held: held.released(policy=self.policy, at=at), landed=self._was_given_up
        )

    def _was_given_up(self, current: Creation, _sent: Creation) -> bool:
        """Return whether the creation waits for a task since this attempt gave it up."""
        owner, mine = (current.attempt, current.lease_owner), self.creation
        return current.status is Status.PENDING and owner == (mine.attempt, mine.lease_owner)
