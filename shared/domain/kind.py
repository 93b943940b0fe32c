"""The kinds of creations, and values that differ by kind."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

ValueT = TypeVar("ValueT")


class Kind(StrEnum):
    """What a creation is; `type` and `mediaType` on the wire."""

    IMAGE = "image"
    VIDEO = "video"


@dataclass(frozen=True, kw_only=True)
class PerKind(Generic[ValueT]):
    image: ValueT
    video: ValueT

    def of(self, kind: Kind) -> ValueT:
        return self.video if kind is Kind.VIDEO else self.image
