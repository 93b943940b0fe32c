"""The order of an audit: everything of one account together."""

from collections.abc import Iterable, Iterator
from heapq import merge

from shared.domain.account import Account
from shared.domain.creation import Creation
from shared.domain.ledger import LedgerEntry
from shared.ports.store import Document


def in_account_order(*streams: Iterable[Document]) -> Iterator[Document]:
    """Merge streams that are sorted by user id, as Python, SQLite and Firestore compare texts."""
    return merge(*streams, key=_user_id)


def _user_id(document: Document) -> str:
    if not isinstance(document, Account | Creation | LedgerEntry):
        raise TypeError(f"{document.key} belongs to no account")
    return document.user_id
