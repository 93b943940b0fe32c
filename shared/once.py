"""Lazy clients: a vendor's SDK is slow to import, and not every process needs it."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

ClientT = TypeVar("ClientT")


class Once(Generic[ClientT]):
    """A client that the first call creates for all threads; after an error the next call retries."""

    def __init__(self, connect: Callable[[], ClientT]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._client: ClientT | None = None

    def __call__(self) -> ClientT:
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    @property
    def is_open(self) -> bool:
        return self._client is not None

    def close(self, release: Callable[[ClientT], object]) -> None:
        with self._lock:
            if self._client is not None:
                release(self._client)
                self._client = None
