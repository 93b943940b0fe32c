"""Snapshots: what an owner's stream of events shows, and how two of them differ."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.domain.account import Account
from shared.domain.creation import Creation
from shared.domain.keys import CreationId

WATCHED_MAX = 50


@dataclass(frozen=True)
class Changes:
    """The difference between two snapshots; `account` is None if unchanged."""

    account: Account | None
    creations: tuple[Creation, ...]
    gone: tuple[CreationId, ...]
    """Deleted, or no longer among the newest `WATCHED_MAX`."""


@dataclass(frozen=True)
class Snapshot:
    """A user's account and newest `WATCHED_MAX` creations at one moment."""

    account: Account | None = None
    creations: Mapping[CreationId, Creation] = field(default_factory=dict)

    def since(self, earlier: "Snapshot") -> Changes:
        known = earlier.creations
        return Changes(
            account=self.account if self.account != earlier.account else None,
            creations=tuple(each for id_, each in self.creations.items() if each != known.get(id_)),
            gone=tuple(id_ for id_ in known if id_ not in self.creations),
        )
