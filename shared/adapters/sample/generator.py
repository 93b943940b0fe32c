"""A generator without a vendor: real media drawn from the prompt, with operations in files.

An operation's file holds the prompt until it is discarded, and at most a day.

Scenarios, by words in a prompt:

    [refuse]            the start is refused: policy_violation
    [slow N]            the operation takes N seconds
    [rate-limit xN]     the first N starts fail with 429
    [unavailable xN]    the first N starts fail with 503
    [hang]              the operation never ends
    [silent]            the start gets no response (its operation runs)
    [crash upload]      the job is killed once, while it stores the media
    [broken file]       the media file is truncated
    [no thumbnail]      the video has no frame in its middle
"""

import contextlib
import json
import logging
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shared.adapters.sample.drawings import draw_image, render_video
from shared.domain.brief import AspectRatio, Brief
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    ReadRefused,
    StartOutcomeUnknown,
)
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.ports.clock import Clock, Ids
from shared.ports.generator import CannotTell, NotFound, Operation, Ready, Refused, Running

log = logging.getLogger(__name__)

OPERATION_DURATIONS_S = {Kind.IMAGE: 1.5, Kind.VIDEO: 4.0}
BROKEN_SHARE = 0.6
KEPT_S = 24 * 60 * 60
"""Like the videos in the cloud's bucket."""
NO_THUMBNAIL_SHARE = 0.25
_TRANSIENT_FAILURES = {
    "rate-limit": FailureCode.GENERATOR_RATE_LIMITED,
    "unavailable": FailureCode.GENERATOR_UNAVAILABLE,
}


class SampleGenerator:
    """The `Generator` of the local backend; its folder outlives the process."""

    def __init__(self, folder: Path, *, clock: Clock, ids: Ids) -> None:
        self._operations, self._refusals = folder / "operations", folder / "refusals"
        self._crashes = folder / "crashes"
        self._clock, self._ids = clock, ids
        for path in (self._operations, self._refusals, self._crashes):
            path.mkdir(parents=True, exist_ok=True)
            self._remove_orphaned_files(path)

    @property
    def model(self) -> str:
        return "sample"

    def cost_usd(self, brief: Brief) -> float:  # noqa: ARG002 (it is free)
        return 0.0

    def start(self, brief: Brief, *, creation_id: CreationId, attempt: int) -> Operation | Ready:
        if "[refuse]" in brief.prompt:
            raise GenerationRefused(failure=FailureCode.POLICY_VIOLATION, reason="[refuse]")
        for word, failure in _TRANSIENT_FAILURES.items():
            if self._fails(word, brief, creation_id):
                raise GenerationUnavailable(failure=failure, reason=f"[{word}]")
        if "[crash upload]" in brief.prompt:
            (self._crashes / creation_id).touch()
        name = f"{creation_id}-{attempt}-{self._ids.random_id(8)}"
        self._write(name, {"startedAt": self._clock.now().timestamp(), "brief": asdict(brief)})
        if "[silent]" in brief.prompt:
            raise StartOutcomeUnknown(reason="[silent]")
        return Operation(name)

    def _fails(self, word: str, brief: Brief, creation_id: CreationId) -> bool:
        """Return whether a scenario fails this start, and count it."""
        match = re.search(rf"\[{word} x(\d{{1,3}})\]", brief.prompt)
        refused = len(list(self._refusals.glob(f"{creation_id}-{word}-*")))
        if match is None or refused >= int(match[1]):
            return False
        (self._refusals / f"{creation_id}-{word}-{refused + 1}").touch()
        return True

    def poll(self, operation: Operation) -> Running | Ready | Refused:
        progress = self._progress(operation.name)
        return Ready(operation.name) if progress >= 1 else Running(progress)

    def fetch(self, result: Ready, path: Path, *, size_bytes_max: int) -> None:
        brief, _ = self._started(result.locator)
        if brief.kind is Kind.IMAGE:
            draw_image(brief, path)
        else:
            share = NO_THUMBNAIL_SHARE if "[no thumbnail]" in brief.prompt else 1.0
            render_video(brief, path, motion_share=share)
        size_bytes = path.stat().st_size
        if "[broken file]" in brief.prompt:
            os.truncate(path, int(size_bytes * BROKEN_SHARE))
        if size_bytes > size_bytes_max:
            raise BadOutput(reason=f"it is larger than {size_bytes_max} bytes")

    def discard(self, operation: Operation) -> None:
        """Remove the prompt; keep the start's time."""
        try:
            started_at = self._operation(operation.name)["startedAt"]
            self._write(operation.name, {"startedAt": started_at})
        except (OSError, ReadRefused) as error:
            log.warning("discard_failed", extra={"reason": repr(error)})

    def find_output(
        self, creation_id: CreationId, *, attempt: int
    ) -> Ready | NotFound | CannotTell:
        for path in self._operations.glob(f"{creation_id}-{attempt}-*.json"):
            if "brief" in self._operation(path.stem) and self._progress(path.stem) >= 1:
                return Ready(path.stem)
        return NotFound()

    def _started(self, name: str) -> tuple[Brief, float]:
        """Return an operation's brief and start time; raise `ReadRefused` if it was discarded."""
        operation = self._operation(name)
        if (fields := operation.get("brief")) is None:
            raise ReadRefused(reason=f"the operation {name} was discarded")
        kind, aspect_ratio = Kind(fields["kind"]), AspectRatio(fields["aspect_ratio"])
        brief = Brief(**{**fields, "kind": kind, "aspect_ratio": aspect_ratio})
        return brief, float(operation["startedAt"])

    def _progress(self, name: str) -> float:
        brief, started_s = self._started(name)
        if "[hang]" in brief.prompt:
            return 0.0
        slow = re.search(r"\[slow (\d{1,4})\]", brief.prompt)
        duration_s = float(slow[1]) if slow else OPERATION_DURATIONS_S[brief.kind]
        elapsed_s = self._clock.now().timestamp() - started_s
        return 1.0 if elapsed_s >= duration_s else max(0.0, elapsed_s / duration_s)

    def _operation(self, name: str) -> dict[str, Any]:
        """Return a stored operation; raise `ReadRefused` if there is none."""
        try:
            operation: dict[str, Any] = json.loads(self._path(name).read_text())
        except FileNotFoundError as error:
            raise ReadRefused(reason=f"there is no operation {name}") from error
        return operation

    def _write(self, name: str, operation: dict[str, Any]) -> None:
        incoming = self._operations / f"{name}.incoming"
        incoming.write_text(json.dumps(operation))
        incoming.rename(self._path(name))

    def _path(self, name: str) -> Path:
        return self._operations / f"{name}.json"

    def _remove_orphaned_files(self, folder: Path) -> None:
        """Remove files that were never discarded; their creations have ended."""
        oldest_s = self._clock.now().timestamp() - KEPT_S
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # removed by another process
                if path.stat().st_mtime < oldest_s and _started_s(path) < oldest_s:
                    path.unlink()


def _started_s(path: Path) -> float:
    """Return when an operation started: its file's time may be wrong, in a copied folder."""
    try:
        return float(json.loads(path.read_text())["startedAt"])
    except (ValueError, KeyError):  # not an operation, or damaged
        return 0.0
