"""The threads of one job's process: an attempt each."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class Crew(Protocol):
    """Threads that end with their process. A simulation runs each as an actor of one process."""

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Do the work in a thread of its own. `work` must not raise."""

    def wait(self, seconds: float) -> None:
        """Return when a thread has ended or called `wake` since the last call, or after this time.

        Only one thread calls it.
        """

    def wake(self) -> None:
        """End the present `wait`, or the next one."""

    def turn(self, check: Callable[[], None]) -> AbstractContextManager[object]:
        """Let one thread at a time into the block, which is for work that needs much memory.

        One that has to wait calls `check` about every second, and when its turn has come; what
        that raises ends the waiting, and the block does not begin.
        """
