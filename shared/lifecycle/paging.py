"""Lists that a store returns in pages, read whole or as far as needed."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from shared.domain.creation import Creation
from shared.domain.download import Download
from shared.domain.keys import DocumentT, UserId
from shared.domain.ledger import Cost, LedgerEntry
from shared.domain.like import Like
from shared.domain.media import MediaDeletion
from shared.domain.status import Status
from shared.ports.store import PAGE_LIMIT_MAX, Cursor, DraftsFilter, Page, Store, Stored

DueT = TypeVar("DueT", Creation, MediaDeletion, Cost, Like, Download)

DUE_LIMIT = 512
"""Documents per page of what is due: enough that many accounts are among them."""
READ_AT_ONCE = 200
"""Documents per read of an audit that reads many."""


def pages(
    read: Callable[[Page], list[DueT]], sorted_by: Callable[[DueT], datetime]
) -> Iterator[list[DueT]]:
    """Yield the pages of what is due; each page is read when it is needed."""
    after: Cursor | None = None
    while page := read(Page(DUE_LIMIT, after)):
        yield page
        after = Cursor(sorted_by(page[-1]), page[-1].key.id)


def ledger_of(store: Store, user_id: UserId) -> Iterator[LedgerEntry]:
    """Yield an account's ledger, highest sequence first."""
    return _documents(
        lambda page: store.ledger(user_id, page), lambda e: Cursor(e.sequence, e.entry_id)
    )


def creations_of(store: Store, user_id: UserId, status: Status) -> Iterator[Creation]:
    """Yield an account's creations of an unpublished status, newest first.

    What only decisions need may be missing.
    """
    which = DraftsFilter(status=status)
    return _documents(
        lambda page: store.drafts(user_id, which, page),
        lambda creation: Cursor(creation.created_at, creation.creation_id),
    )


def unfinished_of(store: Store, user_id: UserId) -> Iterator[Creation]:
    """Yield an account's unfinished creations, without one that changes its status meanwhile."""
    yield from creations_of(store, user_id, Status.PENDING)
    yield from creations_of(store, user_id, Status.PROCESSING)


def _documents(
    page_of: Callable[[Page], list[Stored[DocumentT]]], cursor_of: Callable[[DocumentT], Cursor]
) -> Iterator[DocumentT]:
    """Yield the documents of all pages; each page is read when its first document is needed."""
    after: Cursor | None = None
    while page := page_of(Page(PAGE_LIMIT_MAX, after)):
        documents = [each.parse() for each in page]
        yield from documents
        if len(page) < PAGE_LIMIT_MAX:
            return
        after = cursor_of(documents[-1])
