"""What must hold in any store at any moment: pure checks of all documents, each named I1, I2 ..

I1   balance = grants - debits + refunds, never below 0, every step in the ledger
I2   a creation has exactly its debits, each of its cost
I3   a debit is refunded once if its run failed, and only then
I7   nothing is unfinished past its deadline + 2 sweeps
I9   a username is one account's, and an account has one
I12  every field is as its state demands
I16  the in-flight counters are what is in flight
I17  attempts and tasks are bounded
I18  an account has one welcome grant at most, and then is marked as welcomed
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from shared.domain.account import Account, UsernameClaim
from shared.domain.creation import Creation
from shared.domain.keys import CreationId, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import EntryType, LedgerEntry, debit_id, refund_id
from shared.domain.media import MediaDeletion
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.domain.welcome import WELCOME_PREFIX, legacy_welcome_id
from shared.ports.store import Document


@dataclass(frozen=True, order=True)
class Violation:
    """A broken promise: which one, on which document, and how."""

    invariant: str
    document: str
    what: str


@dataclass
class Books:
    """All documents of one moment, sorted for checking."""

    accounts: dict[UserId, Account] = field(default_factory=dict)
    usernames: dict[str, UserId] = field(default_factory=dict)
    creations: dict[CreationId, Creation] = field(default_factory=dict)
    entries: dict[str, LedgerEntry] = field(default_factory=dict)
    deletions: list[MediaDeletion] = field(default_factory=list)

    @classmethod
    def of(cls, documents: Iterable[Document]) -> "Books":
        """Read every document once."""
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
                case _:
                    pass
        return books


def violations(books: Books, *, at: datetime, policy: Policy) -> Iterator[Violation]:
    """Yield everything that does not hold."""
    yield from _ledgers(books)
    yield from _runs(books)
    yield from _usernames(books)
    yield from _welcomes(books)
    yield from _in_flight(books)
    for creation in books.creations.values():
        yield from _creation(creation, at=at, policy=policy)


def _ledgers(books: Books) -> Iterator[Violation]:
    ledgers: dict[UserId, list[LedgerEntry]] = defaultdict(list)
    for entry in books.entries.values():
        ledgers[entry.user_id].append(entry)
        if entry.amount_tokens < 1:
            yield Violation("I1", entry.entry_id, f"moves {entry.amount_tokens} tokens")
    for user_id in ledgers.keys() - books.accounts.keys():
        yield Violation("I1", user_id, "has a ledger and no account")
    for account in books.accounts.values():
        ledger = sorted(ledgers[account.user_id], key=lambda e: e.sequence)
        yield from ledger_violations(account, ledger)


def ledger_violations(account: Account, ledger: Sequence[LedgerEntry]) -> Iterator[Violation]:
    """Check one account against its whole ledger, lowest sequence first."""
    if [entry.sequence for entry in ledger] != list(range(1, account.ledger_count + 1)):
        yield Violation("I1", account.user_id, "its ledger has a gap or a double number")
    balance_tokens = spent_tokens = 0
    for entry in ledger:
        balance_tokens += entry.signed_tokens
        if entry.entry_type is not EntryType.GRANT:
            spent_tokens -= entry.signed_tokens
        if entry.balance_after_tokens != balance_tokens or balance_tokens < 0:
            what = f"says the balance is {entry.balance_after_tokens}, it is {balance_tokens}"
            yield Violation("I1", entry.entry_id, what)
    if account.balance_tokens != balance_tokens:
        what = f"balance {account.balance_tokens}, the ledger says {balance_tokens}"
        yield Violation("I1", account.user_id, what)
    if account.total_tokens_spent != spent_tokens:
        what = f"spent {account.total_tokens_spent}, the ledger says {spent_tokens}"
        yield Violation("I1", account.user_id, what)


def _runs(books: Books) -> Iterator[Violation]:
    """Check the debits and refunds of every creation, deleted ones too."""
    known: set[str] = set()
    debits: Counter[CreationId] = Counter()
    for entry in books.entries.values():
        if entry.creation_id is not None and entry.entry_type is EntryType.DEBIT:
            debits[entry.creation_id] += 1
    for creation_id in debits.keys() | books.creations.keys():
        creation = books.creations.get(creation_id)
        runs = creation.run_number if creation else debits[creation_id]
        for run in range(1, runs + 1):
            debit = books.entries.get(debit_id(creation_id, run))
            refund = books.entries.get(refund_id(creation_id, run))
            known |= {debit_id(creation_id, run), refund_id(creation_id, run)}
            yield from _run(
                creation, creation_id, run=run, is_last=run == runs, debit=debit, refund=refund
            )
    for entry in books.entries.values():
        if entry.entry_type is not EntryType.GRANT and entry.entry_id not in known:
            yield Violation("I2", entry.entry_id, "belongs to no run of a creation")


def _run(
    creation: Creation | None,
    creation_id: CreationId,
    *,
    run: int,
    is_last: bool,
    debit: LedgerEntry | None,
    refund: LedgerEntry | None,
) -> Iterator[Violation]:
    if debit is None:
        yield Violation("I2", creation_id, f"debit {run} is missing")
    elif creation and (debit.user_id, debit.amount_tokens) != (
        creation.user_id,
        creation.cost_tokens,
    ):
        yield Violation("I2", creation_id, f"debit {run} is not its owner's or not of its cost")
    if refund and debit and refund.signed_tokens != -debit.signed_tokens:
        yield Violation("I3", creation_id, f"refund {run} is not of the debit's amount")
    if not is_last:
        must_be_refunded = True
    elif creation:
        must_be_refunded = creation.status is Status.FAILED
    else:
        return
    if must_be_refunded != (refund is not None):
        what = "is missing" if must_be_refunded else "must not be there"
        yield Violation("I3", creation_id, f"refund {run} {what}")


def _usernames(books: Books) -> Iterator[Violation]:
    for username, user_id in books.usernames.items():
        account = books.accounts.get(user_id)
        if account is None or account.username != username:
            yield Violation("I9", username, f"is claimed for {user_id}, who does not use it")
    for account in books.accounts.values():
        if books.usernames.get(account.username) != account.user_id:
            yield Violation("I9", account.user_id, f"uses the unclaimed name {account.username}")


def _welcomes(books: Books) -> Iterator[Violation]:
    """Check welcome grants; one address has one by its entry's id."""
    granted: Counter[UserId] = Counter()
    for entry in books.entries.values():
        if entry.entry_id.startswith(WELCOME_PREFIX):
            granted[entry.user_id] += 1
    for user_id, count in granted.items():
        account = books.accounts.get(user_id)
        if count > 1 or legacy_welcome_id(user_id) in books.entries:
            yield Violation("I18", user_id, "has more than one welcome grant")
        if account is not None and not account.welcomed:
            yield Violation("I18", user_id, "has a welcome grant and is not marked as welcomed")


