"""Downloads: a link for a short time to an archive of some of an owner's files."""

import logging
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from shared.domain.brief import CREATION_ID
from shared.domain.creation import Creation, creation_key
from shared.domain.download import Download, download_key
from shared.domain.errors import (
    ArchiveTooLarge,
    CreationNotFound,
    DownloadNotFound,
    IllegalTransition,
)
from shared.domain.keys import CreationId, UserId
from shared.domain.status import READY
from shared.lifecycle.duties import Outcome
from shared.lifecycle.paging import pages
from shared.lifecycle.transactions import Transactions
from shared.lifecycle.violation import Violation
from shared.ports.clock import Clock, Ids
from shared.ports.store import Decision, Found, Store, unchanged, write

log = logging.getLogger(__name__)

ARCHIVE_BYTES_MAX = 1024**3
LINK_LIFE_S = 600
SECRET_LENGTH = 32
"""Characters of 5 bits each."""
SLUG_LENGTH_MAX = 40
LEFT_MAX = timedelta(hours=2)
"""How long an expired link may exist before the audit reports it."""
_SECRET = re.compile(rf"[a-z2-7]{{{SECRET_LENGTH}}}")


@dataclass(frozen=True)
class ArchiveEntry:
    """One file of an archive; without a `key`, the creation no longer exists."""

    creation_id: CreationId
    stem: str
    """The file's name in the archive, without its extension."""
    key: str | None = None
    size_bytes: int = 0

    @property
    def filename(self) -> str:
        return f"{self.stem}.{(self.key or '').rpartition('.')[2]}"


@dataclass(frozen=True)
class Downloads:
    transactions: Transactions
    clock: Clock
    ids: Ids

    def create(self, creation_ids: Sequence[str], *, owner: UserId) -> tuple[Download, int]:
        """Return a new link to the files of these creations, and their size in bytes.

        `CreationNotFound`, `IllegalTransition` (no file) and `ArchiveTooLarge` mean that nothing
        was written.
        """
        chosen = self._chosen(creation_ids, owner)
        size_bytes = sum(each.size_bytes or 0 for each in chosen)
        if size_bytes > ARCHIVE_BYTES_MAX:
            raise ArchiveTooLarge(size_bytes=size_bytes, limit_bytes=ARCHIVE_BYTES_MAX)
        download = Download(
            secret=self.ids.random_id(SECRET_LENGTH),
            user_id=owner,
            creation_ids=tuple(each.creation_id for each in chosen),
            expires_at=self.clock.now() + timedelta(seconds=LINK_LIFE_S),
        )

        def decide(found: Found) -> Decision[None]:
            is_known = found.get(download.key) is not None
            return unchanged(None) if is_known else write(download, result=None)

        self.transactions.run([download.key], decide)
        log.info("download_created", extra={"files": len(chosen), "size_bytes": size_bytes})
        return download, size_bytes

    def _chosen(self, creation_ids: Sequence[str], owner: UserId) -> list[Creation]:
        """Return the owner's creations, each once and with a file."""
        ids = list(dict.fromkeys(creation_ids))
        if not all(map(CREATION_ID.fullmatch, ids)):
            raise CreationNotFound
        keys = [creation_key(CreationId(each)) for each in ids]
        found = self.transactions.store.found(keys)
        creations = [each for key in keys if (each := found.get(key)) and each.user_id == owner]
        if len(creations) < len(keys):
            raise CreationNotFound
        for creation in creations:
            if not _has_file(creation):
                raise IllegalTransition(status=creation.status)
        return creations

    def file_of(self, creation_id: str, *, owner: UserId) -> ArchiveEntry:
        """Return the file of one creation; raise `CreationNotFound` or `IllegalTransition`."""
        [creation] = self._chosen([creation_id], owner)
        return _entry(creation)

    def open(self, secret: str) -> tuple[Download, list[ArchiveEntry]]:
        """Return what a link leads to now; raise `DownloadNotFound` if unknown or expired."""
        store = self.transactions.store
        download = store.get(download_key(secret)) if _SECRET.fullmatch(secret) else None
        if download is None or download.expires_at <= self.clock.now():
            raise DownloadNotFound
        keys = [creation_key(each) for each in download.creation_ids]
        found = store.found(keys)
        entries = []
        for id_, key in zip(download.creation_ids, keys, strict=True):
            creation = found.get(key)
            is_there = creation is not None and creation.user_id == download.user_id
            entries.append(_entry(creation) if creation and is_there else ArchiveEntry(id_, id_))
        return download, entries


def remove_expired(transactions: Transactions, clock: Clock, download: Download) -> Outcome:
    at = clock.now()

    def decide(found: Found) -> Decision[Outcome]:
        current = found.get(download.key)
        if current is None or current.expires_at > at:
            return unchanged(Outcome.LEFT)
        return write(removing=(current.key,), result=Outcome.DELETED)

    return transactions.run([download.key], decide)


def late_downloads(store: Store, at: datetime) -> Iterator[Violation]:
    """Find expired links that the sweep has left for 2 hours (I15)."""
    for page in pages(
        partial(store.expired_downloads, at - LEFT_MAX), lambda each: each.expires_at
    ):
        for download in page:
            what = f"is a link that expired at {download.expires_at}"
            yield Violation("I15", f"downloads/{download.secret}", what)


def _has_file(creation: Creation) -> bool:
    return creation.status in READY and creation.media_key is not None


def _entry(creation: Creation) -> ArchiveEntry:
    parts = (f"{creation.created_at:%Y-%m-%d}", _slug(creation.prompt), creation.creation_id)
    stem = "_".join(filter(None, parts))
    if not _has_file(creation):
        return ArchiveEntry(creation.creation_id, stem)
    return ArchiveEntry(creation.creation_id, stem, creation.media_key, creation.size_bytes or 0)


def _slug(prompt: str) -> str:
    """Return the prompt's letters, marks and digits in lower case, joined by single hyphens."""
    text = unicodedata.normalize("NFC", prompt[: 4 * SLUG_LENGTH_MAX]).lower()
    kept = "".join(each if unicodedata.category(each)[0] in "LMN" else " " for each in text)
    return "-".join(kept.split())[:SLUG_LENGTH_MAX].rstrip("-")
