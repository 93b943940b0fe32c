"""A vendor's client, made when it is first needed: its import is slow and not every process asks."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

ClientT = TypeVar("ClientT")


class Once(Generic[ClientT]):
    """Makes one client for all threads; after an error the next call tries again."""

    def __init__(self, connect: Callable[[], ClientT]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._client: ClientT | None = None

    def __call__(self) -> ClientT:
        """Return the client."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def close(self, release: Callable[[ClientT], object]) -> None:
        """Release the client, if one was made."""
        with self._lock:
            if self._client is not None:
                release(self._client)
                self._client = None
