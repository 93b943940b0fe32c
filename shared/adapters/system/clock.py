"""The operating system's time and randomness."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime

_LETTERS = b"abcdefghijklmnopqrstuvwxyz234567"
_LETTER_OF_BYTE = _LETTERS * (256 // len(_LETTERS))
"""Each letter for as many bytes; one system call for a whole id, not one for each letter."""
_DIGITS = "0123456789"


class SystemClock:
    """Wall time in whole milliseconds, so that stored and displayed times are equal."""

    def now(self) -> datetime:
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic_s(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    @contextmanager
    def every(self, seconds: float, beat: Callable[[], None]) -> Iterator[None]:
        ended = threading.Event()

        def repeat() -> None:
            while not ended.wait(seconds):
                beat()

        thread = threading.Thread(
            target=copy_context().run, args=(repeat,), name="heartbeat", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


class SystemIds:
    def random_id(self, length: int) -> str:
        return secrets.token_bytes(length).translate(_LETTER_OF_BYTE).decode()

    def digits(self, length: int) -> str:
        return "".join(secrets.choice(_DIGITS) for _ in range(length))
