"""The audit: check every document and file of one moment against the invariants. Only reads.

It goes from account to account: its memory does not grow with their number, only with the largest.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from heapq import nsmallest
from itertools import chain, groupby
from typing import Generic, TypeVar, cast

from shared.domain.account import Account, UsernameClaim
from shared.domain.audit_checkpoint import AuditCheckpoint
from shared.domain.creation import Creation
from shared.domain.keys import UserId
from shared.domain.ledger import LedgerEntry
from shared.domain.media import MediaDeletion
from shared.domain.policy import Policy
from shared.domain.status import READY, Status
from shared.lifecycle.acts_audit import act_violations
from shared.lifecycle.creation_invariants import possible
from shared.lifecycle.downloads import late_downloads
from shared.lifecycle.invariants import Books, account_violations, username_violations
from shared.lifecycle.like_audit import LikeAudit
from shared.lifecycle.statistics_audit import StatisticsCheck
from shared.lifecycle.violation import Violation
from shared.ports.clock import Clock
from shared.ports.file_index import FileIndex
from shared.ports.media_store import MediaStore
from shared.ports.store import Damage, Document, Store

log = logging.getLogger(__name__)

T = TypeVar("T")

UNREFERENCED_FILE_AGE_MAX = timedelta(hours=48)
UNREADABLE = "I0"
"""The invariant of every document: it can be read, and so be checked."""
OWNED = (Account, Creation, LedgerEntry, AuditCheckpoint)
VIOLATIONS_MAX = 1000
"""How many violations are kept, so that damage of everything does not exhaust the memory."""
LOGGED_MAX = 100
"""How many get a log line of their own; `violation_count` covers all."""


@dataclass(frozen=True)
class AuditReport:
    accounts: int
    creations: int
    ledger_entries: int
    files: int
    violation_count: int
    violations: list[Violation]
    """The first `VIOLATIONS_MAX`, sorted by invariant and document."""


@dataclass
class AuditCounts:
    accounts: int = 0
    creations: int = 0
    ledger_entries: int = 0
    files: int = 0

    def add(self, books: Books) -> None:
        self.accounts += len(books.accounts)
        self.creations += len(books.creations)
        self.ledger_entries += len(books.entries)


class _Counted(Generic[T]):
    """Counts what is iterated over."""

    def __init__(self, found: Iterable[T]) -> None:
        self._found, self.count = found, 0

    def __iter__(self) -> Iterator[T]:
        for each in self._found:
            self.count += 1
            yield each


@dataclass(frozen=True)
class Auditing:
    store: Store
    media: MediaStore
    clock: Clock
    policy: Policy
    open_file_index: Callable[[], FileIndex]

    def audit(self) -> AuditReport:
        """Check the whole store and every file, and log the violations."""
        counts = AuditCounts()
        with closing(self.open_file_index()) as files:
            found = chain(
                self._documents(files, counts),
                self._files(files, counts),
                self._statistics(),
                late_downloads(self.store, self.clock.now()),
                act_violations(self.store),
            )
            return reported(counts, found)

    def _documents(self, files: FileIndex, counts: AuditCounts) -> Iterator[Violation]:
        """Check the books of each account, names against accounts, and likes against counts."""
        at = self.clock.now()
        unmatched_names, likes = 0, LikeAudit()
        for user_id, documents in groupby(likes.observed(self.store.books()), key=owner_of):
            if user_id is not None:
                books = Books.of(cast("Iterator[Document]", documents))
                counts.add(books)
                unmatched_names += sum(map(_name_number, books.accounts.values()))
                _expect_files(books.creations.values(), files)
                yield from self._account(user_id, books, at)
                continue
            for document in documents:
                match document:
                    case Damage():
                        yield Violation(UNREADABLE, document.document, document.what)
                    case UsernameClaim():
                        unmatched_names -= _name_number(document)
                    case MediaDeletion():
                        files.tolerate(document.keys)
        if unmatched_names:
            yield from self._usernames()
        yield from likes.violations(self.store.books, at=at, policy=self.policy)

    def _account(self, user_id: UserId, books: Books, at: datetime) -> Iterator[Violation]:
        """Check one account. If its documents break the check, the other accounts are checked."""
        try:
            yield from account_violations(books, at=at, policy=self.policy)
        except Exception as error:  # noqa: BLE001 (an audit that stops reports nothing)
            yield Violation(UNREADABLE, user_id, f"cannot be checked: {error!r}")

    def _statistics(self) -> Iterator[Violation]:
        check = StatisticsCheck()
        for document in self.store.outcomes():
            if isinstance(document, Damage):
                yield Violation(UNREADABLE, document.document, document.what)
            else:
                yield from check.add(document)
        yield from check.violations()

    def _usernames(self) -> Iterator[Violation]:
        """Find what is wrong with usernames, in memory that grows with their number."""
        accounts: list[Account] = []
        usernames: dict[str, UserId] = {}
        for document in self.store.books():
            if isinstance(document, Account):
                accounts.append(document)
            elif isinstance(document, UsernameClaim):
                usernames[document.username] = document.user_id
        yield from username_violations(accounts, usernames)

    def _files(self, files: FileIndex, counts: AuditCounts) -> Iterator[Violation]:
        """I14: a ready creation's files exist with their sizes. I15: orphans go within 48 hours."""
        oldest = self.clock.now() - UNREFERENCED_FILE_AGE_MAX
        listed = _Counted(self.media.everything())
        for file in files.compare(listed):
            if file.stored_at < oldest:
                yield Violation("I15", file.key, "has been referenced by nothing for 48 hours")
        counts.files = listed.count
        if not files.has_suspects:
            return
        # No key is used twice: a creation that needs a file after it was not listed has lost it.
        for document in self.store.books():
            if isinstance(document, Creation):
                yield from _wrong_files(document, files)


