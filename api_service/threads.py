"""Threads for what blocks: the store, the queue, the media store, and building large responses."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

THREADS_MAX = 80


@dataclass(frozen=True)
class _Job:
    function: Callable[[], object]
    context: Context
    outcome: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop

    def run(self) -> None:
        try:
            result = self.context.run(self.function)
        except BaseException as error:  # noqa: BLE001 (raised again by `Threads.run`)
            self._end(_raise, error)
        else:
            self._end(_return, result)

    def _end(self, how: Callable[..., None], result: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(how, self.outcome, result)


class Threads:
    """At most `count_max` threads, started when needed.

    They are daemons, since a call that waits for a vendor must not delay the exit of the process.
    One queue and one future make a call cost 5 us of CPU at 16 concurrent calls; it is 20 with
    `ThreadPoolExecutor` and 40 to 70 with `anyio.to_thread` (decision 1).
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
        self._jobs.put(_Job(function, copy_context(), outcome, loop))
        return await outcome

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            job.run()
            with self._lock:
                self._running -= 1
            del job  # its request would otherwise live until the next one


def _return(outcome: "asyncio.Future[Any]", result: object) -> None:
    if not outcome.cancelled():
        outcome.set_result(result)


def _raise(outcome: "asyncio.Future[Any]", error: BaseException) -> None:
    if not outcome.cancelled():
        outcome.set_exception(error)


THREADS = Threads()
"""Those of this process."""
