"""Checks every commit, start and deletion as it happens, and records violations.

The transitions and limits are deliberately duplicated here: a check that used the table of the code
under test would repeat its mistakes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from shared.domain.account import Account
from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId, Key, UserId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.ledger import LedgerEntry, debit_id, refund_id
from shared.domain.media import MediaDeletion
from shared.domain.policy import Policy
from shared.domain.status import UNFINISHED, Stage, Status
from shared.lifecycle.invariants import Books, violations
from shared.lifecycle.violation import Violation
from shared.ports.store import Document
from tests.simulation.checks import Checks, Commit, Problem, named
from tests.simulation.cloud import CLOCKS_DIFFER_S, SimulatedQueue
from tests.simulation.download_checks import DownloadChecks
from tests.simulation.generators import (
    WITH_MEDIA,
    SimulatedGenerator,
    SimulatedMediaStore,
    Start,
)
from tests.simulation.group_checks import GroupChecks
from tests.simulation.likes import LikeChecks
from tests.simulation.operators import OperatorChecks, is_of_operator
from tests.simulation.retention import RetentionChecks
from tests.simulation.scheduler import Simulation
from tests.simulation.sharing import SharingChecks
from tests.simulation.statistics import StatisticsChecks
from tests.simulation.store import Changes, SimulatedStore
from tests.simulation.welcomes import Welcomes
from tests.support.builders import NOON

LEGAL = {
    (None, "pending"),
    ("pending", "pending"),
    ("pending", "processing"),
    ("pending", "failed"),
    ("processing", "processing"),
    ("processing", "pending"),
    ("processing", "draft"),
    ("processing", "failed"),
    ("draft", "draft"),
    ("draft", "published"),
    ("draft", None),
    ("published", "published"),
    ("published", "draft"),
    ("published", None),
    ("failed", "pending"),
    ("failed", "failed"),
    ("failed", None),
}
REFUSED_FOR_S = 120
"""How long reads must be refused before a paid operation is abandoned."""
HAND_OVER_S = 60
"""How long before its job ends an attempt may stop storing."""
FREE = {"cancelled", "policy_violation", "safety_filter", "generator_rejected"}
BOOKS_EVERY = 8
"""The full audit runs after this many commits; the checks of a single commit always run."""


@dataclass
class Inspector:
    """Violations of one history, in order."""

    simulation: Simulation
    store: SimulatedStore
    media: SimulatedMediaStore
    queue: SimulatedQueue
    generators: dict[Kind, SimulatedGenerator]
    policy: Policy
    books_every: int = BOOKS_EVERY
    found: list[str] = field(default_factory=list)
    was_published: set[CreationId] = field(default_factory=set)
    welcomes: Welcomes | None = None
    waited_s: defaultdict[UserId, list[float]] = field(default_factory=lambda: defaultdict(list))
    """From the first debit to the first claim, of each creation of each user."""
    most_running: Counter[Kind] = field(default_factory=Counter)
    """How many creations of a kind were processing at once at most."""
    began_s: dict[str, float] = field(default_factory=dict)
    """When each job's process began."""
    _running: Counter[Kind] = field(default_factory=Counter)
    _commits: int = 0
    _attempt_of: dict[tuple[str, CreationId], int] = field(default_factory=dict)
    """The last attempt of each lease owner at each creation."""
    _numbers_claimed: set[tuple[CreationId, int]] = field(default_factory=set)
    """The numbers of tasks whose work was claimed, which may be withdrawn."""
    debits_by: Counter[str] = field(default_factory=Counter)
    """Number of debits written by each process."""
    _debited_s: dict[str, float] = field(default_factory=dict)
    """When the last debit of each creation was committed."""
    _begun_keys: set[str] = field(default_factory=set)
    """The keys of every deletion marked as begun: no publication of them can commit."""
    _debit_of: dict[tuple[CreationId, int], int] = field(default_factory=dict)
    _free_at: defaultdict[UserId, list[datetime]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        life = timedelta(days=self.policy.draft_life_days)
        self.sharing = SharingChecks(self.simulation, self.report, life)
        self.groups, self.operators = GroupChecks(self.policy), OperatorChecks()
        self.likes, self.retention = LikeChecks(self.store), RetentionChecks(self.policy)
        self._checks: tuple[Checks, ...] = (
            *(self.groups, self.likes, self.operators, self.retention, self.sharing),
            *(DownloadChecks(), StatisticsChecks(self.store.wakes_to_fold)),
        )
        self.store.seen = self._commit
        self.media.seen = self._deleted
        self.queue.seen = self._enqueued
        self.queue.withdrawing = self._withdrawn
        for generator in self.generators.values():
            generator.seen = partial(self._started, generator)
            generator.discarded = self._discarded

    def report(self, invariant: str, what: str) -> None:
        """Record a violation."""
        line = f"{invariant} at {self.simulation.now_s:.1f} s: {what}"
        self.found.append(line)
        self.simulation.note(f"VIOLATION {line}")

    def _report_all(self, problems: Iterable[Problem]) -> None:
        for invariant, what in problems:
            self.report(invariant, what)

    def must(self, holds: object, invariant: str, what: str) -> None:
        """Record a violation unless the condition holds."""
        if not holds:
            self.report(invariant, what)

    @property
    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.simulation.now_s)

    # Commits

    def _commit(self, actor: str, changes: Changes) -> None:
        self._commits += 1
        entries = {key.id for key, (_, after) in changes.items() if isinstance(after, LedgerEntry)}
        for key, (before, after) in changes.items():
            self._note(actor, key, after)
            if isinstance(after, MediaDeletion) and after.is_begun:
                self._begun_keys.update(after.keys)
            if isinstance(before, Creation) or isinstance(after, Creation):
                self._creation(actor, before, after, entries)
                self._count_running(before, after)
                self._free(actor, before, after, changes)
            elif isinstance(after, LedgerEntry):
                self._entry(before, after, changes)
            elif isinstance(after, Account):
                self._account(before, after, changes)
        self._check_parts(Commit(actor, changes, self.now))
        if self._commits % self.books_every == 0:
            self.check_books()

    def _check_parts(self, commit: Commit) -> None:
        """Check what the parts of the protocol with checks of their own require of a commit."""
        if self.welcomes:
            self._report_all(named("I18", self.welcomes.problems([*commit.changes.values()])))
        for checks in self._checks:
            self._report_all(checks.problems(commit))

    def check_books(self) -> None:
        books = Books.of(self.store.documents.values())
        for violation in violations(books, at=self.now, policy=self.policy):
            if self.counts(violation):
                self.report(violation.invariant, f"{violation.document} {violation.what}")

    def counts(self, violation: Violation) -> bool:
        """Return whether it is one: nothing is late while sweeps are missed, or just debited.

        A process that froze for longer than the deadline can commit a debit whose deadline has passed.
        """
        if violation.invariant != "I7":
            return True
        debited_s = self._debited_s.get(violation.document, 0.0)
        is_known = self.simulation.now_s - debited_s > 2 * self.policy.sweep_every_s
        return self.simulation.faults.are_off and is_known

    def _note(self, actor: str, key: Key[Any], after: Document | None) -> None:
        if self.simulation.trace is not None:
            state = f"{after.status} {after.attempt}" if isinstance(after, Creation) else ""
            self.simulation.note(f"{actor} writes {key.collection}/{key.id} {state}")

    def _entry(self, before: Document | None, entry: LedgerEntry, changes: Changes) -> None:
        self.must(before is None, "I11", f"{entry.entry_id} was rewritten")
        accounts = [
            (old, new)
            for old, new in changes.values()
            if isinstance(new, Account) and new.user_id == entry.user_id
        ]
        if len(accounts) != 1:
            self.report("I1", f"{entry.entry_id} moves no account")
            return
        old, new = accounts[0]
        balance = old.balance_tokens if isinstance(old, Account) else 0
        moved = (new.balance_tokens - balance, new.balance_tokens, new.ledger_count)
        together = [each for _, each in changes.values() if isinstance(each, LedgerEntry)]
        last = max(together, key=lambda each: each.sequence)
        tokens = sum(each.signed_tokens for each in together)
        recorded = (tokens, last.balance_after_tokens, last.sequence)
        self.must(moved == recorded, "I1", f"{entry.entry_id} says {recorded}, the account {moved}")

    def _account(self, before: Document | None, after: Account, changes: Changes) -> None:
        balance = before.balance_tokens if isinstance(before, Account) else 0
        has_entry = any(
            isinstance(new, LedgerEntry) and new.user_id == after.user_id
            for _, new in changes.values()
        )
        self.must(after.balance_tokens >= 0, "I1", f"{after.user_id} has {after.balance_tokens}")
        self.must(
            after.balance_tokens == balance or has_entry, "I1", f"{after.user_id} without entry"
        )

    def _creation(self, actor: str, before: Any, after: Any, entries: set[str]) -> None:
        move = (before.status if before else None, after.status if after else None)
        creation: Creation = after or before
        name = creation.creation_id
        self.must(move in LEGAL, "I12", f"{name} {move[0]} -> {move[1]}")
        debit, refund = debit_id(name, creation.run_number), refund_id(name, creation.run_number)
        is_paid = move[1] is Status.PENDING and move[0] in (None, Status.FAILED)
        is_failed = move[1] is Status.FAILED and move[0] in UNFINISHED
        self.must(is_paid == (debit in entries), "I2", f"{name} {move} with {sorted(entries)}")
        self.must(is_failed == (refund in entries), "I3", f"{name} {move} with {sorted(entries)}")
        if after is None:
            return
        self._times(after)
        self._available(before, after)
        self._files(after, move[0])
        has_record = after.intent is not None or after.operation_name is not None
        self.must(after.has_start == has_record, "I12", f"{name} has_start {after.has_start}")
        if before is None or is_paid or move == ("failed", "failed"):
            return
        self._steps(actor, before, after)
        if after.requeue_count > before.requeue_count:
            self._requeue(before, after)
        if after.attempt > before.attempt:
            self._claim(actor, before, after)
        elif "-job-" in actor:
            mine = self._attempt_of.get((actor, name))
            is_mine = (str(before.lease_owner), before.attempt) == (actor, mine)
            is_held = before.status is Status.PROCESSING
            self.must(is_mine and is_held, "I6", f"{actor} wrote {name} of {before.lease_owner}")

    def _count_running(self, before: Any, after: Any) -> None:
        kind = (after or before).kind
        is_running, was_running = (
            each is not None and each.status is Status.PROCESSING for each in (after, before)
        )
        self._running[kind] += is_running - was_running
        self.most_running[kind] = max(self.most_running[kind], self._running[kind])

    def _available(self, before: Creation | None, after: Creation) -> None:
        """Check that it is available exactly while pending: since its debit, or from its retry."""
        expected = None
        if after.status is Status.PENDING:
            has_waited = before is not None and before.status is Status.PENDING
            since = before.available_at if before and has_waited else after.updated_at
            expected = after.retry_at or since
        is_right = after.available_at == expected
        what = f"{after.creation_id} available at {after.available_at}, not {expected}"
        self.must(is_right, "I12", what)

    def _free(self, actor: str, before: Any, after: Any, changes: Changes) -> None:
        if after is None:
            return
        if after.status is Status.FAILED and (before is None or before.status in UNFINISHED):
            self._refunded(after, changes)
        if before is None or after.run_number > before.run_number:
            self.debits_by[actor] += 1
            self._debited_s[after.creation_id] = self.simulation.now_s
            self._debited(after, changes)

    def _times(self, after: Creation) -> None:
        name = after.creation_id
        if after.is_unfinished:
            is_swept = after.sweep_at and after.deadline_at and after.sweep_at <= after.deadline_at
            self.must(is_swept, "I7", f"{name} is swept at {after.sweep_at}, after its deadline")
        if after.retry_at and after.deadline_at:
            self.must(after.retry_at <= after.deadline_at, "I7", f"{name} is retried too late")
        if after.retry_at and after.stage is Stage.WAITING_TO_RETRY:
            self._must_have_time(after, after.retry_at, "is retried")

    def _must_have_time(self, creation: Creation, at: datetime, what: str) -> None:
        least = timedelta(seconds=self.policy.minimum_run_s(creation.kind))
        has_time = creation.deadline_at and at + least <= creation.deadline_at
        self.must(has_time, "I7", f"{creation.creation_id} {what} with too little time left")

    def _steps(self, actor: str, before: Creation, after: Creation) -> None:
        name = after.creation_id
        self.must(after.created_at == before.created_at, "I12", f"{name} changed created_at")
        self.must(after.attempt in (before.attempt, before.attempt + 1), "I6", f"{name} attempts")
        if after.is_unfinished:
            self.must(after.deadline_at == before.deadline_at, "I7", f"{name} changed its deadline")
            self.must(after.progress >= before.progress, "I12", f"{name} lost progress")
        if after.unknown_starts > before.unknown_starts:
            allowed = 1 if after.kind is Kind.IMAGE else 0
            is_free = before.operation_name is None and before.unknown_starts <= allowed
            self.must(is_free, "I5", f"{name} may be started while an earlier start may run")
            self._intent(before, after)
        if before.operation_name is not None and after.operation_name is None:
            self._abandoned(after, self.generators[after.kind].starts[int(before.operation_name)])
        code = after.error.code if after.error else None
        self._failure(actor, before, code)
        is_pending = before.status is Status.PENDING
        if code is FailureCode.CANCELLED:
            self._cancelled(before)
        if code is FailureCode.QUEUE_UNAVAILABLE:
            is_untouched = is_pending and not before.was_claimed_for_this_debit
            self.must(is_untouched, "I10", f"{name} had a task: it was {before.status}")
            is_queued = before.run_number == 1 and (name, 1) in self.queue.acknowledged
            self.must(not is_queued, "I10", f"{name} was refunded although it has a task")

    def _cancelled(self, before: Creation) -> None:
        """Check that nothing was paid for that may still become media (I12)."""
        name, is_processing = before.creation_id, before.status is Status.PROCESSING
        has_record = before.intent is not None or before.operation_name is not None
        running = self._running_starts(self.generators[before.kind], name, before.run_number)
        self.must(not has_record, "I12", f"{name} was cancelled with a start on record")
        self.must(not running, "I12", f"{name} was cancelled while it was generated")
        self.simulation.marks["cancelled_while_processing"] += is_processing

    def _intent(self, before: Creation, after: Creation) -> None:
        if after.intent is None:
            return
        self._must_have_time(after, after.intent.at, "is started")
        if before.intent is not None:
            pause = timedelta(seconds=self.policy.retry_delays_s[0] - self.policy.retry_early_s)
            is_later = after.intent.at - before.intent.at >= pause
            self.must(is_later, "I5", f"{after.creation_id} is started again too soon")

    def _abandoned(self, creation: Creation, start: Start) -> None:
        """Check that an operation is abandoned only when it ended without media."""
        name = creation.creation_id
        self.must(start.has_ended, "I5", f"{name} abandoned an operation that may run")
        is_nowhere = start.end not in WITH_MEDIA or not start.is_place_readable
        was_searched = start.is_place_read and not start.is_found
        is_right = is_nowhere or was_searched or start.is_broken
        self.must(is_right, "I5", f"{name} abandoned media that is in its output location")

    def _failure(self, actor: str, before: Creation, code: FailureCode | None) -> None:
        """Check that no paid result is abandoned early."""
        name, deadline_at = before.creation_id, before.deadline_at
        skew = timedelta(seconds=CLOCKS_DIFFER_S)
        is_late = deadline_at is not None and self.now >= deadline_at - skew
        if code is FailureCode.DEADLINE_EXCEEDED and before.operation_name is not None:
            self.must(is_late, "I7", f"{name} was out of time before its deadline")
            start = self.generators[before.kind].starts[int(before.operation_name)]
            was_searched = start.is_place_checked or actor.startswith("sweep")
            self.must(was_searched, "I5", f"{name} failed without reading its output location")
        if code is FailureCode.STORAGE_FAILED:
            run_s = self.simulation.now_s - self.began_s[actor]
            is_tried = run_s >= self.policy.job_timeout_s(before.kind) - HAND_OVER_S
            self.must(is_tried or is_late, "I7", f"{name} gave up storing after {run_s:.0f} s")
        if code is FailureCode.INTERNAL and before.operation_name is not None:
            start = self.generators[before.kind].starts[int(before.operation_name)]
            at_s = start.refused_at_s
            is_final = len(at_s) >= 3 and at_s[-1] - at_s[0] >= REFUSED_FOR_S
            self.must(is_final, "I7", f"{name} gave up reads that were refused {len(at_s)} times")

    def _claim(self, actor: str, before: Creation, after: Creation) -> None:
        name, lease_owner = after.creation_id, after.lease_owner
        self._attempt_of[actor, name] = after.attempt
        self._numbers_claimed.update((name, n + 1) for n in range(after.task_number))
        self._debit_of[name, after.attempt] = after.run_number
        self.must(str(lease_owner) == actor, "I6", f"{actor} claimed for {lease_owner}")
        if after.attempt == 1:
            self.waited_s[after.user_id].append((self.now - after.created_at).total_seconds())
        count = len(after.attempts_of_this_debit)
        attempts_max = self.policy.attempts_max + after.hand_back_count
        self.must(count <= attempts_max, "I17", f"{name} has {count} attempts")
        early = timedelta(seconds=self.policy.retry_early_s + 2 * CLOCKS_DIFFER_S)
        if before.retry_at:
            self.must(self.now >= before.retry_at - early, "I12", f"{name} claimed too early")
        self.must(after.retry_at is None, "I12", f"{name} is claimed and waits for a retry")
        self.simulation.marks["drained"] += not is_own(actor, name)
        self._must_have_time(after, after.updated_at, "is claimed")
        is_successor = _succeeds(lease_owner, before.lease_owner)
        was_left = is_successor and before.status is Status.PROCESSING
        self.simulation.marks["taken_back"] += was_left and not is_own(actor, name)
        is_leased = before.lease_expires_at and self.now < before.lease_expires_at
        self.must(not is_leased or is_successor, "I6", f"{name} claimed from {before.lease_owner}")
        if after.operation_name is not None:
            self.simulation.marks["resumed_operation"] += 1

    def _requeue(self, before: Creation, after: Creation) -> None:
        """Check that the sweep takes nothing from an attempt that may still hold its lease."""
        skew = timedelta(seconds=2 * CLOCKS_DIFFER_S)
        grace = timedelta(seconds=self.policy.lease_grace_s) - skew
        ended_at = before.lease_expires_at
        is_left = ended_at is None or self.now >= ended_at + grace
        self.must(is_left, "I6", f"{after.creation_id} is requeued under a lease")

    def _files(self, after: Creation, was: Status | None) -> None:
        if after.status is Status.DRAFT and was is Status.PROCESSING:
            file = self.media.files.get(after.media_key or "")
            is_there = file and file.size_bytes == after.size_bytes
            self.must(is_there, "I14", f"{after.creation_id} is a draft without its file")
            self.must(
                not self.store.has_entry(refund_id(after.creation_id, after.run_number)),
                "I4",
                f"{after.creation_id} is a draft and refunded",
            )
        if after.status is Status.PUBLISHED:
            self.was_published.add(after.creation_id)
            missing = [key for key in after.public_keys.values() if key not in self.media.files]
            self.must(not missing, "I14", f"{after.creation_id} is published without {missing}")

    # Outside the store

    def _deleted(self, key: str) -> None:
        is_begun = key in self._begun_keys
        self.must(is_begun, "I14", f"{key} was deleted before its entry was marked as begun")
        for document in self.store.documents.values():
            if isinstance(document, Creation) and key in _needed(document):
                self.report("I14", f"{key} of {document.creation_id} was deleted")

    def stopped(self, lease_owner: str) -> None:
        """Count the leases that a process kept after SIGTERM; a fault of the store excuses it."""
        for each in self.store.processing():
            self.simulation.marks["kept_after_sigterm"] += str(each.lease_owner) == lease_owner

    def _enqueued(self, actor: str, creation_id: CreationId, number: int) -> None:
        if actor.startswith("sweep"):
            is_new = not self.queue.knows(creation_id, number)
            self.must(is_new, "I7", f"the sweep used task {number} of {creation_id} again")

    def _discarded(self, start: Start, operation_name: str) -> None:
        creation = self.store.creation(start.creation_id)
        is_needed = (
            creation is not None
            and creation.is_unfinished
            and creation.operation_name == operation_name
        )
        self.must(not is_needed, "I5", f"{start.creation_id} may resume what was discarded")

    def _withdrawn(self, actor: str, creation_id: CreationId, number: int) -> None:
        """Check that only the task of a refunded or claimed run is withdrawn (I18)."""
        if (creation_id, number) in self._numbers_claimed:
            return
        creation = self.store.creation(creation_id)
        if creation is None or number < creation.task_number:
            return  # the run has ended
        is_refunded = self.store.has_entry(refund_id(creation_id, creation.run_number))
        self.must(
            is_refunded and not creation.is_unfinished and number == creation.task_number,
            "I18",
            f"{actor} withdrew task {number} of {creation_id}, which is {creation.status}",
        )

    def free_outcomes(self, user_id: UserId) -> int:
        """Return how many runs their owner ended for free in the last hour, plus clock skew."""
        since = self.now - timedelta(hours=1, seconds=2 * CLOCKS_DIFFER_S)
        return sum(at >= since for at in self._free_at[user_id])

    def _refunded(self, after: Creation, changes: Changes) -> None:
        """Check that a refund counts against its owner only if the owner caused it (I18)."""
        is_owners = after.error is not None and after.error.code in FREE
        if is_owners:
            self._free_at[after.user_id].append(self.now)
        for old, new in changes.values():
            if isinstance(old, Account) and isinstance(new, Account):
                counted = new.free_hour != old.free_hour
                code = after.error.code if after.error else None
                self.must(
                    counted == is_owners, "I18", f"{after.creation_id} {code} counted: {counted}"
                )

    def _debited(self, after: Creation, changes: Changes) -> None:
        """Check that no owner is debited while the hour of free outcomes is full (I18)."""
        if is_of_operator(changes):
            return
        for old, _ in changes.values():
            if isinstance(old, Account) and old.free_hour is not None:
                hour = old.free_hour
                begins_at = hour.started_at + timedelta(hours=1, seconds=-2 * CLOCKS_DIFFER_S)
                is_full = hour.count >= self.policy.free_outcomes_per_hour_max
                has_passed = self.now >= begins_at
                self.must(
                    not is_full or has_passed, "I18", f"{after.creation_id} debited in a full hour"
                )

    def _started(self, generator: SimulatedGenerator, start: Start) -> None:
        """Check that no start happens while an earlier one of the debit may be running (I5)."""
        debit = self._debit_of.get((start.creation_id, start.attempt))
        earlier = self._running_starts(generator, start.creation_id, debit)
        allowed = 1 if generator.kind is Kind.IMAGE else 0
        self.must(
            len(earlier) <= allowed,
            "I5",
            f"{start.creation_id} was started {len(earlier) + 1} times for debit {debit}",
        )
        if earlier and len(earlier) <= allowed:
            self.simulation.marks["second_image_start"] += 1
        creation = self.store.creation(start.creation_id)
        if creation and creation.run_number == debit and creation.is_unfinished:
            self.must(creation.intent, "I5", f"{start.creation_id} was started without an intent")
        if creation and creation.run_number == debit and creation.error:
            is_cancelled = creation.error.code is FailureCode.CANCELLED
            self.must(
                not is_cancelled, "I5", f"{start.creation_id} was started after it was cancelled"
            )

    def _running_starts(
        self, generator: SimulatedGenerator, creation_id: CreationId, debit: int | None
    ) -> list[Start]:
        """Return the starts of this debit that may still become media."""
        return [
            each
            for each in generator.starts_of[creation_id]
            if self._debit_of.get((each.creation_id, each.attempt)) == debit and not each.has_ended
        ]

    # End of the history

    def check_end(self) -> None:
        """Check that everything is settled, every file is referenced and the audit passes."""
        self.check_books()
        for checks in self._checks:
            self._report_all(checks.problems_at_end(self.store.documents))
        broken = "attempt_failed_unexpectedly"
        self.must(not self.simulation.marks[broken], "I10", broken)
        needed: set[str] = set()
        for document in self.store.documents.values():
            if isinstance(document, Creation):
                self.must(
                    not document.is_unfinished, "I7", f"{document.creation_id} {document.status}"
                )
                needed |= _needed(document)
        for key in sorted(needed - self.media.files.keys()):
            self.report("I14", f"{key} is missing")
        for key in sorted(self.media.files.keys() - needed):
            self.report("I15", f"{key} is referenced by nothing")


def _succeeds(lease_owner: LeaseOwner | None, other: LeaseOwner | None) -> bool:
    """Return whether the first is a later task attempt of the other's execution."""
    if lease_owner is None or other is None or lease_owner.execution != other.execution:
        return False
    return lease_owner.task_attempt > other.task_attempt


def is_own(lease_owner: str, creation_id: CreationId) -> bool:
    """Return whether an execution was started for this creation: its name says so."""
    return creation_id[:6] in lease_owner.split("-")


def _needed(creation: Creation) -> set[str]:
    """Return the keys of the files that a draft or publication references."""
    if creation.status not in (Status.DRAFT, Status.PUBLISHED):
        return set()
    keys = {key for key in (creation.media_key, creation.thumbnail_key) if key}
    if creation.status is Status.PUBLISHED:
        keys |= set(creation.public_keys.values())
    return keys
