"""Simulated Crew: the threads of a job's process are actors, which die with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.simulation.scheduler import Simulation

TURN_CHECK_S = 1.0
NAME_LENGTH = 6


class SimulatedCrew:
    """Starts actors in the process of the actor that creates it."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._main = simulation.actor
        self._is_waiting = self._is_woken = self._is_taken = False

    def start(self, name: str, work: Callable[[], None]) -> None:
        counts, short = self._main.counts, name[:NAME_LENGTH]
        counts[f"crew {short}"] += 1

        def run() -> None:
            try:
                work()
            finally:
                self.wake()

        full_name = f"{self._main.name}.{short}.{counts[f'crew {short}']}"
        self._simulation.spawn(full_name, run, process=self._main.process)

    def wait(self, seconds: float) -> None:
        if not self._is_woken:
            self._is_waiting = True
            try:
                self._simulation.sleep(seconds)
            finally:
                self._is_waiting = False
        self._is_woken = False

    def wake(self) -> None:
        self._is_woken = True
        if self._is_waiting:
            self._is_waiting = False
            self._simulation.wake(self._main)

    @contextmanager
    def turn(self, check: Callable[[], None]) -> Iterator[None]:
        has_waited = False
        while self._is_taken:
            has_waited = True
            check()
            self._simulation.sleep(TURN_CHECK_S)
        self._is_taken = True
        try:
            if has_waited:
                check()
            yield
        finally:
            self._is_taken = False
