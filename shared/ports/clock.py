"""Clock and random ids: what a simulation replaces to make the lifecycle repeatable."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for what is stored, monotonic time for what is measured."""

    def now(self) -> datetime:
        """Return the time in UTC, in whole milliseconds."""

    def monotonic_s(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...

    def every(self, seconds: float, beat: Callable[[], None]) -> AbstractContextManager[object]:
        """Call `beat` repeatedly during the `with` block, first after one interval.

        When the block has ended, no beat is running and none begins. `beat` must not raise.
        """


class Ids(Protocol):
    def random_id(self, length: int) -> str:
        """Return random characters of a-z and 2-7: 5 bits each."""

    def digits(self, length: int) -> str: ...
