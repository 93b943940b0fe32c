"""Simulated Generator, MediaStore and Pipeline with injected faults and counters."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from jobs.upload import ProcessedMedia
from shared.domain.brief import Brief
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    MediaMissing,
    MediaUnavailable,
    ReadRefused,
    StartOutcomeUnknown,
)
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.media import MediaFormat
from shared.ports.generator import CannotTell, NotFound, Operation, Ready, Refused, Running
from shared.ports.media_store import StoredFile
from tests.simulation.scheduler import Crashed, Simulation
from tests.support.builders import NOON

POISON = "poison"
"""The prompt of a creation whose media crashes each process that decodes it."""
TAKES_S = {Kind.IMAGE: (3.0, 20.0), Kind.VIDEO: (20.0, 120.0)}
SLOW_S = (200.0, 900.0)
NEVER_S = 1e9
SILENCE_S = {Kind.IMAGE: 120.0, Kind.VIDEO: 60.0}
"""Timeout of a start."""
AN_HOUR_S = 3600.0
MINUTE_S = 60.0
REFUSED_FROM_S = (0.0, 100.0)
OUTAGE_S = (60.0, 900.0)
WITH_MEDIA = (None, "fails_with_media", "fails_for_now_with_media")
CANNOT_TELL_SHARE = 0.4
FINAL = ("fails", "fails_with_media")
LATE_S = (0.1, 260.0)
GOOD, BROKEN = b"0123456789", b"broken"


@dataclass
class Start:
    """One start request that reached the generator."""

    creation_id: CreationId
    attempt: int
    ready_s: float
    end: str | None
    """The fault with which its operation ends, if any."""
    refused_s: tuple[float, float] = (NEVER_S, NEVER_S)
    """The period in which its reads are refused."""
    is_answered: bool = False
    has_ended: bool = False
    """A poll returned that the operation failed."""
    refused_at_s: list[float] = field(default_factory=list)
    """Times of the latest consecutive refused reads."""
    is_place_readable: bool = True
    is_place_checked: bool = False
    is_place_read: bool = False
    """Its output location was read when its media could exist."""
    is_found: bool = False
    is_broken: bool = False
    """Its fetched media was not usable."""


@dataclass
class SimulatedGenerator:
    """Counts starts; `seen` is called with each one before the response."""

    simulation: Simulation
    kind: Kind
    takes_s: tuple[float, float] | None = None
    """The shortest and longest time of an operation; None: by its kind."""
    at_once_max: int | None = None
    """How many operations may run; the response to one more start is a 429."""
    down_until_s: float = 0.0
    """Until then, a gateway responds to each start, which does not happen."""
    starts: list[Start] = field(default_factory=list)
    starts_of: defaultdict[CreationId, list[Start]] = field(
        default_factory=lambda: defaultdict(list)
    )
    seen: Callable[[Start], None] = lambda _: None
    discarded: Callable[[Start, str], None] = lambda *_: None
    """Called with each start whose operation is discarded, and the operation's name."""

    @property
    def model(self) -> str:
        return "simulated"

    def cost_usd(self, brief: Brief) -> float:
        return 0.1

    def start(self, brief: Brief, *, creation_id: CreationId, attempt: int) -> Operation | Ready:
        step = self.simulation.call("generator.start")
        self._fail_before_start(self._outage or step.fault)
        name = str(len(self.starts))
        start = self._started(creation_id, attempt)
        self._fail_after_start(step.fault)
        is_immediate = self.kind is Kind.IMAGE and self.simulation.chance(creation_id, "mode") < 0.5
        if is_immediate:
            start.end = None
            self.simulation.sleep(max(0.0, start.ready_s - self.simulation.now_s))
        self.simulation.answered(step)
        start.is_answered = True
        return Ready(f"inline {name}") if is_immediate else Operation(name)

    @property
    def _outage(self) -> str | None:
        now_s = self.simulation.now_s
        if now_s < self.down_until_s:
            return "gateway"
        running = sum(now_s < each.ready_s for each in self.starts)
        is_busy = self.at_once_max is not None and running >= self.at_once_max
        return "unavailable" if is_busy else None

    def _fail_before_start(self, fault: str | None) -> None:
        """Raise the error of a start that did not happen."""
        match fault:
            case "unavailable" | "unavailable_for_an_hour":
                raise GenerationUnavailable(
                    failure=FailureCode.GENERATOR_RATE_LIMITED,
                    retry_after_s=0 if fault == "unavailable" else AN_HOUR_S,
                    reason="simulated",
                )
            case "refused":
                raise GenerationRefused(failure=FailureCode.SAFETY_FILTER, reason="simulated")
            case "silent":
                self.simulation.sleep(SILENCE_S[self.kind])
                raise StartOutcomeUnknown(reason="simulated: not started")
            case "gateway":
                raise StartOutcomeUnknown(reason="simulated: a gateway, not started")

    def _fail_after_start(self, fault: str | None) -> None:
        """Raise the error of a start that happened."""
        match fault:
            case "silent_started":
                self.simulation.sleep(SILENCE_S[self.kind])
                raise StartOutcomeUnknown(reason="simulated: started")
            case "gateway_started":
                raise StartOutcomeUnknown(reason="simulated: a gateway, started")
            case "surprise":
                raise RuntimeError("simulated")

    def _started(self, creation_id: CreationId, attempt: int) -> Start:
        actor = f"{creation_id} {len(self.starts)}"
        end = self.simulation.fate(actor, "generator.operation")
        is_slow = end in ("slow", "fails_late")
        shortest, longest = SLOW_S if is_slow else self.takes_s or TAKES_S[self.kind]
        takes_s = shortest + (longest - shortest) * self.simulation.chance(actor, "takes")
        ready_s = NEVER_S if end == "hangs" else self.simulation.now_s + takes_s
        start = Start(creation_id, attempt, ready_s, None if end == "slow" else end)
        self._plan_reads(start, actor)
        self.seen(start)
        self.starts.append(start)
        self.starts_of[creation_id].append(start)
        return start

    def _plan_reads(self, start: Start, actor: str) -> None:
        reads = self.simulation.fate(actor, "generator.reads")
        shortest, longest = REFUSED_FROM_S
        from_s = shortest + (longest - shortest) * self.simulation.chance(actor, "refused from")
        if reads is not None:
            lasts_s = MINUTE_S if reads == "refused_for_a_minute" else NEVER_S
            from_s += self.simulation.now_s
            start.refused_s = (from_s, from_s + lasts_s)
        has_listing = self.simulation.chance(start.creation_id, "can tell") >= CANNOT_TELL_SHARE
        is_granted = reads != "refused_for_ever" or self.simulation.chance(actor, "place") < 0.5
        start.is_place_readable = has_listing and is_granted

    def _read(self, start: Start, fault: str | None) -> None:
        """Raise the error of a read of this start's operation or result, if any."""
        if fault in ("unavailable", "wait_an_hour"):
            start.refused_at_s.clear()
            raise GenerationUnavailable(
                failure=FailureCode.GENERATOR_UNAVAILABLE,
                retry_after_s=AN_HOUR_S if fault == "wait_an_hour" else 0,
                reason="simulated",
            )
        from_s, until_s = start.refused_s
        if from_s <= self.simulation.now_s < until_s:
            start.refused_at_s.append(self.simulation.now_s)
            raise ReadRefused(reason="simulated")
        start.refused_at_s.clear()

    def poll(self, operation: Operation) -> Running | Ready | Refused:
        step = self.simulation.call("generator.poll")
        start = self.starts[int(operation.name)]
        self._read(start, step.fault)
        self.simulation.answered(step)
        if self.simulation.now_s < start.ready_s:
            return Running(None)
        if start.end is not None:
            start.has_ended = True
            return Refused(FailureCode.POLICY_VIOLATION, is_transient=start.end not in FINAL)
        return Ready(operation.name)

    def fetch(self, result: Ready, path: Path, *, size_bytes_max: int) -> None:
        step = self.simulation.call("generator.fetch")
        *place, number = result.locator.split()
        start = self.starts[int(number)]
        if not place or step.fault in ("unavailable", "wait_an_hour"):
            self._read(start, step.fault)
        start.is_broken |= step.fault == "broken"
        path.write_bytes(BROKEN if step.fault == "broken" else GOOD)
        self.simulation.answered(step)

    def discard(self, operation: Operation) -> None:
        step = self.simulation.call("generator.discard")
        if step.fault == "fails":
            raise RuntimeError("simulated")
        self.discarded(self.starts[int(operation.name)], operation.name)
        self.simulation.answered(step)

    def find_output(
        self, creation_id: CreationId, *, attempt: int
    ) -> Ready | NotFound | CannotTell:
        step = self.simulation.call("generator.find")
        starts = [
            (number, start)
            for number, start in enumerate(self.starts)
            if (start.creation_id, start.attempt) == (creation_id, attempt)
        ]
        for _, start in starts:
            start.is_place_checked = True
            start.is_place_read |= self.simulation.now_s >= start.ready_s
        if step.fault in ("unavailable", "wait_an_hour"):
            raise GenerationUnavailable(
                failure=FailureCode.GENERATOR_UNAVAILABLE,
                retry_after_s=AN_HOUR_S if step.fault == "wait_an_hour" else 0,
                reason="simulated",
            )
        self.simulation.answered(step)
        if self.simulation.chance(creation_id, "can tell") < CANNOT_TELL_SHARE:
            return CannotTell()
        for number, start in starts:
            if not start.is_place_readable:
                raise ReadRefused(reason="simulated")
            if start.end in WITH_MEDIA and self.simulation.now_s >= start.ready_s:
                start.is_found = True
                self.simulation.marks["unknown_start_found"] += start.end is None
                return Ready(f"place {number}")
        return NotFound()


