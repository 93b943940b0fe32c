"""Threads for what blocks: the store, the queue, the media store, and views."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

ResultT = TypeVar("ResultT")

THREADS_MAX = 80


class Threads:
    """At most `count_max` threads, started when needed."""

    def __init__(self, count_max: int = THREADS_MAX) -> None:
        self._pool = ThreadPoolExecutor(count_max, thread_name_prefix="hop")

    async def run(self, function: Callable[[], ResultT]) -> ResultT:
        """Return the function's result from a thread with the caller's context variables."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, copy_context().run, _run, function)


def _run(function: Callable[[], ResultT]) -> ResultT:
    try:
        return function()
    except StopIteration as error:  # asyncio's futures refuse it, and would never end
        raise RuntimeError("the function raised StopIteration") from error


THREADS = Threads()
"""Those of this process."""
