"""Run attempts in this process, with a pipeline that accepts any download."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from jobs.execution import Execution
from jobs.generation import Pipeline
from jobs.upload import ProcessedMedia
from jobs.worker import RESTART, SETTLED, exit_status
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.media import MediaFormat
from shared.ports.clock import Clock
from shared.ports.crew import Crew
from shared.wiring import Phoenix
from tests.support.builders import LEASE_OWNER

PAGE = b"<html>busy</html>"


@dataclass
class FakePipeline:
    """Keeps the download unchanged, unless it is a page."""

    kind: Kind = Kind.VIDEO
    error: Exception | None = None
    with_thumbnail: bool = True
    seen: list[bytes] = field(default_factory=list)

    def post_process(self, download: Path, folder: Path, *, brief: Brief) -> ProcessedMedia:
        if self.error:
            raise self.error
        if download.read_bytes() == PAGE:
            raise BadOutput(reason="it is a page")
        self.seen.append(download.read_bytes())
        thumbnail = folder / "thumbnail"
        thumbnail.write_bytes(b"small")
        return ProcessedMedia(
            path=download,
            media_format=MediaFormat.MP4 if self.kind is Kind.VIDEO else MediaFormat.PNG,
            width=1280,
            height=720,
            thumbnail=thumbnail if self.with_thumbnail else None,
        )


class Terminated(BaseException):
    """Ends an attempt's thread after SIGTERM, as the end of its process does."""


class CrewInTurn:
    """A `Crew` without threads: each work is done when it is started."""

    def start(self, name: str, work: Callable[[], None]) -> None:
        work()

    def wait(self, seconds: float) -> None: ...

    def wake(self) -> None: ...

    def turn(self, check: Callable[[], None]) -> AbstractContextManager[object]:
        return nullcontext()


@dataclass
class CrewAtWaits(CrewInTurn):
    """A `Crew` without threads: attempts are in progress until the main thread waits.

    Each `wait` does the work that was started first; without any, time passes.
    """

    clock: Clock
    waiting: Callable[["CrewAtWaits"], None] = lambda _: None
    """Called at each `wait`."""
    works: list[Callable[[], None]] = field(default_factory=list)
    in_progress: list[int] = field(default_factory=list)
    """How many attempts were in progress at each `wait`."""

    def start(self, name: str, work: Callable[[], None]) -> None:
        if name == "hand-back":
            work()
        else:
            self.works.append(work)

    def wait(self, seconds: float) -> None:
        self.in_progress.append(len(self.works))
        self.waiting(self)
        if self.works:
            self.works.pop(0)()
        else:
            self.clock.sleep(seconds)


_running: list[Execution] = []


def sigterm() -> NoReturn:
    """Send SIGTERM to the job that `run_job` runs; call it inside one of the job's port calls."""
    _running[-1].hand_back()
    raise Terminated


def run_job(
    phoenix: Phoenix,
    pipeline: Pipeline,
    creation_id: CreationId,
    *,
    lease_owner: LeaseOwner = LEASE_OWNER,
    drains: bool = False,
    crew: Crew | None = None,
) -> int:
    """Run an execution as a job's process does, and return its exit status."""

    def load() -> Pipeline:
        return pipeline

    execution = Execution(
        phoenix,
        crew or CrewInTurn(),
        load,
        kind=pipeline.kind,
        lease_owner=lease_owner,
        began_s=phoenix.ports.clock.monotonic_s(),
    )

    def work() -> int:
        _running.append(execution)
        try:
            execution.run(creation_id, drains=drains)
        except Terminated:
            pass
        finally:
            _running.remove(execution)
        return RESTART if execution.needs_restart else SETTLED

    return exit_status(work)


def with_ports(phoenix: Phoenix, **ports: Any) -> Phoenix:
    """Replace ports of the jobs; the use cases keep theirs."""
    return replace(phoenix, ports=replace(phoenix.ports, **ports))
