"""Simulated Clock and Ids: each process has a clock with its own offset."""

from base64 import b32encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import blake2b

from tests.simulation.scheduler import Simulation
from tests.support.builders import NOON


class SimulatedClock:
    """Virtual time plus the offset of the acting process."""

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
        is_stopped = is_beating = False

        def repeat() -> None:
            nonlocal is_beating
            simulation.sleep(seconds)
            while not is_stopped:
                is_beating = True
                beat()
                is_beating = False
                simulation.sleep(seconds)

        beats = owner.counts["beats"] = owner.counts["beats"] + 1
        simulation.spawn(f"{owner.name}.beat{beats}", repeat, process=owner.process)
        try:
            yield
        finally:
            is_stopped = True
            while is_beating:
                simulation.sleep(0.05)


class SimulatedIds:
    """Ids that are hashes of the actor and its call count."""

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
