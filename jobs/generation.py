"""Generation: start or resume, poll, download, post-process, upload.

Before a paid result is abandoned, the output is looked up once in the generator's bucket: it may
exist although its operation ended in an error, names an unusable file, or cannot be read.
"""

import filecmp
import logging
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Protocol

from jobs.retries import OutOfTime, Retries, backoff_s
from jobs.upload import ProcessedMedia, Uploader
from shared.domain.brief import Brief
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    LeaseLost,
    ReadRefused,
    StartOutcomeUnknown,
)
from shared.domain.kind import Kind
from shared.domain.media import StoredMedia
from shared.domain.policy import Policy
from shared.domain.status import Stage
from shared.lifecycle.claim import Claim
from shared.lifecycle.starts import has_starts_left, may_start_again
from shared.ports.clock import Clock
from shared.ports.crew import Crew
from shared.ports.generator import CannotTell, Generator, NotFound, Operation, Ready, Refused

log = logging.getLogger(__name__)

LOOKUPS_MAX = 3  # reads of a bucket that does not respond, before a paid result is abandoned
DOWNLOAD_AGAIN_AFTER_S = 5  # a gateway may have responded, and may recover
_RECOVERABLE = (GenerationRefused, GenerationUnavailable, ReadRefused, OutOfTime, BadOutput)


