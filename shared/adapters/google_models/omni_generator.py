"""Videos by Gemini Omni: interactions that run in the background, resumed by their ids."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from shared.adapters.google_models.cards import ModelCard, Surface
from shared.adapters.google_models.client import (
    REASON_LENGTH_MAX,
    RESOLUTION,
    VIDEO_TIMEOUT_S,
    Connection,
)
from shared.adapters.google_models.json_values import all_at, at, json_object
from shared.adapters.google_models.media import (
    BUCKET_SCHEME,
    MediaFile,
    Outputs,
    bucket_address,
    decoded,
)
from shared.adapters.google_models.responses import (
    ended,
    reading,
    starting,
    too_large,
    without_media,
)
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput, StartOutcomeUnknown
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.policy import VIDEO_SIZE_BYTES_MAX
from shared.ports.generator import CannotTell, NotFound, Operation, Ready, Refused, Running

log = logging.getLogger(__name__)

_GOES_ON = ("in_progress", "queued", "requires_continuation")
"""Until then a video in the answer may be incomplete."""
_ENDED = ("completed", "failed", "cancelled", "incomplete", "requires_action", "budget_exceeded")
"""Every other status goes on, unless there is a video."""
_BILLED = ("usage", "total_output_tokens")
DISCARD_S_MAX = 5
"""How long a deletion may take: its creation is complete, and its job only waits to end."""
FILE_MARK = "/files/"
"""In the address of a file that the developer API keeps."""


class OmniVideoGenerator:
    """The `Generator` of videos for models that are called by `interactions`."""

    def __init__(self, card: ModelCard, connection: Connection) -> None:
        self._card = card
        self._google = connection.opened(
            card, timeout_s=VIDEO_TIMEOUT_S, size_bytes_max=VIDEO_SIZE_BYTES_MAX
        )
        self._outputs = Outputs(self._google, bucket=connection.bucket, url=connection.storage_url)

    @property
    def model(self) -> str:
        """See `Generator.model`."""
        return self._card.model

    def cost_usd(self, brief: Brief) -> float:
        """See `Generator.cost_usd`."""
        return self._card.cost_usd(brief)

    def start(self, brief: Brief, *, creation_id: CreationId, attempt: int) -> Operation | Ready:
        """See `Generator.start`."""
        with starting():
            begun = self._google.sdk.interactions.with_raw_response.create(
                model=self._card.model,
                input=brief.prompt,
                background=True,
                store=True,
                response_format={
                    "type": "video",
                    "aspect_ratio": str(brief.aspect_ratio),
                    "duration": f"{brief.duration_s}s",
                    "resolution": RESOLUTION,
                    **self._delivery(self._outputs.folder(creation_id, attempt=attempt)),
                },
            ).json()
        if not (name := at(begun, "id")):
            raise StartOutcomeUnknown(reason="the answer names no interaction")
        return Operation(str(name))

    def _delivery(self, folder: str | None) -> dict[str, str]:
        """Return where the video shall be: in the bucket, with the vendor, or in the answer."""
        if folder is not None:
            return {"delivery": "uri", "gcs_uri": folder}
        return {"delivery": "uri"} if self._card.surface is Surface.GEMINI_API else {}

    def poll(self, operation: Operation) -> Running | Ready | Refused:
        """See `Generator.poll`."""
        try:
            answer = self._asked(operation.name)
        except BadOutput as error:
            return too_large(error)
        return _state(answer, operation.name)

    def fetch(self, result: Ready, path: Path, *, size_bytes_max: int) -> None:
        """See `Generator.fetch`; an interaction is asked once more where its video is."""
        if result.locator.startswith(BUCKET_SCHEME):
            self._outputs.fetch(result.locator, path, size_bytes_max=size_bytes_max)
            return
        video = _video(self._asked(result.locator))
        with reading(), MediaFile(path, size_bytes_max=size_bytes_max) as file:
            if self._is_kept_file(address := at(video, "uri")):
                # The SDK takes only the file's id from it and asks the vendor's own address.
                self._google.sdk.files.download(file=str(address), destination=file)
            else:
                file.write(decoded(at(video, "data")))

    def _is_kept_file(self, address: object) -> bool:
        return self._card.surface is Surface.GEMINI_API and FILE_MARK in str(address)

    def discard(self, operation: Operation) -> None:
        """See `Generator.discard`: an interaction is kept, prompt and all, until it is deleted."""
        try:
            self._google.sdk.interactions.with_raw_response.delete(
                operation.name, timeout=DISCARD_S_MAX
            )
        except Exception as error:  # noqa: BLE001 (the media is stored: nothing may undo that)
            facts = {"operation": operation.name, "reason": repr(error)[:REASON_LENGTH_MAX]}
            log.warning("discard_failed", extra=facts)

    def find_output(
        self, creation_id: CreationId, *, attempt: int
    ) -> Ready | NotFound | CannotTell:
        """See `Generator.find_output`."""
        return self._outputs.find(creation_id, attempt=attempt)

    def _asked(self, name: str) -> object:
        with reading():
            return json_object(self._google.sdk.interactions.with_raw_response.get(name).json())


def _contents(answer: object) -> Iterator[object]:
    """Yield what an interaction holds, in every documented shape, the best last."""
    steps = all_at(answer, "steps")
    for step in sorted(steps, key=lambda step: at(step, "type") == "model_output"):
        yield from all_at(step, "content")
    yield from all_at(answer, "outputs")
    yield at(answer, "output_video")


def _video(answer: object) -> object:
    """Return the last video of an interaction, or None."""
    videos = [
        each
        for each in _contents(answer)
        if at(each, "type") in ("video", None) and (at(each, "uri") or at(each, "data"))
    ]
    return videos[-1] if videos else None


def _state(answer: object, name: str) -> Running | Ready | Refused:
    """Return what an interaction's answer means: a video is taken, whatever the end is called."""
    status, video = at(answer, "status"), _video(answer)
    if status in _GOES_ON or (video is None and status not in _ENDED):
        return Running()
    if video is not None:
        return Ready(bucket_address(at(video, "uri")) or name)
    return replace(_without_video(answer), is_billed=bool(at(answer, *_BILLED)))


def _without_video(answer: object) -> Refused:
    errors, status = all_at(answer, "errors"), at(answer, "status")
    if errors:
        return ended(*errors)
    if status == "cancelled":
        return ended({"code": status})
    if status == "budget_exceeded":
        reason = str(answer)[:REASON_LENGTH_MAX]
        return Refused(FailureCode.INTERNAL, reason=reason)
    return without_media(answer)