def reported(counts: AuditCounts, found: Iterable[Violation]) -> AuditReport:
    """Count the violations, log the first ones and return the report."""
    counted = _Counted(found)
    violations = nsmallest(VIOLATIONS_MAX, counted)
    for violation in violations[:LOGGED_MAX]:
        log.error("violation", extra=asdict(violation))
    log.info("audited", extra={**vars(counts), "violations": counted.count})
    return AuditReport(**vars(counts), violation_count=counted.count, violations=violations)


def owner_of(document: Document | Damage) -> UserId | None:
    return document.user_id if isinstance(document, OWNED) else None


def _name_number(named: Account | UsernameClaim) -> int:
    """Return a number of 128 bits for a pair of name and account.

    Two sets of pairs have one sum if they are equal, and otherwise only by an unlikely chance.
    """
    pair = f"{named.username} {named.user_id}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(pair, digest_size=16).digest(), "big")


def _expect_files(creations: Iterable[Creation], files: FileIndex) -> None:
    for creation in creations:
        files.expect(stored_files(creation).items())
        if creation.is_unfinished:
            files.tolerate(creation.keys_of(range(1, possible(creation.attempt) + 1)))


def _wrong_files(creation: Creation, files: FileIndex) -> Iterator[Violation]:
    for key in stored_files(creation):
        if (suspect := files.suspect(key)) is not None:
            size_bytes = suspect.size_bytes
            what = "is missing" if size_bytes is None else f"has {size_bytes} bytes"
            yield Violation("I14", creation.creation_id, f"its file {key} {what}")


def stored_files(creation: Creation) -> dict[str, int | None]:
    """Return the keys of a ready creation's files, with the recorded size if there is one."""
    if creation.status not in READY or creation.media_key is None:
        return {}
    private = {creation.media_key: creation.size_bytes, creation.thumbnail_key: None}
    files = {key: size for key, size in private.items() if key is not None}
    if creation.status is Status.PUBLISHED:
        public = creation.public_keys
        files |= {public[key]: size for key, size in files.items() if key in public}
    return files
