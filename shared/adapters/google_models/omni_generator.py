"""Videos by Gemini Omni: background interactions."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace

from shared.adapters.google_models.cards import Surface
from shared.adapters.google_models.client import REASON_LENGTH_MAX, RESOLUTION
from shared.adapters.google_models.json_paths import get_first, get_list, get_path, json_object
from shared.adapters.google_models.media import BoundedFile, decode_media, gcs_uri
from shared.adapters.google_models.responses import no_media, refusal_of
from shared.adapters.google_models.video_operations import VideoGenerator
from shared.domain.brief import Brief
from shared.domain.failure import FailureCode
from shared.ports.generator import Operation, Ready, Refused, Running

log = logging.getLogger(__name__)

_RUNNING = ("in_progress", "queued", "requires_continuation")
"""A video may still be incomplete."""
_FINISHED = ("completed", "failed", "cancelled", "incomplete", "requires_action", "budget_exceeded")
"""Any other status counts as running, unless there is a video."""
_BILLED = ("usage", "total_output_tokens")
DISCARD_S_MAX = 5
"""Timeout of a deletion: the creation is complete and only its job is waiting."""
FILES_PATH = "/files/"
"""Part of the URL of a file that the developer API keeps."""


class OmniVideoGenerator(VideoGenerator):
    def send_start(self, brief: Brief, folder: str | None) -> object:
        video = {
            "type": "video",
            "aspect_ratio": str(brief.aspect_ratio),
            "duration": f"{brief.duration_s}s",
            "resolution": RESOLUTION,
        }
        if folder is not None:
            video |= {"delivery": "uri", "gcs_uri": folder}
        elif self.card.surface is Surface.GEMINI_API:
            video["delivery"] = "uri"  # among the vendor's files; else inside the response
        response = self.google.sdk.interactions.with_raw_response.create(
            model=self.card.model,
            input=brief.prompt,
            background=True,
            store=True,
            response_format=video,
        )
        return get_path(response.json(), "id")

    def send_read(self, name: str) -> object:
        # Not `with_raw_response`: the SDK keeps that body, and its text, until a garbage collection.
        with self.google.sdk.interactions.with_streaming_response.get(name) as response:
            return json_object(json.loads(b"".join(response.iter_bytes())))

    def state(self, response: object, name: str) -> Running | Ready | Refused:
        status, video = get_path(response, "status"), _video(response)
        if status in _RUNNING or (video is None and status not in _FINISHED):
            return Running()
        if video is not None:
            return Ready(gcs_uri(get_path(video, "uri")) or name)
        return replace(_refusal(response), is_billed=bool(get_path(response, *_BILLED)))

    def download(self, response: object, file: BoundedFile) -> None:
        video = _video(response)
        uri = str(get_path(video, "uri"))
        if self.card.surface is Surface.GEMINI_API and FILES_PATH in uri:
            # The SDK takes only the file's id from the URL and calls the vendor's own address.
            self.google.sdk.files.download(file=uri, destination=file)
        else:
            file.write(decode_media(get_path(video, "data")))

    def discard(self, operation: Operation) -> None:
        """Delete the interaction with its prompt, which the vendor keeps otherwise."""
        try:
            interactions = self.google.sdk.interactions.with_raw_response
            interactions.delete(operation.name, timeout=DISCARD_S_MAX)
        except Exception as error:  # noqa: BLE001 (the media are stored: nothing may undo that)
            facts = {"operation": operation.name, "reason": repr(error)[:REASON_LENGTH_MAX]}
            log.warning("discard_failed", extra=facts)


def _contents(response: object) -> Iterator[object]:
    """Yield an interaction's contents, in every documented shape, the best last."""
    steps = get_list(response, "steps")
    for step in sorted(steps, key=lambda step: get_path(step, "type") == "model_output"):
        yield from get_list(step, "content")
    yield from get_list(response, "outputs")
    yield get_path(response, "output_video")


def _video(response: object) -> object:
    found = [each for each in _contents(response) if get_first(each, "uri", "data")]
    videos = [each for each in found if get_path(each, "type") in ("video", None)]
    return videos[-1] if videos else None


def _refusal(response: object) -> Refused:
    errors, status = get_list(response, "errors"), get_path(response, "status")
    if errors:
        return refusal_of(*errors)
    if status == "cancelled":
        return refusal_of({"code": status})
    if status == "budget_exceeded":
        return Refused(FailureCode.INTERNAL, reason=str(response)[:REASON_LENGTH_MAX])
    return no_media(response)
