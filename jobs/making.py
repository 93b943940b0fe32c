"""From a lease to stored media: begin or resume, poll, fetch, produce, store.

A paid result is given up only after its own place in the generator's bucket was read once: an
operation may end in an error, name what is no media, or never be readable, although it is there.
"""

import filecmp
import logging
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from jobs.lease import ASK_AGAIN_FIRST_S, Lease, OutOfTime
from jobs.storing import Produced, Storing
from shared.domain.brief import Brief
from shared.domain.creation import Creation
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    ReadRefused,
    StartOutcomeUnknown,
)
from shared.domain.kind import Kind
from shared.domain.media import StoredMedia
from shared.domain.status import Stage
from shared.lifecycle.starts import has_starts_left, may_start_again
from shared.ports.generator import CannotTell, Generator, NotFound, Operation, Ready, Refused
from shared.ports.media_store import MediaStore

__all__ = ["Making", "Pipeline", "Produced"]

log = logging.getLogger(__name__)

PLACE_READS_MAX = 3
"""How often a place is read while it does not answer, before a paid result is given up."""
FETCH_AGAIN_AFTER_S = 5
"""How long a gateway has to recover that may have answered instead of the generator."""
_GIVEN_UP = (GenerationRefused, GenerationUnavailable, ReadRefused, OutOfTime, BadOutput)


class Pipeline(Protocol):
    """What differs between the kinds."""

    @property
    def kind(self) -> Kind:
        """Return the kind this pipeline makes."""
        ...

    def produce(self, download: Path, folder: Path, *, brief: Brief) -> Produced:
        """Check a generator's file and prepare it, writing into `folder`.

        Raises:
            BadOutput: it is not the media that was asked for.
        """
        ...


