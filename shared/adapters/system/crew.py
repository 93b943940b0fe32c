"""The threads of one job's process, by the operating system."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import copy_context

from shared.heavy_work import heavy_work


class SystemCrew:
    """A `Crew` of daemon threads, which end with the process."""

    def __init__(self) -> None:
        self._woken = threading.Event()

    def start(self, name: str, work: Callable[[], None]) -> None:
        context = copy_context()

        def run() -> None:
            try:
                context.run(work)
            finally:
                self._woken.set()

        threading.Thread(target=run, name=name, daemon=True).start()

    def wait(self, seconds: float) -> None:
        self._woken.wait(seconds)
        self._woken.clear()

    def wake(self) -> None:
        self._woken.set()

    def turn(self, check: Callable[[], None]) -> AbstractContextManager[object]:
        return heavy_work(check)
