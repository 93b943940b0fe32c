"""The machine's own time and randomness."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_DIGITS = "0123456789"


class SystemClock:
    """Wall time in whole milliseconds, so that what is stored and what is shown are the same."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic_s(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    @contextmanager
    def every(self, seconds: float, beat: Callable[[], None]) -> Iterator[None]:
        """Call `beat` on a thread beside the block; a running beat is waited for at its end."""
        over = threading.Event()

        def repeat() -> None:
            while not over.wait(seconds):
                beat()

        thread = threading.Thread(
            target=copy_context().run, args=(repeat,), name="heartbeat", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class SystemIds:
    """Names nobody can guess."""

    def random_id(self, length: int) -> str:
        """Return characters of a-z and 2-7."""
        return "".join(secrets.choice(_LETTERS) for _ in range(length))

    def digits(self, length: int) -> str:
        """Return decimal digits."""
        return "".join(secrets.choice(_DIGITS) for _ in range(length))
