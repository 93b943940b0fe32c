"""The simulated Generator, MediaStore and Pipeline: slow, silent, forgetful, and counted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from jobs.making import Produced
from shared.domain.brief import Brief
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    MediaMissing,
    MediaUnavailable,
    StartOutcomeUnknown,
)
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.media import MediaFormat
from shared.domain.policy import Kind
from shared.ports.generator import CannotTell, NotFound, Operation, Ready, Refused, Running
from shared.ports.media_store import StoredFile
from tests.builders import NOON
from tests.simulation.scheduler import Simulation

TAKES_S = {Kind.IMAGE: (3.0, 20.0), Kind.VIDEO: (20.0, 120.0)}
SLOW_S = (200.0, 900.0)
NEVER_S = 1e9
LATE_S = (0.1, 260.0)
GOOD, BROKEN = b"0123456789", b"broken"


@dataclass
class Start:
    """One request to start that reached the generator."""

    creation_id: CreationId
    attempt: int
    ready_s: float
    end: str | None
    """The fault it ends with, if it does not end well."""
    is_answered: bool = False
    is_over: bool = False
    """The asker has been told that it came to nothing."""


@dataclass
class SimulatedGenerator:
    """Starts are counted; `seen` is called with each one before it is answered."""

    simulation: Simulation
    kind: Kind
    starts: list[Start] = field(default_factory=list)
    seen: Callable[[Start], None] = lambda _: None

    @property
    def model(self) -> str:
        return "simulated"

    def cost_usd(self, brief: Brief) -> float:
        return 0.1

    def start(self, brief: Brief, *, creation_id: CreationId, attempt: int) -> Operation | Ready:
        step = self.simulation.call("generator.start")
        match step.fault:
            case "unavailable":
                raise GenerationUnavailable(
                    failure=FailureCode.GENERATOR_RATE_LIMITED, reason="simulated"
                )
            case "refused":
                raise GenerationRefused(failure=FailureCode.SAFETY_FILTER, reason="simulated")
            case "silent":
                raise StartOutcomeUnknown(reason="simulated: not started")
        start = self._started(creation_id, attempt)
        if step.fault == "silent_started":
            raise StartOutcomeUnknown(reason="simulated: started")
        if step.fault == "surprise":
            raise RuntimeError("simulated")
        name = str(self.starts.index(start))
        is_immediate = self.kind is Kind.IMAGE and self.simulation.chance(creation_id, "mode") < 0.5
        if is_immediate:
            start.end = None
            self.simulation.sleep(max(0.0, start.ready_s - self.simulation.now_s))
        self.simulation.answered(step)
        start.is_answered = True
        return Ready(name) if is_immediate else Operation(name)

    def _started(self, creation_id: CreationId, attempt: int) -> Start:
        actor = f"{creation_id} {len(self.starts)}"
        end = self.simulation.fate(actor, "generator.operation")
        is_slow = end in ("slow", "fails_late")
        shortest, longest = SLOW_S if is_slow else TAKES_S[self.kind]
        takes_s = shortest + (longest - shortest) * self.simulation.chance(actor, "takes")
        ready_s = NEVER_S if end == "hangs" else self.simulation.now_s + takes_s
        start = Start(creation_id, attempt, ready_s, None if end == "slow" else end)
        self.seen(start)
        self.starts.append(start)
        return start

    def poll(self, operation: Operation) -> Running | Ready | Refused:
        step = self.simulation.call("generator.poll")
        if step.fault == "unavailable":
            raise GenerationUnavailable(
                failure=FailureCode.GENERATOR_UNAVAILABLE, reason="simulated"
            )
        start = self.starts[int(operation.name)]
        self.simulation.answered(step)
        if self.simulation.now_s < start.ready_s:
            return Running(None)
        if start.end is not None:
            start.is_over = True
            return Refused(FailureCode.POLICY_VIOLATION, is_transient=start.end != "fails")
        return Ready(operation.name)

    def fetch(self, result: Ready, path: Path, *, size_bytes_max: int) -> None:
        step = self.simulation.call("generator.fetch")
        if step.fault == "unavailable":
            raise GenerationUnavailable(
                failure=FailureCode.GENERATOR_UNAVAILABLE, reason="simulated"
            )
        path.write_bytes(BROKEN if step.fault == "broken" else GOOD)
        self.simulation.answered(step)

    def discard(self, operation: Operation) -> None:
        return

    def find_output(
        self, creation_id: CreationId, *, attempt: int
    ) -> Ready | NotFound | CannotTell:
        step = self.simulation.call("generator.find")
        if step.fault == "unavailable":
            raise GenerationUnavailable(
                failure=FailureCode.GENERATOR_UNAVAILABLE, reason="simulated"
            )
        self.simulation.answered(step)
        if self.simulation.chance(creation_id, "can tell") < 0.4:
            return CannotTell()
        for number, start in enumerate(self.starts):
            is_asked_for = (start.creation_id, start.attempt) == (creation_id, attempt)
            if is_asked_for and start.end is None and self.simulation.now_s >= start.ready_s:
                self.simulation.marks["unknown_start_found"] += 1
                return Ready(str(number))
        return NotFound()


@dataclass
class SimulatedPipeline:
    """Checks the bytes; a film has a thumbnail, a picture has none."""

    kind: Kind

    def produce(self, download: Path, folder: Path, *, brief: Brief) -> Produced:
        if download.read_bytes() == BROKEN:
            raise BadOutput(reason="simulated")
        is_film = self.kind is Kind.VIDEO
        return Produced(
            path=download,
            media_format=MediaFormat.MP4 if is_film else MediaFormat.PNG,
            width=1280,
            height=720,
            thumbnail=download if is_film else None,
        )


class SimulatedMediaStore:
    """Files by key; what is sent may land late. `seen` is called with each key that goes."""

    def __init__(self, simulation: Simulation) -> None:
        self.files: dict[str, StoredFile] = {}
        self.seen: Callable[[str], None] = lambda _: None
        self._simulation = simulation

    def put(self, path: Path, key: str, *, media_format: MediaFormat) -> None:
        size_bytes = path.stat().st_size
        self._written("media.put", lambda: self._land(key, size_bytes))

    def publish(self, key: str, public_key: str) -> None:
        def land() -> None:
            if key in self.files:
                self._land(public_key, self.files[key].size_bytes)

        if key not in self.files:
            raise MediaMissing(reason=f"{key} is not there")
        self._written("media.publish", land)

    def delete(self, key: str) -> None:
        def land() -> None:
            if self.files.pop(key, None):
                self.seen(key)

        self._written("media.delete", land)

    def _written(self, kind: str, land: Callable[[], None]) -> None:
        simulation = self._simulation
        step = simulation.call(kind)
        if step.fault == "fails":
            raise MediaUnavailable(reason="simulated")
        if step.fault == "late":
            shortest, longest = LATE_S
            simulation.at(simulation.now_s + shortest + (longest - shortest) * step.chance, land)
            raise MediaUnavailable(reason="simulated: late")
        land()
        if step.fault == "applied":
            raise MediaUnavailable(reason="simulated: applied")
        simulation.answered(step)

    def _land(self, key: str, size_bytes: int) -> None:
        stored_at = NOON + timedelta(seconds=self._simulation.now_s)
        self.files.setdefault(key, StoredFile(key, size_bytes, stored_at))

    def size_bytes(self, key: str) -> int | None:
        step = self._simulation.call("media.size")
        if step.fault == "fails":
            raise MediaUnavailable(reason="simulated")
        file = self.files.get(key)
        self._simulation.answered(step)
        return file.size_bytes if file else None

    def private_link(self, key: str, *, expires_at: object) -> str:
        return f"private/{key}"

    def public_link(self, key: str) -> str:
        return f"public/{key}"

    def has_room(self, size_bytes: int) -> bool:
        return True

    def everything(self) -> Iterator[StoredFile]:
        return iter(list(self.files.values()))
