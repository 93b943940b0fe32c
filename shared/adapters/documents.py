"""Serialisation of documents: camelCase field names, the id as the key.

Times stay `datetime` unless the store has no such type. A missing field is read as its default.
The stores also share here how they skip unreadable documents and stream those of an audit.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from heapq import merge
from typing import Any, Protocol, cast

from cattrs import Converter, transform_error
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from shared.domain.account import Account, UsernameClaim
from shared.domain.audit_checkpoint import AuditCheckpoint
from shared.domain.creation import Creation
from shared.domain.download import Download
from shared.domain.history import Event
from shared.domain.keys import Collection, DocumentT, Key
from shared.domain.lease import LeaseOwner
from shared.domain.ledger import Cost, LedgerEntry
from shared.domain.like import Like
from shared.domain.media import MediaDeletion
from shared.domain.operating import OperatorAct, Switch
from shared.domain.statistics import HourStatistics
from shared.domain.sweep_mark import SweepMark
from shared.domain.welcome import WelcomeShard
from shared.ports.store import Damage, Document, Page, Stored

log = logging.getLogger(__name__)

_TYPES: dict[Collection, tuple[type[Document], str]] = {
    Collection.USERS: (Account, "userId"),
    Collection.USERNAMES: (UsernameClaim, "username"),
    Collection.CREATIONS: (Creation, "creationId"),
    Collection.TRANSACTIONS: (LedgerEntry, "entryId"),
    Collection.COSTS: (Cost, "costId"),
    Collection.MEDIA_DELETIONS: (MediaDeletion, "deletionId"),
    Collection.SWITCHES: (Switch, "mediaType"),
    Collection.OPERATOR_ACTS: (OperatorAct, "actId"),
    Collection.WELCOME_SHARDS: (WelcomeShard, "shardId"),
    Collection.AUDIT_CHECKPOINTS: (AuditCheckpoint, "userId"),
    Collection.LIKES: (Like, "likeId"),
    Collection.SWEEP_MARKS: (SweepMark, "duty"),
    Collection.DOWNLOADS: (Download, "secret"),
    Collection.STATISTICS: (HourStatistics, "hourId"),
}
"""Each collection's type, and the field that is its document id."""
HELD = tuple(_TYPES)
"""The collections with documents of `Store`."""
_FIELDS = {
    "amount_tokens": "amount",
    "balance_after_tokens": "balanceAfter",
    "balance_tokens": "tokenBalance",
    "cost_tokens": "cost",
    "duration_s": "duration",
    "entry_type": "type",
    "hand_back_count": "handBacks",
    "kind": "mediaType",
    "lease_owner": "holder",
    "publication_count": "publications",
    "requeue_count": "requeues",
    "retry_count": "retries",
    "run_number": "debits",
    "task_number": "enqueues",
}
"""Field names that are not the attribute in camelCase."""


def _field(attribute: str) -> str:
    if attribute in _FIELDS:
        return _FIELDS[attribute]
    first, *others = attribute.split("_")
    return first + "".join(word.title() for word in others)


def _time(value: str | datetime, _: type) -> datetime:
    """Return a plain datetime from text or from a subclass."""
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    return datetime.combine(value.date(), value.timetz())


def _converter() -> Converter:
    converter = Converter()
    converter.register_structure_hook(datetime, _time)
    converter.register_structure_hook(LeaseOwner, lambda text, _: LeaseOwner.parse(text))
    converter.register_unstructure_hook(LeaseOwner, str)
    converter.register_structure_hook(Event, lambda text, _: Event.parse(text))
    converter.register_unstructure_hook(Event, str)

    # Each type's functions are generated when a process first uses them.
    converter.register_structure_hook_factory(
        is_dataclass, lambda cls: make_dict_structure_fn(cls, converter, **_names(cls))
    )
    converter.register_unstructure_hook_factory(
        is_dataclass, lambda cls: make_dict_unstructure_fn(cls, converter, **_names(cls))
    )
    return converter


def _names(cls: Any) -> Any:  # noqa: ANN401 (the overrides share their parameter with other options)
    return {each.name: override(rename=_field(each.name)) for each in fields(cls)}


_CONVERTER = _converter()

INTERNALS = frozenset(
    {
        *(
            "enqueues",
            "executionName",
            "expiryRun",
            "fingerprint",
            "firstAttempt",
            "handBacks",
            "history",
            "holder",
            "intent",
        ),
        *("leaseExpiresAt", "model", "operationName", "requeues", "retries", "spentUsd"),
    }
)
"""Fields of a creation that its owner must not read; without `sweepAt`, which is queried."""

_HIDDEN: dict[Collection, dict[str, Any]] = {Collection.CREATIONS: {"fingerprint": ""}}
"""Values for required fields that a list query does not read."""


def is_legacy(fields: Mapping[str, Any]) -> bool:
    """Return whether the legacy system wrote this document, which `Store` ignores."""
    return fields.get("legacy") is True


def to_fields(document: Document) -> dict[str, Any]:
    fields: dict[str, Any] = _CONVERTER.unstructure(document)
    del fields[_TYPES[document.key.collection][1]]
    return fields


def from_fields(key: Key[DocumentT], fields: dict[str, Any]) -> DocumentT:
    cls, id_field = _TYPES[key.collection]
    known = {**_HIDDEN.get(key.collection, {}), **fields, id_field: key.id}
    return cast("DocumentT", _CONVERTER.structure(known, cls))


