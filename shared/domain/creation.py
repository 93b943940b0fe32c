"""A creation: one image or video, from the debit to a draft or to a refund.

    (debit) -> pending <-> processing -> draft <-> published
                  |            |
                  +-> failed <-+        failed -> pending: the owner's retry, debited again

`draft`, `published` and `failed` are settled; the others are unfinished: they hold a place in
the account's in-flight count, a deadline and a `sweep_at`. Each method named by a participle
returns the creation after one step; the lifecycle decides who may take it.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.domain.account import Account
from shared.domain.brief import AspectRatio, Brief
from shared.domain.errors import IllegalTransition
from shared.domain.failure import Failure, FailureCode
from shared.domain.history import AS_SCHEDULED, Event, Step, appended
from shared.domain.keys import Collection, CreationId, Key, UserId
from shared.domain.kind import Kind
from shared.domain.lease import Intent, LeaseOwner
from shared.domain.media import StoredMedia, attempt_keys, public_key
from shared.domain.policy import Costs, Policy
from shared.domain.schedule import Schedule, ScheduleError
from shared.domain.sharing import Sharing
from shared.domain.status import CLAIMED_PROGRESS, STAGE_PROGRESS, UNFINISHED, Stage, Status


@dataclass(frozen=True, kw_only=True)
class Creation:
    """One creation. Costs in tokens, durations in seconds."""

    creation_id: CreationId
    user_id: UserId
    username: str
    kind: Kind
    prompt: str
    aspect_ratio: AspectRatio
    duration_s: int | None
    cost_tokens: int
    fingerprint: str
    group_id: CreationId | None = None
    """The first of the variations that were opened together; None if it was opened alone."""

    status: Status = Status.PENDING
    stage: Stage | None = Stage.QUEUED
    progress: int = 0
    attempt: int = 0
    """The last attempt's number, counted over all debits; it never decreases."""
    first_attempt: int = 1
    """The number of the first attempt of this debit."""
    retry_count: int = 0
    run_number: int = 1
    task_number: int = 1
    """The number of the last task."""
    requeue_count: int = 0
    """How many of this debit's tasks the sweep made."""
    hand_back_count: int = 0
    """How many attempts of this debit ended with SIGTERM: they count as no attempt and no requeue."""
    lease_owner: LeaseOwner | None = None
    execution_name: str | None = None
    lease_expires_at: datetime | None = None
    intent: Intent | None = None
    has_start: bool = False
    """Whether a start of this debit is on record, for views, which lack intent and operation."""
    spent_usd: float = 0.0
    """What the vendor bills for starts of this debit that produced nothing."""
    operation_name: str | None = None
    retry_at: datetime | None = None
    available_at: datetime | None = None
    """Since when it may be claimed; set exactly while pending."""
    deadline_at: datetime | None = None
    sweep_at: datetime | None = None

    model: str | None = None
    media_key: str | None = None
    thumbnail_key: str | None = None
    public_id: str | None = None
    publication_count: int = 0
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None
    caption: str | None = None
    like_count: int = 0
    error: Failure | None = None
    refunded: bool = False
    queue_error_code: str | None = None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None = None
    is_kept: bool = False
    expires_at: datetime | None = None
    """When the sweep deletes it; set exactly while `may_expire`."""
    expiry_run: int = 0
    """The run whose life it ends: a release before the expiry retries and leaves both."""
    schedule: Schedule | None = None
    schedule_error: ScheduleError | None = None
    sharing: Sharing = field(default_factory=Sharing)
    history: tuple[Event, ...] = ()
    """Its transitions, for operators; empty in documents of older releases."""

    @property
    def key(self) -> Key["Creation"]:
        return creation_key(self.creation_id)

    @property
    def brief(self) -> Brief:
        return Brief(
            kind=self.kind,
            prompt=self.prompt,
            aspect_ratio=self.aspect_ratio,
            duration_s=self.duration_s,
        )

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED

    @property
    def is_cancellable(self) -> bool:
        """Return whether no start is on record: what it could produce may have been paid for."""
        is_started = self.intent is not None or self.operation_name is not None
        return self.is_unfinished and not (is_started or self.has_start)

    @property
    def may_expire(self) -> bool:
        is_settled = self.status in {Status.DRAFT, Status.FAILED}
        is_wanted = self.is_kept or self.schedule is not None or self.sharing.is_shared
        return is_settled and not is_wanted

    @property
    def next_try_at(self) -> datetime | None:
        """Return when the sweep publishes it next."""
        return self.schedule.try_at if self.schedule else None

    @property
    def was_claimed_for_this_debit(self) -> bool:
        return self.attempt >= self.first_attempt

    @property
    def attempts_of_this_debit(self) -> range:
        return range(self.first_attempt, self.attempt + 1)

    @property
    def unknown_starts(self) -> int:
        """Return how many starts of this debit may have happened."""
        return self.intent.unknown if self.intent else 0

    @property
    def estimated_cost_usd(self) -> float:
        """Return this debit's cost at the vendor, including every start that may have happened."""
        open_usd = self.intent.unknown * self.intent.cost_usd if self.intent else 0.0
        return self.spent_usd + open_usd

    def has_attempts_left(self, policy: Policy) -> bool:
        return len(self.attempts_of_this_debit) < policy.attempts_max + self.hand_back_count

    def has_requeues_left(self, policy: Policy) -> bool:
        return self.requeue_count < policy.requeues_max + self.hand_back_count

    def has_time_to_run(self, at: datetime, *, policy: Policy) -> bool:
        """Return whether an attempt that begins then could finish before the deadline."""
        least = timedelta(seconds=policy.minimum_run_s(self.kind))
        return self.deadline_at is not None and at + least <= self.deadline_at

    def is_past_deadline(self, at: datetime) -> bool:
        return self.deadline_at is not None and at >= self.deadline_at

    def unfinished_s(self, at: datetime, *, policy: Policy) -> float:
        """Return the seconds since its last debit; 0 when it is settled."""
        return policy.deadline_s + self.overdue_s(at) if self.deadline_at else 0.0

    def overdue_s(self, at: datetime) -> float:
        """Return the seconds since its deadline; negative before it, 0 when it is settled."""
        return (at - self.deadline_at).total_seconds() if self.deadline_at else 0.0

    def is_leased(self, at: datetime) -> bool:
        return self.lease_expires_at is not None and at < self.lease_expires_at

    def is_held_by(self, lease_owner: LeaseOwner, *, attempt: int) -> bool:
        return (
            self.status is Status.PROCESSING
            and self.attempt == attempt
            and self.lease_owner == lease_owner
        )

    @property
    def public_keys(self) -> dict[str, str]:
        """Return each file's public key of the last publication, by its private key."""
        if self.public_id is None:
            return {}
        return {
            key: public_key(self.public_id, self.publication_count, key)
            for key in (self.media_key, self.thumbnail_key)
            if key is not None
        }

    def keys_of(self, attempts: range) -> tuple[str, ...]:
        return attempt_keys(self.kind, self.user_id, self.creation_id, attempts)

    @property
    def every_key(self) -> tuple[str, ...]:
        """Return every key that may hold one of its files, except those of earlier publications."""
        return (*self.keys_of(range(1, self.attempt + 1)), *self.public_keys.values())

    @classmethod
    def opened(
        cls, creation_id: CreationId, *, account: Account, brief: Brief, costs: Costs,
        policy: Policy, at: datetime, group_id: CreationId | None = None,
    ) -> "Creation":  # fmt: skip
        return cls(
            creation_id=creation_id,
            user_id=account.user_id,
            username=account.username,
            kind=brief.kind,
            prompt=brief.prompt,
            aspect_ratio=brief.aspect_ratio,
            duration_s=brief.duration_s,
            cost_tokens=costs.of(brief.kind),
            fingerprint=brief.fingerprint,
            group_id=group_id,
            available_at=at,
            deadline_at=at + timedelta(seconds=policy.deadline_s),
            sweep_at=at + timedelta(seconds=policy.sweep_every_s),
            created_at=at,
            updated_at=at,
            history=appended((), Step.OPENED, "task 1", at=at),
        )

    def claimed(self, lease_owner: LeaseOwner, *, policy: Policy, at: datetime) -> "Creation":
        claimed = replace(
            self._moved(UNFINISHED, Status.PROCESSING, at=at),
            stage=Stage.GENERATING,
            progress=max(self.progress, CLAIMED_PROGRESS),
            attempt=self.attempt + 1,
            lease_owner=lease_owner,
            execution_name=lease_owner.execution,
            retry_at=None,
            available_at=None,
            history=self._after(Step.CLAIMED, f"attempt {self.attempt + 1} {lease_owner}", at=at),
        )
        return claimed._leased(policy=policy, at=at)

    def with_progress(
        self, stage: Stage, progress: int, *, policy: Policy, at: datetime
    ) -> "Creation":
        """Return it with a renewed lease; a late report moves neither stage nor progress back."""
        stages = list(Stage)
        latest = max(self.stage or stage, stage, key=stages.index)
        reporting = replace(
            self,
            stage=latest,
            progress=max(self.progress, progress),
            updated_at=at,
            history=self.history
            if latest is self.stage
            else self._after(Step.STAGE, latest, at=at),
        )
        return reporting._leased(policy=policy, at=at)

    def with_intent(self, *, model: str, cost_usd: float, at: datetime) -> "Creation":
        earlier = self.intent
        intent = Intent(
            attempt=self.attempt,
            at=at,
            unknown=self.unknown_starts + 1,
            cost_usd=cost_usd,
            earlier_attempt=earlier.attempt if earlier else None,
            earlier_at=earlier.at if earlier else None,
        )
        history = self._after(Step.INTENT, model, at=at)
        return replace(
            self, intent=intent, has_start=True, model=model, updated_at=at, history=history
        )

    def without_start(self, *, billed_usd: float = 0.0, at: datetime) -> "Creation":
        """Return it without its last start, which did not happen or produced nothing.

        An earlier start of this debit that may have happened keeps its own intent.
        """
        intent = self.intent
        left: Intent | None = None
        if intent is not None and intent.unknown > 1:
            left = replace(
                intent,
                attempt=intent.earlier_attempt or intent.attempt,
                at=intent.earlier_at or intent.at,
                unknown=intent.unknown - 1,
                earlier_attempt=None,
                earlier_at=None,
            )
        spent_usd = self.spent_usd + billed_usd
        return replace(
            self,
            intent=left,
            has_start=left is not None,
            operation_name=None,
            spent_usd=spent_usd,
            updated_at=at,
            history=self._after(Step.START_CLEARED, f"billed ${billed_usd:.4g}", at=at),
        )

    def with_operation(self, operation_name: str, *, at: datetime) -> "Creation":
        history = self._after(Step.OPERATION, operation_name, at=at)
        return replace(
            self, has_start=True, operation_name=operation_name, updated_at=at, history=history
        )

    def completed(self, media: StoredMedia, *, policy: Policy, at: datetime) -> "Creation":
        completed = replace(
            self._moved({Status.PROCESSING}, Status.DRAFT, at=at)._settled(),
            stage=Stage.DONE,
            progress=STAGE_PROGRESS[Stage.DONE],
            media_key=media.media_key,
            thumbnail_key=media.thumbnail_key,
            width=media.width,
            height=media.height,
            size_bytes=media.size_bytes,
            history=self._after(Step.COMPLETED, f"{media.size_bytes} bytes", at=at),
        )
        return completed.with_expiry(policy=policy, at=at)

    def without_thumbnail(self) -> "Creation":
        return replace(self, thumbnail_key=None)

    def waiting_to_retry(
        self, retry_at: datetime, *, uses_retry: bool = True, policy: Policy, at: datetime
    ) -> "Creation":
        """Return it waiting for a later task; the lease owner stays, to identify this decision."""
        waiting = replace(
            self._moved({Status.PROCESSING}, Status.PENDING, at=at),
            stage=Stage.WAITING_TO_RETRY,
            retry_count=self.retry_count + uses_retry,
            task_number=self.task_number + 1,
            lease_expires_at=None,
            retry_at=retry_at,
            available_at=retry_at,
            history=self._after(Step.RETRY_LATER, f"task {self.task_number + 1} {retry_at}", at=at),
        )
        return waiting.with_next_sweep(retry_at + timedelta(seconds=policy.sweep_every_s))

    def released(self, *, policy: Policy, at: datetime) -> "Creation":
        """Return it ready to be claimed at once; no retry is used and the operation is kept."""
        pending = self._moved({Status.PROCESSING}, Status.PENDING, at=at)
        retry_at = min(at, self.deadline_at or at)
        released = replace(
            pending,
            stage=Stage.QUEUED,
            hand_back_count=min(self.hand_back_count + 1, policy.hand_backs_max),
            lease_expires_at=None,
            retry_at=retry_at,
            available_at=retry_at,
            history=self._after(Step.RELEASED, f"attempt {self.attempt}", at=at),
        )
        return released.with_next_sweep(at + timedelta(seconds=policy.sweep_every_s))

    def failed(
        self, code: FailureCode, *, queue_error_code: str | None = None, policy: Policy,
        at: datetime,
    ) -> "Creation":  # fmt: skip
        """Return it failed and refunded; the caller writes the refund in the same transaction."""
        failed = replace(
            self._moved(UNFINISHED, Status.FAILED, at=at)._settled(),
            stage=None,
            error=Failure.of(code),
            refunded=True,
            queue_error_code=queue_error_code,
            history=self._after(Step.FAILED, code, at=at),
        )
        return failed.with_expiry(policy=policy, at=at)

    def debited_again(self, *, policy: Policy, at: datetime) -> "Creation":
        """Return a failed creation in its next run; `created_at` and the attempt numbers continue."""
        again = replace(
            self._moved({Status.FAILED}, Status.PENDING, at=at),
            stage=Stage.QUEUED,
            progress=0,
            first_attempt=self.attempt + 1,
            retry_count=0,
            run_number=self.run_number + 1,
            task_number=self.task_number + 1,
            requeue_count=0,
            hand_back_count=0,
            lease_owner=None,
            execution_name=None,
            intent=None,
            has_start=False,
            spent_usd=0.0,
            operation_name=None,
            available_at=at,
            deadline_at=at + timedelta(seconds=policy.deadline_s),
            model=None,
            error=None,
            refunded=False,
            queue_error_code=None,
            expires_at=None,
            history=self._after(Step.DEBITED_AGAIN, f"task {self.task_number + 1}", at=at),
        )
        return again.with_next_sweep(at + timedelta(seconds=policy.sweep_every_s))

    def prepared_for_publication(self, public_id: str, *, at: datetime) -> "Creation":
        """Return a draft with a publication number that was never used before."""
        return replace(
            self._moved({Status.DRAFT}, Status.DRAFT, at=at),
            public_id=self.public_id or public_id,
            publication_count=self.publication_count + 1,
        )

    def published(
        self, caption: str | None, *, is_scheduled: bool = False, at: datetime
    ) -> "Creation":
        number = f"number {self.publication_count}{AS_SCHEDULED if is_scheduled else ''}"
        return replace(
            self._moved({Status.DRAFT}, Status.PUBLISHED, at=at),
            caption=self.caption if caption is None else caption,
            published_at=at,
            expires_at=None,
            schedule=None,
            schedule_error=None,
            history=self._after(Step.PUBLISHED, number, at=at),
        )

    def captioned(self, caption: str | None, *, at: datetime) -> "Creation":
        """Return it with a caption, or with its own if there is none."""
        return replace(self, caption=self.caption if caption is None else caption, updated_at=at)

    def unpublished(self, *, policy: Policy, at: datetime) -> "Creation":
        draft = replace(
            self._moved({Status.PUBLISHED}, Status.DRAFT, at=at),
            published_at=None,
            schedule=None,
            history=self._after(Step.UNPUBLISHED, f"number {self.publication_count}", at=at),
        )
        return draft.with_expiry(policy=policy, at=at)

    def with_expiry(self, *, policy: Policy, at: datetime) -> "Creation":
        """Return it with its life counted from now, or without an end."""
        has_end = self.may_expire and policy.draft_life_days > 0
        expires_at = at + timedelta(days=policy.draft_life_days) if has_end else None
        return replace(self, expires_at=expires_at, expiry_run=self.run_number)

    def requeued(self, *, policy: Policy, at: datetime) -> "Creation":
        """Return it with a new task number; the next sweeps follow after 60, 120, 240 s .."""
        wait_s = policy.sweep_every_s * 2 ** max(0, self.requeue_count - self.hand_back_count)
        requeued = replace(
            self,
            task_number=self.task_number + 1,
            requeue_count=self.requeue_count + 1,
            available_at=(self.available_at or at) if self.status is Status.PENDING else None,
            updated_at=at,
            history=self._after(Step.REQUEUED, f"task {self.task_number + 1}", at=at),
        )
        return requeued.with_next_sweep(at + timedelta(seconds=wait_s))

    def with_next_sweep(self, sweep_at: datetime) -> "Creation":
        """Return it with its next sweep, never after the deadline."""
        deadline_at = self.deadline_at or sweep_at
        return replace(self, sweep_at=min(sweep_at, deadline_at))

    def _leased(self, *, policy: Policy, at: datetime) -> "Creation":
        ends_at = at + timedelta(seconds=policy.lease_s)
        leased = replace(self, lease_expires_at=ends_at)
        return leased.with_next_sweep(ends_at + timedelta(seconds=policy.lease_grace_s))

    def _settled(self) -> "Creation":
        return replace(
            self,
            lease_expires_at=None,
            retry_at=None,
            available_at=None,
            deadline_at=None,
            sweep_at=None,
        )

    def _after(self, step: Step, detail: object, *, at: datetime) -> tuple[Event, ...]:
        return appended(self.history, step, detail, at=at)

    def _moved(self, sources: AbstractSet[Status], target: Status, *, at: datetime) -> "Creation":
        if self.status not in sources:
            raise IllegalTransition(status=self.status)
        return replace(self, status=target, updated_at=at)


def creation_key(creation_id: CreationId) -> Key[Creation]:
    return Key(Collection.CREATIONS, creation_id)
