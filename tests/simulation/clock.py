"""The simulated Clock and Ids: each process has a clock of its own, a little off."""

from base64 import b32encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import blake2b

from tests.simulation.scheduler import Simulation
from tests.support.builders import NOON


class SimulatedClock:
    """Virtual time, as the acting process sees it."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def now(self) -> datetime:
        now_s = self._simulation.now_s + self._simulation.actor.process.offset_s
        return NOON + timedelta(milliseconds=int(now_s * 1000))

    def monotonic_s(self) -> float:
        return self._simulation.now_s

    def sleep(self, seconds: float) -> None:
        self._simulation.sleep(seconds)

    @contextmanager
    def every(self, seconds: float, beat: Callable[[], None]) -> Iterator[None]:
        simulation, owner = self._simulation, self._simulation.actor
        is_over = is_beating = False

        def repeat() -> None:
            nonlocal is_beating
            simulation.sleep(seconds)
            while not is_over:
                is_beating = True
                beat()
                is_beating = False
                simulation.sleep(seconds)

        beats = owner.counts["beats"] = owner.counts["beats"] + 1
        simulation.spawn(f"{owner.name}.beat{beats}", repeat, process=owner.process)
        try:
            yield
        finally:
            is_over = True
            while is_beating:
                simulation.sleep(0.05)


class SimulatedIds:
    """Names that are the hash of who asks and how often."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def random_id(self, length: int) -> str:
        return b32encode(self._digest()).decode().lower()[:length]

    def digits(self, length: int) -> str:
        return str(int.from_bytes(self._digest()[:8], "big")).zfill(length)[-length:]

    def _digest(self) -> bytes:
        actor = self._simulation.actor
        actor.counts["ids"] += 1
        text = f"{self._simulation.seed}|{actor.name}|{actor.counts['ids']}"
        return blake2b(text.encode(), digest_size=30).digest()