@dataclass
class SimulatedPipeline:
    """Checks the bytes; a video has a thumbnail, an image has none; `POISON` kills the process."""

    kind: Kind
    simulation: Simulation

    def post_process(self, download: Path, folder: Path, *, brief: Brief) -> ProcessedMedia:
        if brief.prompt == POISON:
            self.simulation.marks["poisoned"] += 1
            self.simulation.actor.process.is_dead = True
            raise Crashed
        if download.read_bytes() == BROKEN:
            raise BadOutput(reason="simulated")
        is_video = self.kind is Kind.VIDEO
        return ProcessedMedia(
            path=download,
            media_format=MediaFormat.MP4 if is_video else MediaFormat.PNG,
            width=1280,
            height=720,
            thumbnail=download if is_video else None,
        )


class SimulatedMediaStore:
    """Files by key; writes may take effect late. `seen` is called with each deleted key."""

    def __init__(self, simulation: Simulation) -> None:
        self.files: dict[str, StoredFile] = {}
        self.seen: Callable[[str], None] = lambda _: None
        self._simulation = simulation
        self._down_until_s = 0.0
        self._sent: set[str] = set()

    def put(self, path: Path, key: str, *, media_format: MediaFormat) -> None:
        size_bytes = path.stat().st_size
        if key not in self._sent:
            self._sent.add(key)
            self._plan_outage(key)
        self._written("media.put", lambda: self._land(key, size_bytes))

    def _plan_outage(self, key: str) -> None:
        outage = self._simulation.fate(key, "media.outage")
        if outage is not None:
            shortest, longest = OUTAGE_S
            lasts_s = shortest + (longest - shortest) * self._simulation.chance(key, "outage")
            ends_s = self._simulation.now_s + (shortest if outage == "a_minute" else lasts_s)
            self._down_until_s = max(self._down_until_s, ends_s)

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
        if step.fault == "fails" or simulation.now_s < self._down_until_s:
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
        if step.fault == "fails" or self._simulation.now_s < self._down_until_s:
            raise MediaUnavailable(reason="simulated")
        file = self.files.get(key)
        self._simulation.answered(step)
        return file.size_bytes if file else None

    def read(self, key: str) -> Iterator[bytes]:
        step = self._simulation.call("media.size")
        if step.fault == "fails" or self._simulation.now_s < self._down_until_s:
            raise MediaUnavailable(reason="simulated")
        if key not in self.files:
            raise MediaMissing(reason=f"{key} is not there")
        self._simulation.answered(step)
        yield bytes(self.files[key].size_bytes)

    def private_link(self, key: str, *, expires_at: object, filename: str = "") -> str:
        return f"private/{key}"

    def public_link(self, key: str) -> str:
        return f"public/{key}"

    def has_room(self, size_bytes: int) -> bool:
        fault = self._simulation.fate(self._simulation.actor.process.name, "media.room")
        if fault == "fails":
            raise MediaUnavailable(reason="simulated")
        return fault is None

    def everything(self) -> Iterator[StoredFile]:
        return iter(list(self.files.values()))