def _in_flight(books: Books) -> Iterator[Violation]:
    in_flight: Counter[tuple[UserId, Kind]] = Counter(
        (creation.user_id, creation.kind)
        for creation in books.creations.values()
        if creation.is_unfinished
    )
    for creation in books.creations.values():
        if creation.user_id not in books.accounts:
            yield Violation("I2", creation.creation_id, "has no account")
    for account in books.accounts.values():
        if account.opened_hour.count < 0 or (account.free_hour and account.free_hour.count < 1):
            yield Violation("I16", account.user_id, "counts a negative number of an hour")
        for kind in Kind:
            counted, real = account.in_flight.of(kind), in_flight[account.user_id, kind]
            if counted != real:
                what = f"counts {counted} {kind}s in flight, there are {real}"
                yield Violation("I16", account.user_id, what)


def _creation(creation: Creation, *, at: datetime, policy: Policy) -> Iterator[Violation]:
    c = creation
    grace = timedelta(seconds=2 * policy.sweep_every_s)
    if c.is_unfinished and c.deadline_at and at > c.deadline_at + grace:
        yield Violation("I7", c.creation_id, f"unfinished since its deadline {c.deadline_at}")
    is_ready = c.status in (Status.DRAFT, Status.PUBLISHED)
    demands = {
        "it has its internals": bool(c.fingerprint),
        "sweep_at is set exactly while unfinished": c.is_unfinished == (c.sweep_at is not None),
        "deadline_at is set exactly while unfinished": (
            c.is_unfinished == (c.deadline_at is not None)
        ),
        "it is swept by its deadline": not (
            c.sweep_at and c.deadline_at and c.sweep_at > c.deadline_at
        ),
        "it is retried before its deadline": not (
            c.retry_at and c.deadline_at and c.retry_at > c.deadline_at
        ),
        "it waits for a retry only while pending": (
            c.retry_at is None or c.status is Status.PENDING
        ),
        "a lease is held exactly while processing": (
            (c.status is Status.PROCESSING) == (c.lease_expires_at is not None)
        ),
        "an error is set exactly when failed": (c.status is Status.FAILED) == (c.error is not None),
        "refunded is set exactly when failed": (c.status is Status.FAILED) == c.refunded,
        "a ready one has media": not is_ready or bool(c.media_key and c.size_bytes),
        "a published one has its time": (c.status is Status.PUBLISHED) == bool(c.published_at),
        "a published one has its public copy": (
            c.status is not Status.PUBLISHED or bool(c.public_id and c.publication_count)
        ),
    }
    for demand, holds in demands.items():
        if not holds:
            yield Violation("I12", c.creation_id, f"does not hold: {demand}")
    if len(c.attempts_of_this_debit) > policy.attempts_max:
        yield Violation("I17", c.creation_id, "has more attempts than allowed")
    if c.requeue_count > policy.requeues_max or c.retry_count > len(policy.retry_delays_s):
        yield Violation("I17", c.creation_id, "has more tasks than allowed")
    if any(later < earlier for earlier, later in pairwise((c.first_attempt - 1, c.attempt))):
        yield Violation("I6", c.creation_id, "its attempts went down")
