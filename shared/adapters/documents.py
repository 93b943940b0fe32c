"""Serialisation of documents: camelCase field names, the id as the key.

Times stay `datetime` unless the store has no such type. A missing field is read as its default.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from heapq import merge
from typing import Any, cast

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from shared.domain.account import Account, UsernameClaim
from shared.domain.audit_checkpoint import AuditCheckpoint
from shared.domain.creation import Creation
from shared.domain.keys import Collection, DocumentT, Key
from shared.domain.lease import LeaseOwner
from shared.domain.ledger import Cost, LedgerEntry
from shared.domain.media import MediaDeletion
from shared.domain.operating import OperatorAct, Switch
from shared.domain.welcome import WelcomeShard
from shared.ports.store import Document, Stored

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
            "fingerprint",
            "firstAttempt",
            "handBacks",
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


def readable(page: Iterable[Stored[DocumentT]]) -> list[DocumentT]:
    """Return the documents of a page that can be parsed; an unreadable one must not hide the others.

    A later release, or a person, may have written a value that this one does not know.
    """
    found = []
    for each in page:
        try:
            found.append(each.parse())
        except Exception:
            document_id = each.version.partition(" ")[0]
            log.exception("document_unreadable", extra={"document": document_id})
    return found


def in_account_order(*streams: Iterable[Document]) -> Iterator[Document]:
    """Merge streams that are sorted by user id, as Python, SQLite and Firestore compare texts."""
    return merge(*streams, key=_user_id)


def _user_id(document: Document) -> str:
    if not isinstance(document, Account | Creation | LedgerEntry | AuditCheckpoint):
        raise TypeError(f"{document.key} belongs to no account")
    return document.user_id
