"""Which files an audit expects: millions of keys in little memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from shared.ports.media_store import StoredFile


@dataclass(frozen=True)
class Suspect:
    """An expected file that was not listed (None), or with another size."""

    size_bytes: int | None


class FileIndex(Protocol):
    """Which files must exist, and which may; its memory must not grow with their number."""

    def close(self) -> None: ...

    def expect(self, files: Iterable[tuple[str, int | None]]) -> None:
        """Expect keys with these sizes, None for any."""

    def tolerate(self, keys: Iterable[str]) -> None: ...

    def compare(self, listed: Iterable[StoredFile]) -> Iterator[StoredFile]:
        """Compare with what is stored; yield each file that is neither expected nor tolerated."""

    @property
    def has_suspects(self) -> bool:
        """Return whether the comparison found an expected file missing, or of another size."""

    def suspect(self, key: str) -> Suspect | None: ...
