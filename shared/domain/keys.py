"""Where documents live: collections, and keys that know what they lead to."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, NewType, TypeVar

UserId = NewType("UserId", str)
CreationId = NewType("CreationId", str)

DocumentT = TypeVar("DocumentT")


class Collection(StrEnum):
    """The collections of the data model, by their names in the store."""

    USERS = "users"
    USERNAMES = "usernames"
    CREATIONS = "creations"
    TRANSACTIONS = "transactions"
    COSTS = "costs"
    MEDIA_DELETIONS = "mediaDeletions"
    LEGACY_CREATIONS = "legacyCreations"
    """An older system's, put aside when it was taken over; no store looks there."""


@dataclass(frozen=True)
class Key(Generic[DocumentT]):
    """The address of one document of type `DocumentT`."""

    collection: Collection
    id: str
