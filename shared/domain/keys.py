"""Document addresses: collections and typed keys."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, NewType, TypeVar

UserId = NewType("UserId", str)
CreationId = NewType("CreationId", str)

DocumentT = TypeVar("DocumentT")

ID_SIZE_BYTES_MAX = 1500
NO_ID = re.compile(r"\.{0,2}|__.*__|.*/.*", re.DOTALL)
"""Firestore's rules: https://firebase.google.com/docs/firestore/quotas#limits"""
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def is_encodable(text: str) -> bool:
    """Return whether a text can be stored; an argument that is not UTF-8 has lone surrogates."""
    return not LONE_SURROGATE.search(text)


class Collection(StrEnum):
    USERS = "users"
    USERNAMES = "usernames"
    CREATIONS = "creations"
    CREATION_INTERNALS = "creationInternals"
    """Part of a creation in Firestore, where rules show owners the rest; no document of its own."""
    TRANSACTIONS = "transactions"
    COSTS = "costs"
    MEDIA_DELETIONS = "mediaDeletions"
    SWITCHES = "switches"
    OPERATOR_ACTS = "operatorActs"
    WELCOME_SHARDS = "welcomeShards"
    AUDIT_CHECKPOINTS = "auditCheckpoints"
    LIKES = "likes"
    SWEEP_MARKS = "sweepMarks"
    DOWNLOADS = "downloads"
    STATISTICS = "stats"
    LEGACY_CREATIONS = "legacyCreations"
    """A legacy system's, archived by its migration; no store reads it."""


@dataclass(frozen=True)
class Key(Generic[DocumentT]):
    """The address of one document of type `DocumentT`."""

    collection: Collection
    id: str

    @property
    def can_exist(self) -> bool:
        """Return whether every store accepts this id."""
        is_text = not NO_ID.fullmatch(self.id) and is_encodable(self.id)
        return is_text and len(self.id.encode()) <= ID_SIZE_BYTES_MAX
