"""The invariants: pure checks of all documents, true at any moment and named I1, I2 ..

I1   balance = grants - debits + refunds, never below 0, every step in the ledger
I2   a creation has exactly its debits, each of its cost
I3   a debit is refunded once if its run failed, and only then
I6   attempt numbers never decrease
I7   nothing is unfinished past its deadline + 2 sweeps, expired for 2 hours, or scheduled for a time
     more than 2 sweeps ago
I9   a username is one account's, and an account has one
I12  every field matches the creation's status
I14  a ready creation's files exist with their sizes (`auditing.py`)
I15  files that nothing references are deleted within 48 hours (`auditing.py`), and expired download
     links within 2 hours (`downloads.py`)
I16  the in-flight counters match the unfinished creations
I17  attempts and tasks are bounded
I18  an account has one welcome grant at most, and then is marked as welcomed
I19  the variations of a group are one account's, from one request, and at most four
I20  the likes of a deleted creation are removed within 2 hours (`like_audit.py`)
I21  the statistics of each hour are exactly its folded outcomes (`statistics_audit.py`)
I22  what an operator's act moved is in the ledger (`acts_audit.py`)
I23  `like_count` is the number of likes, once they have not changed for 12 minutes (`like_audit.py`)

`tests/simulation/inspector.py` checks the other numbers at every commit: I4, I5, I8, I10, I11, and I24 (only
what its owner no longer wants expires, and a schedule publishes once).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import ne

from shared.domain.account import Account, UsernameClaim
from shared.domain.audit_checkpoint import AuditCheckpoint
from shared.domain.creation import Creation
from shared.domain.group import group_faults
from shared.domain.keys import CreationId, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import EntryType, LedgerEntry, debit_id, refund_id
from shared.domain.media import MediaDeletion
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.domain.welcome import WELCOME_PREFIX, legacy_welcome_id
from shared.lifecycle.creation_invariants import creation_violations, possible
from shared.lifecycle.violation import Violation
from shared.ports.store import Document


@dataclass
class Books:
    """All documents of one moment, indexed for checking."""

    accounts: dict[UserId, Account] = field(default_factory=dict)
    usernames: dict[str, UserId] = field(default_factory=dict)
    creations: dict[CreationId, Creation] = field(default_factory=dict)
    entries: dict[str, LedgerEntry] = field(default_factory=dict)
    deletions: list[MediaDeletion] = field(default_factory=list)
    checkpoints: dict[UserId, AuditCheckpoint] = field(default_factory=dict)
    """Where a ledger's check begins; without one, at its first entry."""

    @classmethod
    def of(cls, documents: Iterable[Document]) -> "Books":
        books = cls()
        for document in documents:
            match document:
                case Account():
                    books.accounts[document.user_id] = document
                case UsernameClaim():
                    books.usernames[document.username] = document.user_id
                case Creation():
                    books.creations[document.creation_id] = document
                case LedgerEntry():
                    books.entries[document.entry_id] = document
                case MediaDeletion():
                    books.deletions.append(document)
        return books


def violations(books: Books, *, at: datetime, policy: Policy) -> Iterator[Violation]:
    """Check all documents together."""
    yield from account_violations(books, at=at, policy=policy)
    yield from username_violations(books.accounts.values(), books.usernames)


def account_violations(books: Books, *, at: datetime, policy: Policy) -> Iterator[Violation]:
    """Check everything but usernames, which may be done for one account after the other."""
    yield from _ledgers(books)
    yield from _runs(books)
    yield from _welcomes(books)
    yield from _in_flight(books)
    yield from _groups(books)
    for creation in books.creations.values():
        yield from creation_violations(creation, at=at, policy=policy)


def _ledgers(books: Books) -> Iterator[Violation]:
    ledgers: dict[UserId, list[LedgerEntry]] = defaultdict(list)
    for entry in books.entries.values():
        ledgers[entry.user_id].append(entry)
        if entry.amount_tokens < 1:
            yield Violation("I1", entry.entry_id, f"moves {entry.amount_tokens} tokens")
    for user_id in ledgers.keys() - books.accounts.keys():
        yield Violation("I1", user_id, "has a ledger and no account")
    for account in books.accounts.values():
        start = books.checkpoints.get(account.user_id)
        first = start.ledger_count + 1 if start else 1
        later = [entry for entry in ledgers[account.user_id] if entry.sequence >= first]
        yield from ledger_violations(account, sorted(later, key=lambda e: e.sequence), start)


def ledger_violations(
    account: Account, ledger: Sequence[LedgerEntry], start: AuditCheckpoint | None = None
) -> Iterator[Violation]:
    """Check one account against its ledger after the checkpoint, lowest sequence first."""
    start = start or AuditCheckpoint(user_id=account.user_id)
    expected = range(start.ledger_count + 1, account.ledger_count + 1)
    if len(ledger) != len(expected) or any(map(ne, (e.sequence for e in ledger), expected)):
        yield Violation("I1", account.user_id, "its ledger has a gap or a duplicate number")
    balance_tokens, spent_tokens = start.balance_tokens, start.total_tokens_spent
    for entry in ledger:
        balance_tokens += entry.signed_tokens
        if entry.entry_type is not EntryType.GRANT:
            spent_tokens -= entry.signed_tokens
        if entry.balance_after_tokens != balance_tokens or balance_tokens < 0:
            what = f"says the balance is {entry.balance_after_tokens}, but it is {balance_tokens}"
            yield Violation("I1", entry.entry_id, what)
    if account.balance_tokens != balance_tokens:
        what = f"balance {account.balance_tokens}, the ledger says {balance_tokens}"
        yield Violation("I1", account.user_id, what)
    if account.total_tokens_spent != spent_tokens:
        what = f"spent {account.total_tokens_spent}, the ledger says {spent_tokens}"
        yield Violation("I1", account.user_id, what)


