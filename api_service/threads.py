"""Threads for what blocks: the store, the queue, the media store, and the views of many creations."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

THREADS_MAX = 80

_Job = tuple[Callable[[], object], Context, "asyncio.Future[Any]", asyncio.AbstractEventLoop]


class Threads:
    """At most `count_max` threads, started when needed.

    They are daemons, since a call that waits for a vendor must not delay the exit of the process.
    A call costs 5 us of CPU, of the standard library's pool 20, of anyio's 40 to 70 (decision 1).
    """

    def __init__(self, count_max: int = THREADS_MAX) -> None:
        self._count_max = count_max
        self._count = self._running = 0
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()

    async def run(self, function: Callable[[], ResultT]) -> ResultT:
        """Return the function's result from a thread with the caller's context variables."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[ResultT] = loop.create_future()
        with self._lock:
            self._running += 1
            must_start = self._count < min(self._running, self._count_max)
            self._count += must_start
        if must_start:
            threading.Thread(target=self._work, name="hop", daemon=True).start()
        self._jobs.put((function, copy_context(), outcome, loop))
        return await outcome

    def _work(self) -> None:
        while True:
            self._run(*self._jobs.get())  # no variable keeps a request alive

    def _run(
        self,
        function: Callable[[], object],
        context: Context,
        outcome: "asyncio.Future[Any]",
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        try:
            result = context.run(function)
        except BaseException as error:  # noqa: BLE001 (raised again by `run`)
            self._end(loop, _raise, outcome, error)
        else:
            self._end(loop, _return, outcome, result)

    def _end(
        self,
        loop: asyncio.AbstractEventLoop,
        how: Callable[["asyncio.Future[Any]", Any], None],
        outcome: "asyncio.Future[Any]",
        result: object,
    ) -> None:
        with self._lock:
            self._running -= 1
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(how, outcome, result)


def _return(outcome: "asyncio.Future[Any]", result: object) -> None:
    if not outcome.cancelled():
        outcome.set_result(result)


def _raise(outcome: "asyncio.Future[Any]", error: BaseException) -> None:
    if not outcome.cancelled():
        outcome.set_exception(error)


THREADS = Threads()
"""Those of this process."""