@dataclass(frozen=True)
class Making:
    """One attempt's work."""

    lease: Lease
    generator: Generator
    pipeline: Pipeline
    media: MediaStore

    def make(self) -> StoredMedia:
        """Return the media, stored under this attempt's keys."""
        begun = self._begin()
        ready: Ready | None = None
        try:
            ready = self._poll(begun)
            return self._finish(ready)
        except _GIVEN_UP as no:
            return self._finish_from_place(
                no, unusable=ready if isinstance(no, BadOutput) else None
            )

    def _finish(self, ready: Ready) -> StoredMedia:
        """Fetch, check and store what the generator made."""
        with tempfile.TemporaryDirectory(prefix="phoenix-") as name:
            folder = Path(name)
            produced = self._produced(ready, folder)
            self.lease.enter(Stage.UPLOADING)
            return Storing(self.lease, self.media).store(produced)

    def _produced(self, ready: Ready, folder: Path) -> Produced:
        """Fetch and check; a file that is unusable is fetched once more: it may be a gateway's."""
        download, brief = self._download(ready, folder), self.lease.mine.brief
        self.lease.enter(Stage.CHECKING)
        try:
            return self.pipeline.produce(download, folder, brief=brief)
        except BadOutput as error:
            again = self._other_download(ready, download)
            if again is None:
                raise
            log.warning("unusable_download", extra={"reason": error.reason})
        return self.pipeline.produce(again, folder, brief=brief)

    def _other_download(self, ready: Ready, unusable: Path) -> Path | None:
        """Fetch a video once more, or return None if that fails or brings the same file."""
        if self.pipeline.kind is Kind.IMAGE:
            return None
        again, size_bytes_max = unusable.with_name("again"), self.lease.policy.size_bytes_max
        self.lease.clock.sleep(FETCH_AGAIN_AFTER_S)
        self.lease.hold()
        try:
            self.generator.fetch(ready, again, size_bytes_max=size_bytes_max(self.pipeline.kind))
        except Exception as error:  # noqa: BLE001 (what is unusable decides)
            log.warning("not_fetched_again", extra={"reason": repr(error)})
            return None
        return None if filecmp.cmp(unusable, again, shallow=False) else again

    def _finish_from_place(self, no: Exception, *, unusable: Ready | None) -> StoredMedia:
        """Finish with what is in the attempt's own place in the bucket, or raise the no."""
        found = self._read_place()
        if found is None or found == unusable:
            raise no
        log.warning("found_in_place", extra={"reason": repr(no)})
        try:
            return self._finish(found)
        except (BadOutput, ReadRefused, OutOfTime) as error:
            raise no from error

    def _begin(self) -> Operation | Ready:
        """Resume what an earlier attempt began, or find what it made, or start."""
        lease = self.lease
        if lease.mine.operation_name is not None:
            return Operation(lease.mine.operation_name)
        if not has_starts_left(lease.mine):
            return self._find_output()
        if found := self._read_place():
            return found
        if not may_start_again(lease.mine, at=lease.clock.now(), policy=lease.policy):
            raise StartOutcomeUnknown(reason="an earlier start is too recent for another one")
        try:
            return self._start()
        except StartOutcomeUnknown as error:
            log.warning("start_unanswered", extra={"reason": error.reason})
            if has_starts_left(lease.mine):
                raise
        return self._find_output()

    def _start(self) -> Operation | Ready:
        """Write the intent, start the generator once, and write the operation down."""
        self._intend()
        lease = self.lease
        creation_id, attempt = lease.mine.creation_id, lease.mine.attempt
        try:
            begun = self.generator.start(lease.mine.brief, creation_id=creation_id, attempt=attempt)
        except (GenerationRefused, GenerationUnavailable, StartOutcomeUnknown):
            raise
        except Exception as error:
            log.exception("start_unexpected")
            raise StartOutcomeUnknown(reason=repr(error)) from error
        if isinstance(begun, Operation):
            lease.mine = self._recorded(begun)
        return begun

    def _recorded(self, begun: Operation) -> Creation:
        """Write down what is paid and nowhere else, for as long as the lease is held."""
        attempts, mine = self.lease.attempts, self.lease.mine
        return self.lease.written(lambda: attempts.record_operation(mine, begun.name))

    def _intend(self) -> None:
        """Write the intent; one that took too long to write is withdrawn and written again."""
        lease, generator = self.lease, self.generator
        while True:
            lease.hold()
            began_s = lease.clock.monotonic_s()
            lease.mine = lease.attempts.intend(
                lease.mine,
                model=generator.model,
                cost_usd=generator.cost_usd(lease.mine.brief),
            )
            if lease.clock.monotonic_s() - began_s <= lease.policy.start_within_s:
                return
            lease.mine = lease.attempts.withdraw(lease.mine)

    def _find_output(self) -> Ready:
        """Search for what an unanswered start made, until the search's time has passed.

        Raises:
            StartOutcomeUnknown: nothing was found.
        """
        lease, intent = self.lease, self.lease.mine.intent
        if intent is None:
            raise AssertionError("an unanswered start has an intent")
        search_until = intent.at + timedelta(seconds=lease.policy.output_search_s)
        while True:
            try:
                found = lease.asked(self._find, until=search_until)
            except (GenerationUnavailable, ReadRefused) as error:
                raise StartOutcomeUnknown(reason=repr(error)) from error
            if isinstance(found, Ready):
                return found
            if isinstance(found, CannotTell) or lease.clock.now() >= search_until:
                raise StartOutcomeUnknown(reason=f"{type(found).__name__} by the search's end")
            lease.pause(lease.policy.poll_s(lease.mine.kind))

    def _read_place(self) -> Ready | None:
        """Return what the last start of this debit left in its place, or None; wait only briefly."""
        if self.lease.mine.intent is None:
            return None
        pause_s = ASK_AGAIN_FIRST_S
        for _ in range(PLACE_READS_MAX):
            self.lease.hold()
            try:
                found = self._find()
            except GenerationUnavailable as error:
                log.info("asked_in_vain", extra={"reason": error.reason})
                self.lease.clock.sleep(pause_s)
                pause_s *= 2
            except Exception as error:  # noqa: BLE001 (the outcome that led here decides)
                log.warning("place_not_read", extra={"reason": repr(error)})
                return None
            else:
                return found if isinstance(found, Ready) else None
        return None

    def _find(self) -> Ready | NotFound | CannotTell:
        mine = self.lease.mine
        if mine.intent is None:
            raise AssertionError("a start has an intent")
        return self.generator.find_output(mine.creation_id, attempt=mine.intent.attempt)

    def _poll(self, begun: Operation | Ready) -> Ready:
        """Poll until the operation finishes.

        Raises:
            GenerationUnavailable, GenerationRefused: it finished without media.
            ReadRefused: the vendor does not let it be read.
        """
        if isinstance(begun, Ready):
            return begun
        lease = self.lease
        while True:
            state = lease.asked(lambda: self.generator.poll(begun))
            if isinstance(state, Ready):
                return state
            if isinstance(state, Refused):
                no = GenerationUnavailable if state.is_transient else GenerationRefused
                raise no(failure=state.failure, reason=state.reason, is_billed=state.is_billed)
            if state.progress is not None:
                lease.has_come_to(state.progress)
            lease.pause(lease.policy.poll_s(lease.mine.kind))

    def _download(self, ready: Ready, folder: Path) -> Path:
        lease = self.lease
        lease.enter(Stage.DOWNLOADING)
        download = folder / "download"
        size_bytes_max = lease.policy.size_bytes_max(lease.mine.kind)

        def fetch() -> None:
            download.unlink(missing_ok=True)
            self.generator.fetch(ready, download, size_bytes_max=size_bytes_max)

        lease.asked(fetch)
        return download
