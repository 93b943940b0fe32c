"""The audit of the accounts that moved since they were last found correct.

A checkpoint per account holds where its ledger ended then, and what was unfinished. The check
begins there: it reads the later entries, the creations that they name, what was or is unfinished,
and every debit and refund of these. It does not see what else was changed by hand, usernames and
files: the whole audit does.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, islice
from typing import Any

from shared.domain.account import Account, account_key
from shared.domain.audit_checkpoint import AuditCheckpoint, checkpoint_key
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import StoreUnavailable, Unavailable
from shared.domain.keys import CreationId, Key, UserId
from shared.domain.ledger import LedgerEntry, debit_id, entry_key, refund_id
from shared.domain.policy import Policy
from shared.domain.welcome import WELCOME_PREFIX, legacy_welcome_id
from shared.lifecycle.auditing import UNREADABLE, AuditCounts, AuditReport, owner_of, reported
from shared.lifecycle.creation_invariants import EXPIRY_GRACE, late_violations, possible
from shared.lifecycle.duties import AT_ONCE
from shared.lifecycle.invariants import Books, account_violations
from shared.lifecycle.paging import READ_AT_ONCE, ledger_of, pages, unfinished_of
from shared.lifecycle.transactions import Transactions
from shared.lifecycle.violation import Violation
from shared.ports.clock import Clock
from shared.ports.store import Damage, Decision, Document, Found, unchanged, write

log = logging.getLogger(__name__)

RECHECKS = 2
"""How often an account that looks wrong is read again: a use case may have changed it meanwhile."""
RECHECK_PAUSE_S = 1.0
LATE = "I7"
"""Reported for all accounts together."""


@dataclass(frozen=True)
class IncrementalAudit:
    """The audit; `workers` checks up to `AT_ONCE` accounts at once."""

    transactions: Transactions
    workers: Executor
    clock: Clock
    policy: Policy

    def audit(self) -> AuditReport:
        """Check the accounts that moved, log the violations and write a checkpoint of each other.

        An account that cannot be read does not stop the others.

        Raises:
            Unavailable: after the report, if some account could not be read or its checkpoint not
                written, or if the list of accounts ended early.
        """
        counts, unreadable = AuditCounts(), list[Unavailable]()
        report = reported(counts, self._violations(counts, unreadable))
        if unreadable:
            raise unreadable[0]
        return report

    def _violations(
        self, counts: AuditCounts, unreadable: list[Unavailable]
    ) -> Iterator[Violation]:
        try:
            yield from self._of_accounts(counts, unreadable)
            yield from self._late()
        except Unavailable as error:  # what was found until then is reported
            unreadable.append(error)

    def _of_accounts(
        self, counts: AuditCounts, unreadable: list[Unavailable]
    ) -> Iterator[Violation]:
        moved = self._moved()
        while len(unreadable) < AT_ONCE and (batch := list(islice(moved, AT_ONCE))):
            for result in self.workers.map(self._attempted, batch):
                if isinstance(result, Unavailable):
                    unreadable.append(result)
                    continue
                books, wrong = result
                counts.add(books)
                yield from (each for each in wrong if each.invariant != LATE)

    def _moved(self) -> Iterator[UserId | Damage]:
        """Yield the accounts that their checkpoints do not cover, and what cannot be read."""
        for user_id, documents in groupby(self.transactions.store.accounts(), key=owner_of):
            match [*documents]:
                case [Account() as account, AuditCheckpoint() as checkpoint]:
                    if not checkpoint.covers(account):
                        yield account.user_id
                case _ if user_id is not None:
                    yield user_id
                case damaged:
                    yield from (each for each in damaged if isinstance(each, Damage))

    def _attempted(self, moved: UserId | Damage) -> tuple[Books, list[Violation]] | Unavailable:
        if isinstance(moved, Damage):
            return Books(), [Violation(UNREADABLE, moved.document, moved.what)]
        try:
            return self._checked(moved)
        except Unavailable as error:
            if isinstance(error, StoreUnavailable) and error.is_damage:
                return Books(), [Violation(UNREADABLE, moved, f"cannot be checked: {error.reason}")]
            log.exception("audit_unreadable", extra={"user_id": moved})
            return error
        except Exception as error:  # noqa: BLE001 (an audit that stops reports nothing)
            return Books(), [Violation(UNREADABLE, moved, f"cannot be checked: {error!r}")]

    def _checked(self, user_id: UserId) -> tuple[Books, list[Violation]]:
        books, wrong = self._examined(user_id)
        for _ in range(RECHECKS):
            if not wrong:
                break
            self.clock.sleep(RECHECK_PAUSE_S)
            books, wrong = self._examined(user_id)
        if not wrong:
            unfinished = sorted(id_ for id_, each in books.creations.items() if each.is_unfinished)
            self._keep(AuditCheckpoint.of(books.accounts[user_id], tuple(unfinished)))
        return books, wrong

    def _examined(self, user_id: UserId) -> tuple[Books, list[Violation]]:
        """Read one account from its checkpoint on and return its books with what is wrong."""
        store, at = self.transactions.store, self.clock.now()
        start = store.get(checkpoint_key(user_id)) or AuditCheckpoint(user_id=user_id)
        entries, wrong = _later_entries(ledger_of(store, user_id), start)
        ids = {each.creation_id for each in unfinished_of(store, user_id)}.union(start.unfinished)
        ids |= {entry.creation_id for entry in entries if entry.creation_id is not None}
        found = self._found([account_key(user_id), *map(creation_key, sorted(ids))])
        known = {entry.entry_id for entry in entries}
        creations = {each.creation_id: each for each in found if isinstance(each, Creation)}
        wanted = self._entry_ids(ids, creations, known) | {legacy_welcome_id(user_id)}
        earlier = self._found([entry_key(each) for each in sorted(wanted - known)])
        mine = [e for e in earlier if isinstance(e, LedgerEntry) and e.user_id == user_id]
        books = Books.of([*found, *entries, *mine])
        books.checkpoints[user_id] = start
        if user_id not in books.accounts:
            wrong.append(Violation("I1", user_id, "has a checkpoint or a ledger and no account"))
        wrong += _welcome_violations(start, books.accounts.get(user_id), known)
        return books, [*wrong, *account_violations(books, at=at, policy=self.policy)]

    def _entry_ids(
        self, ids: Iterable[CreationId], creations: dict[CreationId, Creation], known: set[str]
    ) -> set[str]:
        """Return the ids of the debits and refunds that these creations can have."""
        wanted: set[str] = set()
        for creation_id in ids:
            creation = creations.get(creation_id)
            runs = (
                possible(creation.run_number) if creation else self._debit_count(creation_id, known)
            )
            for run in range(1, runs + 1):
                wanted |= {debit_id(creation_id, run), refund_id(creation_id, run)}
            if creation is not None and creation.group_id is not None:
                wanted.add(debit_id(creation.group_id, 1))
        return wanted

    def _debit_count(self, creation_id: CreationId, known: set[str]) -> int:
        """Return the number of debits of a deleted creation, which only the ledger knows."""
        count = 0
        while True:
            next_id = debit_id(creation_id, count + 1)
            if next_id not in known and self.transactions.store.get(entry_key(next_id)) is None:
                return count
            count += 1

    def _found(self, keys: Sequence[Key[Any]]) -> list[Document]:
        """Read the documents that exist, in one round trip for each `READ_AT_ONCE`."""

        def only_read(found: Found) -> Decision[list[Document]]:
            return unchanged([*found.documents.values()])

        documents: list[Document] = []
        for first in range(0, len(keys), READ_AT_ONCE):
            some = keys[first : first + READ_AT_ONCE]
            documents += self.transactions.run(some, only_read)
        return documents

    def _keep(self, checkpoint: AuditCheckpoint) -> None:
        """Write a checkpoint, unless another audit wrote a later one."""

        def decide(found: Found) -> Decision[None]:
            known = found.get(checkpoint.key)
            if known == checkpoint or (known and known.ledger_count > checkpoint.ledger_count):
                return unchanged(None)
            return write(checkpoint, result=None)

        self.transactions.run([checkpoint.key], decide)

    def _late(self) -> Iterator[Violation]:
        """Find late creations of all accounts: such a one may have no new entry."""
        at, store = self.clock.now(), self.transactions.store
        for page in chain(
            pages(partial(store.overdue, at), lambda each: each.deadline_at or at),
            pages(partial(store.expired, at - EXPIRY_GRACE), lambda each: each.expires_at or at),
            pages(partial(store.scheduled, at), lambda each: each.next_try_at or at),
        ):
            for creation in page:
                yield from late_violations(creation, at=at, policy=self.policy)


def _welcome_violations(
    start: AuditCheckpoint, account: Account | None, later_ids: Iterable[str]
) -> Iterator[Violation]:
    """Check that a welcome stays decided: without the mark, a second grant would be due."""
    if start.welcomed and any(each.startswith(WELCOME_PREFIX) for each in later_ids):
        yield Violation("I18", start.user_id, "has a welcome grant after it was decided")
    if start.welcomed and account is not None and not account.welcomed:
        yield Violation("I18", start.user_id, "is no longer marked as welcomed")


def _later_entries(
    ledger: Iterable[LedgerEntry], start: AuditCheckpoint
) -> tuple[list[LedgerEntry], list[Violation]]:
    """Return the entries after a checkpoint, and a violation if the one at it is another."""
    later: list[LedgerEntry] = []
    end = (0, 0)
    for entry in ledger:
        if entry.sequence <= start.ledger_count:
            end = (entry.sequence, entry.balance_after_tokens)
            break
        later.append(entry)
    if end == (start.ledger_count, start.balance_tokens):
        return later, []
    what = f"its ledger no longer has entry {start.ledger_count} with {start.balance_tokens} tokens"
    return later, [Violation("I1", start.user_id, what)]