def readable(read: Callable[[Page], Sequence[Stored[DocumentT]]], page: Page) -> list[DocumentT]:
    """Return the documents of a page that can be parsed: unreadable ones must not hide the others.

    A later release, or a person, may have written a value that this one does not know. If a full
    page has none that can be parsed, read a longer one: an empty page would end the list.
    """
    longer = page
    while True:
        stored = read(longer)
        found = _parsed(stored)
        if found or len(stored) < longer.limit:
            return found[: page.limit]
        longer = replace(longer, limit=2 * longer.limit)


def _parsed(page: Iterable[Stored[DocumentT]]) -> list[DocumentT]:
    found = []
    for each in page:
        try:
            found.append(each.parse())
        except Exception:
            document_id = each.version.partition(" ")[0]
            log.exception("document_unreadable", extra={"document": document_id})
    return found


BY_ACCOUNT: dict[Collection, str | None] = {
    Collection.USERS: None,
    Collection.CREATIONS: "createdAt",
    Collection.TRANSACTIONS: "sequence",
}
"""The collections of accounts. Accounts are sorted by id, the others by `userId`, then by this field
from its highest value: the order of an index that serves lists, too."""
Row = tuple[Key[Any], Callable[[], dict[str, Any]]]
"""A stored document: its key, and what returns its fields."""
_ATTRIBUTE = re.compile(r"(?<=\$\.)\w+")
"""The field's name in an error of the converter, `required field missing @ $.user_id`."""


class OneMoment(Protocol):
    """A store at one time."""

    def rows(self, collection: Collection, *, by_account: bool = False) -> Iterator[Row]:
        """Stream a collection, sorted by id or as `BY_ACCOUNT` says.

        Rows without a field that is sorted by may be left out.
        """

    def count(self, collection: Collection) -> int | None:
        """Return the number of documents, including those; None if that takes too long."""


def by_id(moment: OneMoment, collection: Collection) -> Iterator[Document]:
    """Stream the documents of a collection, which must all be readable."""
    for key, read_fields in moment.rows(collection):
        fields = read_fields()
        if not is_legacy(fields):
            yield from_fields(key, fields)


def in_account_order(moment: OneMoment) -> Iterator[Document | Damage]:
    """Stream what `Store.books` does."""
    shelves = [_Shelf(moment, collection) for collection in BY_ACCOUNT]
    yield from merge(*(each.in_order() for each in shelves), key=_user_id)
    for shelf in shelves:
        yield from shelf.damage()
    for collection in (Collection.USERNAMES, Collection.MEDIA_DELETIONS, Collection.LIKES):
        found = map(_read, moment.rows(collection))
        yield from (each for each in found if each is not None)


def with_checkpoints(moment: OneMoment) -> Iterator[Account | AuditCheckpoint | Damage]:
    """Stream what `Store.accounts` does."""
    collections = Collection.USERS, Collection.AUDIT_CHECKPOINTS
    rows = merge(*(moment.rows(each) for each in collections), key=lambda row: row[0].id)
    for found in map(_read, rows):
        if isinstance(found, Account | AuditCheckpoint | Damage):
            yield found


def outcomes_of(moment: OneMoment) -> Iterator[Cost | HourStatistics | Damage]:
    """Stream what `Store.outcomes` does."""
    for collection in (Collection.COSTS, Collection.STATISTICS):
        for found in map(_read, moment.rows(collection)):
            if isinstance(found, Cost | HourStatistics | Damage):
                yield found


class _Shelf:
    """A collection of accounts. No order has a place for its damaged documents."""

    def __init__(self, moment: OneMoment, collection: Collection) -> None:
        self._moment, self._collection = moment, collection
        self._row_count = self._readable_count = 0

    def in_order(self) -> Iterator[Document]:
        """Stream what can be read, as Python, SQLite and Firestore sort texts."""
        for row in self._moment.rows(self._collection, by_account=True):
            found = _read(row)
            if isinstance(found, Damage):
                continue
            self._row_count += 1
            if found is not None:
                self._readable_count += 1
                yield found

    def damage(self) -> Iterator[Damage]:
        """Search by id for what was left out, if anything was."""
        if self._moment.count(self._collection) == self._row_count:
            return
        readable_count = 0
        for row in self._moment.rows(self._collection):
            found = _read(row)
            if isinstance(found, Damage):
                yield found
            elif found is not None:
                readable_count += 1
        if readable_count != self._readable_count:
            what = f"has {readable_count} documents by id, {self._readable_count} by account"
            yield Damage(self._collection, what)


def _read(row: Row) -> Document | Damage | None:
    """Return a row's document, or how it is damaged, or None if it is a legacy one."""
    key, read_fields = row
    try:
        fields = read_fields()
        if is_legacy(fields):
            return None
        _check_owner(key, fields)
        document: Document = from_fields(key, fields)
    except Exception as error:  # noqa: BLE001 (damage has no limits; the audit must report the rest)
        reasons = "; ".join(transform_error(error))
        reasons = _ATTRIBUTE.sub(lambda match: _field(match[0]), reasons)
        return Damage(f"{key.collection}/{key.id}", f"cannot be read: {reasons}")
    return document


def _check_owner(key: Key[Any], fields: dict[str, Any]) -> None:
    """Refuse an owner that the converter would make a text of: it is sorted elsewhere."""
    if BY_ACCOUNT.get(key.collection) and not isinstance(fields.get("userId"), str):
        raise TypeError("userId is no text")


def _user_id(document: Document) -> str:
    if not isinstance(document, Account | Creation | LedgerEntry):
        raise TypeError(f"{document.key} belongs to no account")
    return document.user_id
