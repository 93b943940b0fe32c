"""The audit: check every document and file of one moment against the invariants. Only reads."""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta

from shared.domain.creation import Creation
from shared.domain.policy import Policy
from shared.domain.status import READY, Status
from shared.lifecycle.invariants import Books, Violation, violations
from shared.ports.clock import Clock
from shared.ports.media_store import MediaStore, StoredFile
from shared.ports.store import Store

log = logging.getLogger(__name__)

UNREFERENCED_FILE_AGE_MAX = timedelta(hours=48)
LOGGED_MAX = 100
"""How many violations get a log line of their own; the count covers all."""


@dataclass(frozen=True)
class AuditReport:
    accounts: int
    creations: int
    ledger_entries: int
    files: int
    violations: list[Violation]


@dataclass(frozen=True)
class Auditing:
    store: Store
    media: MediaStore
    clock: Clock
    policy: Policy

    def audit(self) -> AuditReport:
        """Check the whole store and every file, and log the violations."""
        at = self.clock.now()
        books = Books.of(self.store.everything())
        files = {file.key: file for file in self.media.everything()}
        found = [
            *violations(books, at=at, policy=self.policy),
            *self._missing_files(books, files),
            *self._orphaned_files(books, files),
        ]
        found.sort()
        report = AuditReport(
            accounts=len(books.accounts),
            creations=len(books.creations),
            ledger_entries=len(books.entries),
            files=len(files),
            violations=found,
        )
        for violation in found[:LOGGED_MAX]:
            log.error("violation", extra=asdict(violation))
        log.info("audited", extra={**vars(report), "violations": len(found)})
        return report

    def _missing_files(self, books: Books, files: dict[str, StoredFile]) -> Iterator[Violation]:
        """I14: a draft's or publication's files exist with the recorded size."""
        for creation in books.creations.values():
            for key, size_bytes in stored_files(creation).items():
                file = files.get(key)
                is_right = file is not None and size_bytes in (None, file.size_bytes)
                if not is_right and self.store.get(creation.key) == creation:
                    what = "is missing" if file is None else f"has {file.size_bytes} bytes"
                    yield Violation("I14", creation.creation_id, f"its file {key} {what}")

    def _orphaned_files(self, books: Books, files: dict[str, StoredFile]) -> Iterator[Violation]:
        """I15: an orphaned file is deleted within 48 hours."""
        referenced = {key for deletion in books.deletions for key in deletion.keys}
        for creation in books.creations.values():
            referenced.update(stored_files(creation))
            if creation.is_unfinished:
                referenced.update(creation.keys_of(range(1, creation.attempt + 1)))
        oldest = self.clock.now() - UNREFERENCED_FILE_AGE_MAX
        for file in files.values():
            if file.key not in referenced and file.stored_at < oldest:
                yield Violation("I15", file.key, "has been referenced by nothing for 48 hours")


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