def _runs(books: Books) -> Iterator[Violation]:
    """Check the debits and refunds of every creation, including deleted ones."""
    known: set[str] = set()
    debits = Counter(
        entry.creation_id
        for entry in books.entries.values()
        if entry.creation_id is not None and entry.entry_type is EntryType.DEBIT
    )
    for creation_id in debits.keys() | books.creations.keys():
        creation = books.creations.get(creation_id)
        runs = possible(creation.run_number) if creation else debits[creation_id]
        for run in range(1, runs + 1):
            ids = debit_id(creation_id, run), refund_id(creation_id, run)
            debit, refund = (books.entries.get(each) for each in ids)
            known.update(ids)
            yield from _debit(creation, creation_id, run, debit)
            is_last_failed = creation.status is Status.FAILED if creation else None
            is_due = is_last_failed if run == runs else True
            yield from _refund(creation_id, run, debit, refund, is_due=is_due)
    for entry in books.entries.values():
        if entry.entry_type is not EntryType.GRANT and entry.entry_id not in known:
            yield Violation("I2", entry.entry_id, "belongs to no run of a creation")


def _debit(
    creation: Creation | None, creation_id: CreationId, run: int, debit: LedgerEntry | None
) -> Iterator[Violation]:
    if debit is None:
        yield Violation("I2", creation_id, f"debit {run} is missing")
        return
    paid = debit.user_id, debit.amount_tokens
    if creation and paid != (creation.user_id, creation.cost_tokens):
        yield Violation("I2", creation_id, f"debit {run} has another user or amount")


def _refund(
    creation_id: CreationId,
    run: int,
    debit: LedgerEntry | None,
    refund: LedgerEntry | None,
    *,
    is_due: bool | None,
) -> Iterator[Violation]:
    """Check a run's refund; `is_due` is None for the last run of a deleted creation."""
    if refund and debit and refund.signed_tokens != -debit.signed_tokens:
        yield Violation("I3", creation_id, f"refund {run} differs from the debit's amount")
    if is_due is not None and is_due != (refund is not None):
        what = "is missing" if is_due else "must not exist"
        yield Violation("I3", creation_id, f"refund {run} {what}")


def username_violations(
    accounts: Iterable[Account], usernames: Mapping[str, UserId]
) -> Iterator[Violation]:
    names = {account.user_id: account.username for account in accounts}
    for username, user_id in usernames.items():
        if names.get(user_id) != username:
            yield Violation("I9", username, f"is claimed for {user_id}, who does not use it")
    for user_id, username in names.items():
        if usernames.get(username) != user_id:
            yield Violation("I9", user_id, f"uses the unclaimed name {username}")


def _welcomes(books: Books) -> Iterator[Violation]:
    """Check welcome grants; one address has one by its entry's id."""
    entries = books.entries.values()
    granted = Counter(each.user_id for each in entries if each.entry_id.startswith(WELCOME_PREFIX))
    for user_id, count in granted.items():
        account = books.accounts.get(user_id)
        if count > 1 or legacy_welcome_id(user_id) in books.entries:
            yield Violation("I18", user_id, "has more than one welcome grant")
        if account is not None and not account.welcomed:
            yield Violation("I18", user_id, "has a welcome grant and is not marked as welcomed")


def _in_flight(books: Books) -> Iterator[Violation]:
    unfinished: dict[UserId, list[Creation]] = defaultdict(list)
    for creation in books.creations.values():
        if creation.is_unfinished:
            unfinished[creation.user_id].append(creation)
        if creation.user_id not in books.accounts:
            yield Violation("I2", creation.creation_id, "has no account")
    for account in books.accounts.values():
        if account.opened_hour.count < 0 or (account.free_hour and account.free_hour.count < 1):
            yield Violation("I16", account.user_id, "has a negative hourly count")
        yield from in_flight_violations(account, unfinished[account.user_id])


def in_flight_violations(account: Account, unfinished: Iterable[Creation]) -> Iterator[Violation]:
    """Check one account's counters against its unfinished creations."""
    real = Counter(creation.kind for creation in unfinished)
    for kind in Kind:
        counted = account.in_flight.of(kind)
        if counted != real[kind]:
            what = f"counts {counted} {kind}s in flight, there are {real[kind]}"
            yield Violation("I16", account.user_id, what)


def _groups(books: Books) -> Iterator[Violation]:
    def payer_of(creation_id: CreationId) -> UserId | None:
        debit = books.entries.get(debit_id(creation_id, 1))
        return debit.user_id if debit else None

    for group_id, what in group_faults(books.creations.values(), payer_of):
        yield Violation("I19", group_id, what)