class Pipeline(Protocol):
    @property
    def kind(self) -> Kind: ...

    def post_process(self, download: Path, folder: Path, *, brief: Brief) -> ProcessedMedia:
        """Check a generator's file and prepare it for upload, or raise `BadOutput`."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    claim: Claim
    retries: Retries
    generator: Generator
    pipeline: Pipeline
    uploader: Uploader
    crew: Crew
    clock: Clock
    policy: Policy

    def run(self) -> StoredMedia:
        """Return the media, uploaded under this attempt's keys."""
        begun = self._begin()
        ready: Ready | None = None
        try:
            ready = self._poll(begun)
            return self._finish(ready)
        except _RECOVERABLE as error:
            unusable = ready if isinstance(error, BadOutput) else None
            return self._finish_from_bucket(error, unusable=unusable)

    def _begin(self) -> Operation | Ready:
        """Resume an operation, find the output of an unanswered start, or start the generator."""
        creation = self.claim.creation
        if creation.operation_name is not None:
            return Operation(creation.operation_name)
        if not has_starts_left(creation):
            return self._await_output()
        if found := self._look_up():
            return found
        if not may_start_again(creation, at=self.clock.now(), policy=self.policy):
            raise StartOutcomeUnknown(reason="an earlier start is too recent for another one")
        try:
            return self._start()
        except StartOutcomeUnknown as error:
            log.warning("start_unanswered", extra={"reason": error.reason})
            if has_starts_left(self.claim.creation):
                raise
        return self._await_output()

    def _start(self) -> Operation | Ready:
        """Record the intent, start the generator once, and record the operation."""
        self._record_intent()
        creation = self.claim.creation
        id_, attempt = creation.creation_id, creation.attempt
        try:
            begun = self.generator.start(creation.brief, creation_id=id_, attempt=attempt)
        except (GenerationRefused, GenerationUnavailable, LeaseLost, StartOutcomeUnknown):
            raise
        except Exception as error:
            log.exception("start_unexpected")
            raise StartOutcomeUnknown(reason=repr(error)) from error
        if isinstance(begun, Operation):
            operation_name = begun.name
            self.retries.retry_write(lambda: self.claim.record_operation(operation_name))
        return begun

    def _record_intent(self) -> None:
        """Record the intent; one that took too long to commit is cleared and recorded again."""
        claim, generator = self.claim, self.generator
        while True:
            claim.ensure_held()
            began_s = self.clock.monotonic_s()
            cost_usd = generator.cost_usd(claim.creation.brief)
            claim.record_intent(model=generator.model, cost_usd=cost_usd)
            if self.clock.monotonic_s() - began_s <= self.policy.start_within_s:
                return
            claim.clear_intent()

    def _await_output(self) -> Ready:
        """Search for the output of an unanswered start, or raise `StartOutcomeUnknown`."""
        creation = self.claim.creation
        if creation.intent is None:
            raise AssertionError("an unanswered start has an intent")
        search_until = creation.intent.at + timedelta(seconds=self.policy.output_search_s)
        while True:
            try:
                found = self.retries.retry_read(self._find_output, until=search_until)
            except (GenerationUnavailable, ReadRefused) as error:
                raise StartOutcomeUnknown(reason=repr(error)) from error
            if isinstance(found, Ready):
                return found
            if isinstance(found, CannotTell) or self.clock.now() >= search_until:
                raise StartOutcomeUnknown(reason=f"the search ended with {type(found).__name__}")
            self.retries.pause(self.policy.poll_s(creation.kind))

    def _look_up(self) -> Ready | None:
        """Return the output of this debit's last start from the bucket, retrying only briefly."""
        for pause_s in islice(backoff_s(), LOOKUPS_MAX):
            self.claim.ensure_held()
            try:
                found = self._find_output()
            except GenerationUnavailable as error:
                log.info("asked_in_vain", extra={"reason": error.reason})
                self.clock.sleep(pause_s)
            except Exception as error:  # noqa: BLE001 (the caller raises its own error)
                log.warning("place_not_read", extra={"reason": repr(error)})
                return None
            else:
                return found if isinstance(found, Ready) else None
        return None

    def _find_output(self) -> Ready | NotFound | CannotTell:
        creation = self.claim.creation
        if creation.intent is None:
            return NotFound()
        return self.generator.find_output(creation.creation_id, attempt=creation.intent.attempt)

    def _poll(self, begun: Operation | Ready) -> Ready:
        """Poll until the operation finishes; raise if it produced no media."""
        if isinstance(begun, Ready):
            return begun
        while True:
            state = self.retries.retry_read(lambda: self.generator.poll(begun))
            if isinstance(state, Ready):
                return state
            if isinstance(state, Refused):
                error = GenerationUnavailable if state.is_transient else GenerationRefused
                raise error(failure=state.failure, reason=state.reason, is_billed=state.is_billed)
            if state.progress is not None:
                self.claim.set_progress(state.progress)
            self.retries.pause(self.policy.poll_s(self.pipeline.kind))

    def _finish(self, ready: Ready) -> StoredMedia:
        with tempfile.TemporaryDirectory(prefix="phoenix-") as name:
            processed = self._post_process(ready, Path(name))
            self.claim.enter(Stage.UPLOADING)
            return self.uploader.upload(processed, self.claim.creation)

    def _finish_from_bucket(self, error: Exception, *, unusable: Ready | None) -> StoredMedia:
        """Finish with the attempt's output in the bucket, or raise the error that led here."""
        found = self._look_up()
        if found is None or found == unusable:
            raise error
        log.warning("found_in_place", extra={"reason": repr(error)})
        try:
            return self._finish(found)
        except (BadOutput, ReadRefused, OutOfTime) as second:
            raise error from second

    def _post_process(self, ready: Ready, folder: Path) -> ProcessedMedia:
        """Download and post-process; an unusable file, perhaps a gateway's, is replaced once."""
        download, brief = folder / "download", self.claim.creation.brief
        self.claim.enter(Stage.DOWNLOADING)
        self.retries.retry_read(lambda: self._fetch(ready, download))
        self.claim.enter(Stage.CHECKING)
        try:
            return self._process(download, folder, brief=brief)
        except BadOutput as error:
            again = self._download_again(ready, download)
            if again is None:
                raise
            log.warning("unusable_download", extra={"reason": error.reason})
        return self._process(again, folder, brief=brief)

    def _process(self, download: Path, folder: Path, *, brief: Brief) -> ProcessedMedia:
        """Run the pipeline when it is this attempt's turn: two at once may need too much memory."""
        with self.crew.turn(self.retries.ensure_in_time):
            return self.pipeline.post_process(download, folder, brief=brief)

    def _download_again(self, ready: Ready, unusable: Path) -> Path | None:
        """Download a video once more, or return None if that fails or gives the same file."""
        if self.pipeline.kind is Kind.IMAGE:
            return None
        again = unusable.with_name("again")
        self.clock.sleep(DOWNLOAD_AGAIN_AFTER_S)
        self.claim.ensure_held()
        try:
            self._fetch(ready, again)
        except Exception as error:  # noqa: BLE001 (the unusable file decides)
            log.warning("not_fetched_again", extra={"reason": repr(error)})
            return None
        return None if filecmp.cmp(unusable, again, shallow=False) else again

    def _fetch(self, ready: Ready, path: Path) -> None:
        path.unlink(missing_ok=True)
        size_bytes_max = self.policy.size_bytes_max(self.pipeline.kind)
        self.generator.fetch(ready, path, size_bytes_max=size_bytes_max)
