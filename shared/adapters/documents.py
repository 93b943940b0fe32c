"""Documents as stores keep them: camelCase fields under the names of the data model.

A document's id is its key and no field. Times stay `datetime`; a store that has no such type
writes and reads them as text. A field that an older release did not write is read as its default.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from shared.domain.account import Account, HourlyCount, InFlight, UsernameClaim
from shared.domain.creation import Creation
from shared.domain.failure import Failure
from shared.domain.keys import Collection, DocumentT, Key
from shared.domain.lease import Intent, LeaseOwner
from shared.domain.ledger import Cost, LedgerEntry
from shared.domain.media import MediaDeletion
from shared.domain.operating import OperatorAct, Switch
from shared.domain.welcome import WelcomeShard
from shared.ports.store import Document

_TYPES: dict[Collection, type[Document]] = {
    Collection.USERS: Account,
    Collection.USERNAMES: UsernameClaim,
    Collection.CREATIONS: Creation,
    Collection.TRANSACTIONS: LedgerEntry,
    Collection.COSTS: Cost,
    Collection.MEDIA_DELETIONS: MediaDeletion,
    Collection.SWITCHES: Switch,
    Collection.OPERATOR_ACTS: OperatorAct,
    Collection.WELCOME_SHARDS: WelcomeShard,
}
HELD = tuple(_TYPES)
"""The collections whose documents a store holds."""
_ID_FIELDS = {
    Collection.USERS: "userId",
    Collection.USERNAMES: "username",
    Collection.CREATIONS: "creationId",
    Collection.TRANSACTIONS: "entryId",
    Collection.COSTS: "costId",
    Collection.MEDIA_DELETIONS: "deletionId",
    Collection.SWITCHES: "mediaType",
    Collection.OPERATOR_ACTS: "actId",
    Collection.WELCOME_SHARDS: "shardId",
}
_FIELDS = {
    "amount_tokens": "amount",
    "balance_after_tokens": "balanceAfter",
    "balance_tokens": "tokenBalance",
    "cost_tokens": "cost",
    "duration_s": "duration",
    "entry_type": "type",
    "kind": "mediaType",
    "lease_owner": "holder",
    "publication_count": "publications",
    "requeue_count": "requeues",
    "retry_count": "retries",
    "run_number": "debits",
    "task_number": "enqueues",
}
"""Where a field is not simply the attribute in camelCase."""


def _field(attribute: str) -> str:
    if attribute in _FIELDS:
        return _FIELDS[attribute]
    first, *others = attribute.split("_")
    return first + "".join(word.title() for word in others)


def _time(value: str | datetime, _: type) -> datetime:
    """Return a plain datetime, whatever subclass or text a store keeps."""
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    return datetime.combine(value.date(), value.timetz())


def _converter() -> Converter:
    converter = Converter()
    converter.register_structure_hook(datetime, _time)
    converter.register_structure_hook(LeaseOwner, lambda text, _: LeaseOwner.parse(text))
    converter.register_unstructure_hook(LeaseOwner, str)
    for cls in (InFlight, HourlyCount, Intent, Failure, *_TYPES.values()):
        names = {name: override(rename=_field(name)) for name in cls.__dataclass_fields__}
        converter.register_structure_hook(
            cls,
            make_dict_structure_fn(cls, converter, **names),  # type: ignore[arg-type]  # they are overrides, never its options
        )
        converter.register_unstructure_hook(
            cls,
            make_dict_unstructure_fn(cls, converter, **names),  # type: ignore[arg-type]  # the same
        )
    return converter


_CONVERTER = _converter()


INTERNALS = frozenset(
    {
        "enqueues",
        "executionName",
        "fingerprint",
        "firstAttempt",
        "holder",
        "intent",
        "leaseExpiresAt",
        "model",
        "operationName",
        "requeues",
        "retries",
        "spentUsd",
    }
)
"""Fields of a creation that only this installation reads. `sweepAt` is not here: it is queried."""

_HIDDEN: dict[Collection, dict[str, Any]] = {Collection.CREATIONS: {"fingerprint": ""}}
"""What a list says in the place of a required field that its store keeps elsewhere."""


def is_legacy(fields: Mapping[str, Any]) -> bool:
    """Tell whether an older system wrote this document, which then is nothing that a store holds."""
    return fields.get("legacy") is True


def to_fields(document: Document) -> dict[str, Any]:
    """Return every field of a document, null where it has no value."""
    fields: dict[str, Any] = _CONVERTER.unstructure(document)
    del fields[_ID_FIELDS[document.key.collection]]
    return fields


def from_fields(key: Key[DocumentT], fields: dict[str, Any]) -> DocumentT:
    """Return the document that was stored under a key."""
    cls: type[Any] = _TYPES[key.collection]
    known = {**_HIDDEN.get(key.collection, {}), **fields, _ID_FIELDS[key.collection]: key.id}
    document: DocumentT = _CONVERTER.structure(known, cls)
    return document
