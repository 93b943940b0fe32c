"""From a lease to stored media: begin or resume, poll, fetch, produce, upload."""

import logging
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from jobs.lease import ASK_AGAIN_FIRST_S, Lease
from shared.domain.brief import Brief
from shared.domain.errors import (
    GenerationRefused,
    GenerationUnavailable,
    MediaUnavailable,
    StartOutcomeUnknown,
)
from shared.domain.media import MediaFormat, StoredMedia, media_key, thumbnail_key
from shared.domain.policy import Kind
from shared.domain.status import Stage
from shared.lifecycle.attempts import has_starts_left
from shared.ports.generator import CannotTell, Generator, Operation, Ready, Refused
from shared.ports.media_store import MediaStore

log = logging.getLogger(__name__)

UPLOAD_TRIES = 4


@dataclass(frozen=True, kw_only=True)
class Produced:
    """Checked media, ready to be stored. Sizes in pixels."""

    path: Path
    media_format: MediaFormat
    width: int
    height: int
    thumbnail: Path | None


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
        ready = self._poll(self._begin())
        with tempfile.TemporaryDirectory(prefix="phoenix-") as name:
            folder = Path(name)
            download = self._download(ready, folder)
            self.lease.enter(Stage.CHECKING)
            produced = self.pipeline.produce(download, folder, brief=self.lease.mine.brief)
            self.lease.enter(Stage.UPLOADING)
            return self._upload(produced)

    def _begin(self) -> Operation | Ready:
        """Resume what an earlier attempt began, or start, or find what a start may have made."""
        lease = self.lease
        if lease.mine.operation_name is not None:
            return Operation(lease.mine.operation_name)
        while has_starts_left(lease.mine):
            try:
                return self._start()
            except StartOutcomeUnknown as error:
                log.warning("start_unanswered", extra={"reason": error.reason})
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
            lease.mine = lease.attempts.record_operation(lease.mine, begun.name)
        return begun

    def _intend(self) -> None:
        """Write the intent; one that took too long to write is withdrawn and written anew."""
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
        """Look for what an unanswered start made; raises `StartOutcomeUnknown` if nothing is."""
        lease, intent = self.lease, self.lease.mine.intent
        if intent is None:
            raise AssertionError("an unanswered start has an intent")
        search_until = intent.at + timedelta(seconds=lease.policy.output_search_s)
        while True:
            found = lease.asked(
                lambda: self.generator.find_output(lease.mine.creation_id, attempt=intent.attempt)
            )
            if isinstance(found, Ready):
                return found
            if isinstance(found, CannotTell) or lease.clock.now() >= search_until:
                raise StartOutcomeUnknown(reason=f"{type(found).__name__} by the search's end")
            lease.pause(lease.policy.poll_s(lease.mine.kind))

    def _poll(self, begun: Operation | Ready) -> Ready:
        """Ask until the operation ends; what ends without media is a no."""
        if isinstance(begun, Ready):
            return begun
        lease = self.lease
        while True:
            state = lease.asked(lambda: self.generator.poll(begun))
            if isinstance(state, Ready):
                return state
            if isinstance(state, Refused):
                if state.is_transient:
                    raise GenerationUnavailable(failure=state.failure, reason=state.reason)
                raise GenerationRefused(
                    failure=state.failure, reason=state.reason, is_billed=state.is_billed
                )
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

    def _upload(self, produced: Produced) -> StoredMedia:
        mine = self.lease.mine
        address = (mine.kind, mine.user_id, mine.creation_id, mine.attempt)
        key = media_key(*address, produced.media_format)
        self._put(produced.path, key, produced.media_format)
        thumbnail = self._with_thumbnail(produced, thumbnail_key(*address))
        self.lease.hold()
        return StoredMedia(
            media_key=key,
            thumbnail_key=thumbnail,
            width=produced.width,
            height=produced.height,
            size_bytes=produced.path.stat().st_size,
        )

    def _with_thumbnail(self, produced: Produced, key: str) -> str | None:
        """Store the thumbnail and return its key; without one the media is still a draft."""
        if produced.thumbnail is None:
            return None
        try:
            self._put(produced.thumbnail, key, MediaFormat.JPEG)
        except MediaUnavailable as error:
            log.warning("no_thumbnail", extra={"reason": error.reason})
            return None
        return key

    def _put(self, path: Path, key: str, media_format: MediaFormat) -> None:
        """Store a file, with a few tries, until it is there in its full size."""
        size_bytes = path.stat().st_size
        reason = ""
        for _ in range(UPLOAD_TRIES):
            self.lease.hold()
            try:
                self.media.put(path, key, media_format=media_format)
                if self.media.size_bytes(key) == size_bytes:
                    return
                reason = "it has another size"
            except MediaUnavailable as error:
                reason = error.reason
            self.lease.pause(ASK_AGAIN_FIRST_S)
        raise MediaUnavailable(reason=f"{key}: {reason}")
