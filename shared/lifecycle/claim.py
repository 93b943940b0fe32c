"""A claim: an attempt's lease on a creation, and everything it may write under it.

Each write is fenced: it commits only while the creation is `processing` with this attempt's number
and lease owner. An attempt that lost its lease stops, refunds nothing and deletes no file: what it
finds may be its own commit whose response was lost.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from shared.domain.account import account_key
from shared.domain.creation import Creation
from shared.domain.errors import LeaseLost, StartNotAllowed, Unavailable
from shared.domain.failure import FailureCode
from shared.domain.media import StoredMedia, thumbnail_key
from shared.domain.policy import Policy
from shared.domain.status import (
    CLAIMED_PROGRESS,
    STAGE_PROGRESS,
    Stage,
    Status,
    generation_progress,
)
from shared.lifecycle.failing import Failing, end_of_run
from shared.lifecycle.starts import can_be_retried, has_starts_left, may_start_again, next_retry_at
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, unchanged, write

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RetryTask:
    number: int
    not_before: datetime


@dataclass(eq=False)
class Claim:
    """One attempt's claim. A method that writes raises `LeaseLost` if the claim is lost."""

    creation: Creation
    """The creation as this attempt last wrote it."""
    transactions: Transactions
    failing: Failing
    clock: Clock
    policy: Policy
    is_taken_over: bool = False
    """Whether the attempt before it ended without a word: it may have crashed its process."""
    is_stopped: bool = field(default=False, init=False)
    _is_lost: bool = field(default=False, init=False)
    _is_starting: bool = field(default=False, init=False)
    _starting: Lock = field(default_factory=Lock, init=False)
    _stage: Stage = field(default=Stage.GENERATING, init=False)
    _progress: int = field(default=CLAIMED_PROGRESS, init=False)
    _is_reported: bool = field(default=False, init=False)

    def ensure_held(self) -> None:
        """Raise `LeaseLost` if a heartbeat was refused, or if the attempt was stopped.

        An attempt that was stopped in a paid start continues until that is on record.
        """
        if self._is_lost or (self.is_stopped and not self.is_in_paid_start):
            raise LeaseLost(creation_id=self.creation.creation_id)

    @property
    def is_in_paid_start(self) -> bool:
        """Return whether its start may be paid and no operation is on record."""
        creation = self.creation
        is_open = creation.intent is not None and creation.operation_name is None
        return self._is_starting or is_open

    def stop(self) -> None:
        """Let the attempt begin no further step, from another thread."""
        with self._starting:
            self.is_stopped = True

    def heartbeat(self) -> None:
        """Renew the lease from another thread. Never raise: `ensure_held` reports a lost lease."""
        stage, progress = self._stage, self._progress
        if stage is Stage.GENERATING and not self._is_reported:
            progress = generation_progress(self._typical_fraction())
        try:
            self.renew(stage=stage, progress=progress)
        except LeaseLost:
            self._is_lost = True
        except Exception as error:  # noqa: BLE001 (the next heartbeat tries again)
            log.warning("heartbeat_failed", extra={"reason": repr(error)})

    def renew(self, *, stage: Stage, progress: int) -> None:
        at = self.clock.now()
        self._update(lambda held: held.with_progress(stage, progress, policy=self.policy, at=at))

    def enter(self, stage: Stage) -> None:
        """Write the next stage, or leave it to the next heartbeat if the store is unavailable."""
        self.ensure_held()
        self._stage, self._progress = stage, STAGE_PROGRESS[stage]
        try:
            self.renew(stage=stage, progress=self._progress)
        except Unavailable as error:  # a paid result is worth more than its progress bar
            log.warning("stage_not_shown", extra={"stage": stage, "reason": repr(error)})

    def set_progress(self, fraction: float) -> None:
        """Keep the generator's progress for the next heartbeat; until then it is estimated."""
        self._progress = max(self._progress, generation_progress(fraction))
        self._is_reported = True

    def _typical_fraction(self) -> float:
        if self.creation.intent is None:
            return 0.0
        elapsed_s = (self.clock.now() - self.creation.intent.at).total_seconds()
        return elapsed_s / self.policy.typical_s(self.creation.kind)

    def record_intent(self, *, model: str, cost_usd: float) -> None:
        """Record that the generator is about to be started, or raise `StartNotAllowed`."""
        with self._starting:
            if self.is_stopped:
                raise LeaseLost(creation_id=self.creation.creation_id)
            self._is_starting = True
        try:
            self._write_intent(model=model, cost_usd=cost_usd)
        finally:
            self._is_starting = False

    def _write_intent(self, *, model: str, cost_usd: float) -> None:
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
            landed=lambda current, sent: self._is_held(current) and current.intent == sent.intent,
        )

    def clear_intent(self) -> None:
        """Remove an intent that was not acted on, unless it is already gone."""
        at, intent = self.clock.now(), self.creation.intent
        self.creation = self._update(
            lambda held: held.without_start(at=at) if held.intent == intent else held
        )

    def record_operation(self, operation_name: str) -> None:
        """Record the operation, so that any later attempt can resume it."""
        at = self.clock.now()
        self.creation = self._update(lambda held: held.with_operation(operation_name, at=at))

    def complete(self, media: StoredMedia) -> None:
        """Turn the creation into a draft; one with this attempt's media is its own work."""
        at, creation = self.clock.now(), self.creation
        account_key_ = account_key(creation.user_id)

        def landed(found: Found, _sent: None) -> bool:
            return found.get(creation.key) is None  # its owner has deleted the draft since

        def decide(found: Found) -> Decision[None]:
            current, account = found.get(creation.key), found.get(account_key_)
            if current is not None and current.media_key == media.media_key:
                return unchanged(None)
            current = self._held(current)
            if account is None:
                raise AssertionError("a creation has an account")
            unused = current.keys_of(range(current.first_attempt, current.attempt))
            if media.thumbnail_key is None:  # an upload that failed may still land
                id_, attempt = creation.creation_id, creation.attempt
                unused += (thumbnail_key(creation.kind, creation.user_id, id_, attempt),)
            return write(
                current.completed(media, policy=self.policy, at=at),
                account.with_slot_freed(current.kind, at=at),
                *end_of_run(current, unused, policy=self.policy, at=at),
                result=None,
            )

        self.transactions.run([creation.key, account_key_], decide, landed=landed)
        facts = {
            "creation_id": creation.creation_id,
            "kind": creation.kind,
            "attempt": creation.attempt,
            "seconds": round(creation.unfinished_s(at, policy=self.policy), 1),
            "size_bytes": media.size_bytes,
            "cost_usd": creation.estimated_cost_usd,
        }
        log.info("creation_completed", extra=facts)

    def fail(self, code: FailureCode, *, start_failed: bool, billed_usd: float = 0.0) -> None:
        """Fail and refund the creation; `start_failed` and `billed_usd` as for `retry_later`."""
        claimed = self.creation
        self.failing.fail_attempt(claimed, code, start_failed=start_failed, billed_usd=billed_usd)

    def retry_later(
        self,
        *,
        retry_after_s: float,
        start_failed: bool,
        billed_usd: float = 0.0,
        uses_retry: bool = True,
    ) -> RetryTask | None:
        """Leave the creation to a later task, or return None if it has no retry left.

        `start_failed`: the start produced nothing and the vendor bills `billed_usd` for it; a later
        attempt starts again. Otherwise a later attempt resumes what this one began.
        `retry_after_s` is the vendor's hint. Without `uses_retry`, only attempts and time limit it.
        """
        at = self.clock.now()

        def waiting(held: Creation) -> Creation:
            left = held.without_start(billed_usd=billed_usd, at=at) if start_failed else held
            retry_at = next_retry_at(
                left, hint_s=retry_after_s, uses_retry=uses_retry, at=at, policy=self.policy
            )
            if retry_at is None or not can_be_retried(left):
                return held
            return left.waiting_to_retry(retry_at, uses_retry=uses_retry, policy=self.policy, at=at)

        released = self._update(waiting, landed=self._was_released)
        if released.retry_at is None:
            return None
        return RetryTask(number=released.task_number, not_before=released.retry_at)

    def release(self) -> None:
        """Give the lease up, so that the creation can be claimed again at once.

        Another thread may call it: the attempt's own then finds its lease lost.
        """
        at, self._is_lost = self.clock.now(), True
        self._update(
            lambda held: held.released(policy=self.policy, at=at), landed=self._was_released
        )

    def _was_released(self, current: Creation, _sent: Creation) -> bool:
        """Return whether the creation has been waiting since this attempt released it."""
        owner, attempt = self.creation.lease_owner, self.creation.attempt
        is_last = (current.lease_owner, current.attempt) == (owner, attempt)
        return current.status is Status.PENDING and is_last

    def _update(
        self,
        change: Callable[[Creation], Creation],
        *,
        landed: Callable[[Creation, Creation], bool] = lambda _current, _sent: False,
    ) -> Creation:
        """Change the creation while this attempt holds it, and return what is written."""
        key = self.creation.key

        def decide(found: Found) -> Decision[Creation]:
            held = self._held(found.get(key))
            changed = change(held)
            return unchanged(held) if changed is held else write(changed, result=changed)

        def creation_landed(found: Found, sent: Creation) -> bool:
            current = found.get(key)
            return current is not None and landed(current, sent)

        return self.transactions.run([key], decide, landed=creation_landed)

    def _is_held(self, current: Creation) -> bool:
        owner, attempt = self.creation.lease_owner, self.creation.attempt
        return owner is not None and current.is_held_by(owner, attempt=attempt)

    def _held(self, current: Creation | None) -> Creation:
        """Return the creation if this attempt holds it, or raise `LeaseLost`."""
        if current is None or not self._is_held(current):
            raise LeaseLost(creation_id=self.creation.creation_id)
        return current
