"""Looks at every commit, start and deletion as it happens, and writes down what must not be.

The transitions and limits are written here once more, on purpose: a check that used the code's own
table would believe whatever the code believes.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from shared.domain.account import Account
from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId, Key
from shared.domain.ledger import LedgerEntry, debit_id, refund_id
from shared.domain.policy import Kind, Policy
from shared.domain.status import UNFINISHED, Status
from shared.lifecycle.invariants import Books, violations
from shared.ports.store import Document
from tests.builders import NOON
from tests.simulation.cloud import CLOCKS_DIFFER_S, SimulatedQueue
from tests.simulation.makers import SimulatedGenerator, SimulatedMediaStore, Start
from tests.simulation.scheduler import Simulation
from tests.simulation.store import Changes, SimulatedStore
from tests.simulation.welcomes import Welcomes

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
    ("failed", None),
}
BOOKS_EVERY = 8
"""All books are checked after every so many commits: each commit's own checks are exact."""


@dataclass
class Inspector:
    """What was found in one history, in order."""

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
    _commits: int = 0
    _attempt_of: dict[str, int] = field(default_factory=dict)
    """Each holder's last attempt."""
    _debit_of: dict[tuple[CreationId, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store.seen = self._commit
        self.media.seen = self._deleted
        self.queue.seen = self._enqueued
        for generator in self.generators.values():
            generator.seen = partial(self._started, generator)

    def report(self, invariant: str, what: str) -> None:
        """Write down what must not be."""
        line = f"{invariant} at {self.simulation.now_s:.1f} s: {what}"
        self.found.append(line)
        self.simulation.note(f"VIOLATION {line}")

    def must(self, holds: object, invariant: str, what: str) -> None:
        """Write down what does not hold."""
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
            if isinstance(before, Creation) or isinstance(after, Creation):
                self._creation(actor, before, after, entries)
            elif isinstance(after, LedgerEntry):
                self._entry(before, after, changes)
            elif isinstance(after, Account):
                self._account(before, after, changes)
        for problem in self.welcomes.problems([*changes.values()]) if self.welcomes else ():
            self.report("I18", problem)
        if self._commits % self.books_every == 0:
            self.check_books()

    def check_books(self) -> None:
        """Check what the audit checks; while sweeps are missed, nothing is late (I7)."""
        books = Books.of(self.store.documents.values())
        for violation in violations(books, at=self.now, policy=self.policy):
            if violation.invariant != "I7" or self.simulation.faults.are_off:
                self.report(violation.invariant, f"{violation.document} {violation.what}")

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
        told = (entry.signed_tokens, entry.balance_after_tokens, entry.sequence)
        self.must(moved == told, "I1", f"{entry.entry_id} says {told}, the account {moved}")

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
        debit, refund = debit_id(name, creation.debits), refund_id(name, creation.debits)
        is_paid = move[1] is Status.PENDING and move[0] in (None, Status.FAILED)
        is_failed = move[1] is Status.FAILED and move[0] in UNFINISHED
        self.must(is_paid == (debit in entries), "I2", f"{name} {move} with {sorted(entries)}")
        self.must(is_failed == (refund in entries), "I3", f"{name} {move} with {sorted(entries)}")
        if after is None:
            return
        self._times(after)
        self._files(after, move[0])
        if before is None or is_paid:
            return
        self._steps(before, after)
        if after.attempt > before.attempt:
            self._claim(actor, before, after)
        elif actor in self._attempt_of:
            mine = self._attempt_of[actor]
            is_mine = (str(before.holder), before.attempt) == (actor, mine)
            is_held = before.status is Status.PROCESSING
            self.must(is_mine and is_held, "I6", f"{actor} wrote {name} of {before.holder}")

    def _times(self, after: Creation) -> None:
        name = after.creation_id
        if after.is_unfinished:
            is_swept = after.sweep_at and after.deadline_at and after.sweep_at <= after.deadline_at
            self.must(is_swept, "I7", f"{name} is swept at {after.sweep_at}, after its deadline")
        if after.retry_at and after.deadline_at:
            self.must(after.retry_at <= after.deadline_at, "I7", f"{name} is retried too late")

    def _steps(self, before: Creation, after: Creation) -> None:
        name = after.creation_id
        self.must(after.created_at == before.created_at, "I12", f"{name} changed its birth")
        self.must(after.attempt in (before.attempt, before.attempt + 1), "I6", f"{name} attempts")
        if after.is_unfinished:
            self.must(after.deadline_at == before.deadline_at, "I7", f"{name} changed its deadline")
            self.must(after.progress >= before.progress, "I12", f"{name} lost progress")
        if after.unknown_starts > before.unknown_starts:
            allowed = 1 if after.kind is Kind.IMAGE else 0
            is_free = before.operation_name is None and before.unknown_starts <= allowed
            self.must(is_free, "I5", f"{name} may be started while an earlier start may run")
        code = after.error.code if after.error else None
        is_pending = before.status is Status.PENDING
        if code is FailureCode.CANCELLED:
            is_untold = before.intent is None and before.operation_name is None
            self.must(is_pending and is_untold, "I12", f"{name} cancelled while {before.status}")
        if code is FailureCode.QUEUE_UNAVAILABLE:
            is_untouched = is_pending and not before.was_claimed_for_this_debit
            self.must(is_untouched, "I10", f"{name} had a task: it was {before.status}")

    def _claim(self, actor: str, before: Creation, after: Creation) -> None:
        name, holder = after.creation_id, after.holder
        self._attempt_of[actor] = after.attempt
        self._debit_of[name, after.attempt] = after.debits
        self.must(str(holder) == actor, "I6", f"{actor} claimed for {holder}")
        count = len(after.attempts_of_this_debit)
        self.must(count <= self.policy.attempts_max, "I17", f"{name} has {count} attempts")
        early = timedelta(seconds=self.policy.retry_early_s + 2 * CLOCKS_DIFFER_S)
        if before.retry_at:
            self.must(self.now >= before.retry_at - early, "I12", f"{name} claimed too early")
        is_successor = before.holder and holder and holder.succeeds(before.holder)
        is_leased = before.lease_expires_at and self.now < before.lease_expires_at
        self.must(not is_leased or is_successor, "I6", f"{name} claimed from {before.holder}")
        if after.operation_name is not None:
            self.simulation.marks["resumed_operation"] += 1

    def _files(self, after: Creation, was: Status | None) -> None:
        if after.status is Status.DRAFT and was is Status.PROCESSING:
            file = self.media.files.get(after.media_key or "")
            is_there = file and file.size_bytes == after.size_bytes
            self.must(is_there, "I14", f"{after.creation_id} is a draft without its file")
            self.must(
                not self.store.has_entry(refund_id(after.creation_id, after.debits)),
                "I4",
                f"{after.creation_id} is a draft and refunded",
            )
        if after.status is Status.PUBLISHED:
            self.was_published.add(after.creation_id)
            missing = [key for key in after.public_keys.values() if key not in self.media.files]
            self.must(not missing, "I14", f"{after.creation_id} is published without {missing}")

    # What is beside the store

    def _deleted(self, key: str) -> None:
        for document in self.store.documents.values():
            if isinstance(document, Creation) and key in _needed(document):
                self.report("I14", f"{key} of {document.creation_id} was deleted")

    def _enqueued(self, actor: str, creation_id: CreationId, number: int) -> None:
        if actor.startswith("sweep"):
            is_new = not self.queue.knows(creation_id, number)
            self.must(is_new, "I7", f"the sweep used task {number} of {creation_id} again")

    def _started(self, generator: SimulatedGenerator, start: Start) -> None:
        """I5: nothing is started while an earlier start of the debit may be running."""
        debit = self._debit_of.get((start.creation_id, start.attempt))
        earlier = [
            each
            for each in generator.starts
            if each.creation_id == start.creation_id
            and self._debit_of.get((each.creation_id, each.attempt)) == debit
            and not each.is_over
        ]
        allowed = 1 if generator.kind is Kind.IMAGE else 0
        self.must(
            len(earlier) <= allowed,
            "I5",
            f"{start.creation_id} was started {len(earlier) + 1} times for debit {debit}",
        )
        if earlier and len(earlier) <= allowed:
            self.simulation.marks["second_image_start"] += 1
        creation = self.store.creation(start.creation_id)
        if creation and creation.debits == debit and creation.is_unfinished:
            self.must(creation.intent, "I5", f"{start.creation_id} was started without an intent")

    # The end

    def check_end(self) -> None:
        """With the faults long off: all is settled, every file is needed, the books are right."""
        self.check_books()
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
            self.report("I15", f"{key} is left over")


def _needed(creation: Creation) -> set[str]:
    """Return the keys of the files that a ready creation shows."""
    if creation.status not in (Status.DRAFT, Status.PUBLISHED):
        return set()
    keys = {key for key in (creation.media_key, creation.thumbnail_key) if key}
    if creation.status is Status.PUBLISHED:
        keys |= set(creation.public_keys.values())
    return keys
