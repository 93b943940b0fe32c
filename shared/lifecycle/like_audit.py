"""The audit of likes: pure checks of counts and orphans (I23, I20).

The first pass compares sums, in memory of a constant size. Only creations whose sums differ are looked
at by name, in a second pass.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b

from shared.domain.creation import Creation
from shared.domain.keys import Collection, CreationId
from shared.domain.like import Like, like_key
from shared.domain.media import MediaDeletion
from shared.domain.policy import Policy
from shared.lifecycle.like_counting import LOOK_BACK
from shared.lifecycle.violation import Violation
from shared.ports.store import Damage, Document

SUMS = 4096
"""Each of so many parts of the creations has a sum, so that one recent like suspects few others."""
REMOVED_WITHIN = timedelta(hours=1)
"""How long after the end of its deletion a creation's likes may be left."""

Books = Iterable[Document | Damage]


@dataclass
class LikeAudit:
    """What creations show, minus the likes that they have."""

    _sums: Counter[int] = field(default_factory=Counter)

    def observed(self, books: Books) -> Iterator[Document | Damage]:
        """Add up the books on their way to other checks."""
        for document in books:
            if isinstance(document, Creation):
                self._add(document.creation_id, document.like_count)
            elif isinstance(document, Like):
                self._add(document.creation_id, -1 if document.is_liked else 0)
                if not _has_its_id(document):
                    self._sums[_part(document.creation_id)] += 1
            yield document

    def violations(
        self, read: Callable[[], Books], *, at: datetime, policy: Policy
    ) -> Iterator[Violation]:
        """Read the books again if any sum differs, and find out what does."""
        suspects = {part for part, difference in self._sums.items() if difference}
        if suspects:
            yield from _Suspects(suspects, at, policy).violations(read())

    def _add(self, creation_id: CreationId, count: int) -> None:
        if count:
            self._sums[_part(creation_id)] += count * _number(creation_id)


@dataclass
class _Suspects:
    """The creations of some parts."""

    parts: set[int]
    at: datetime
    policy: Policy
    _shown: dict[CreationId, int] = field(default_factory=dict)
    _liked: Counter[CreationId] = field(default_factory=Counter)
    _excused: set[CreationId] = field(default_factory=set)
    """Unreadable, changed a short time ago, or being deleted."""

    def violations(self, books: Books) -> Iterator[Violation]:
        for document in books:
            match document:
                case Creation() if self._is_suspect(document.creation_id):
                    self._shown[document.creation_id] = document.like_count
                case MediaDeletion(likes_of=str()) if self.at < document.until + REMOVED_WITHIN:
                    self._excuse(document.likes_of)
                case Damage():
                    self._excuse(document.document.removeprefix(f"{Collection.CREATIONS}/"))
                case Like() if self._is_suspect(document.creation_id):
                    yield from self._of_like(document)
        for creation_id in sorted({*self._shown, *self._liked} - self._excused):
            yield from self._of_creation(creation_id)

    def _is_suspect(self, creation_id: str) -> bool:
        return _part(creation_id) in self.parts

    def _excuse(self, creation_id: str | None) -> None:
        if creation_id is not None and self._is_suspect(creation_id):
            self._excused.add(CreationId(creation_id))

    def _of_like(self, like: Like) -> Iterator[Violation]:
        settled_for = LOOK_BACK + timedelta(seconds=2 * self.policy.sweep_every_s)
        if like.changed_at > self.at - settled_for:
            self._excuse(like.creation_id)
        self._liked[like.creation_id] += like.is_liked
        if not _has_its_id(like):
            yield Violation("I23", like.like_id, f"is a like of {like.creation_id}")

    def _of_creation(self, creation_id: CreationId) -> Iterator[Violation]:
        liked, shown = self._liked[creation_id], self._shown.get(creation_id)
        if shown is None:
            yield Violation("I20", creation_id, f"is gone and has {liked} likes")
        elif shown != liked:
            yield Violation("I23", creation_id, f"shows {shown} likes and has {liked}")


def _has_its_id(like: Like) -> bool:
    return like.key == like_key(like.creation_id, like.user_id)


def _number(creation_id: str) -> int:
    """Return a number of 128 bits: sums of different counts are equal only by an unlikely chance."""
    text = creation_id.encode(errors="surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=16).digest(), "big")


def _part(creation_id: str) -> int:
    return _number(creation_id) % SUMS
