"""Work that needs much memory is done one at a time in a process: parsing and decoding media."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

CHECK_EVERY_S = 1.0
_HEAVY_WORK = threading.Lock()
_attempts_check: ContextVar[Callable[[], None] | None] = ContextVar("attempts_check", default=None)


@contextmanager
def heavy_work(check: Callable[[], None] | None = None) -> Iterator[None]:
    """Let one thread at a time into the block.

    A thread that has to wait calls `check` at first, about every second, and once more when its
    turn has come: what it raises ends the waiting. By default, it is the one of `checked_by`.
    """
    check, has_waited = check or _attempts_check.get() or (lambda: None), False
    while not _HEAVY_WORK.acquire(timeout=CHECK_EVERY_S if has_waited else 0):
        has_waited = True
        check()
    try:
        if has_waited:
            check()
        yield
    finally:
        _HEAVY_WORK.release()


@contextmanager
def checked_by(check: Callable[[], None]) -> Iterator[None]:
    """Give the heavy work of this thread's block, which adapters may begin, a check."""
    before = _attempts_check.set(check)
    try:
        yield
    finally:
        _attempts_check.reset(before)
