"""Videos by Veo on Google Cloud: long-running operations, resumed by their full names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

from google.genai import types

from shared.adapters.google_models.cards import ModelCard
from shared.adapters.google_models.client import RESOLUTION, VIDEO_TIMEOUT_S, Connection
from shared.adapters.google_models.json_values import all_at, at, first_at, json_object
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


class _Answer(types.Operation):
    """An operation as it is on the wire: the SDK's own type drops what it does not know."""

    def __init__(self, name: str, fields: object = None) -> None:
        self.name = name
        self.fields = fields

    @classmethod
    def from_api_response(cls, api_response: object, is_vertex_ai: bool = False) -> Self:  # noqa: ARG003, FBT001, FBT002 (the SDK's signature)
        """Return the operation with this answer."""
        return cls("", api_response)


class VeoVideoGenerator:
    """The `Generator` of videos for models that are called by `generate_videos`."""

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
            begun = self._google.sdk.models.generate_videos(
                model=self._card.model,
                source=types.GenerateVideosSource(prompt=brief.prompt),
                config=types.GenerateVideosConfig(
                    number_of_videos=1,
                    duration_seconds=brief.duration_s,
                    aspect_ratio=brief.aspect_ratio,
                    resolution=RESOLUTION,
                    generate_audio=True,
                    output_gcs_uri=self._outputs.folder(creation_id, attempt=attempt),
                ),
            )
        if not begun.name:
            raise StartOutcomeUnknown(reason="the answer names no operation")
        return Operation(begun.name)

    def poll(self, operation: Operation) -> Running | Ready | Refused:
        """See `Generator.poll`."""
        try:
            answer = self._asked(operation.name)
        except BadOutput as error:
            return too_large(error)
        return _state(answer, operation.name)

    def fetch(self, result: Ready, path: Path, *, size_bytes_max: int) -> None:
        """See `Generator.fetch`; a video inside an answer is asked for once more."""
        if result.locator.startswith(BUCKET_SCHEME):
            self._outputs.fetch(result.locator, path, size_bytes_max=size_bytes_max)
            return
        data = next(_inline(self._asked(result.locator)), None)
        with MediaFile(path, size_bytes_max=size_bytes_max) as file:
            file.write(decoded(data))

    def discard(self, operation: Operation) -> None:
        """See `Generator.discard`: the bucket's lifecycle rule deletes its videos after a day."""

    def find_output(
        self, creation_id: CreationId, *, attempt: int
    ) -> Ready | NotFound | CannotTell:
        """See `Generator.find_output`."""
        return self._outputs.find(creation_id, attempt=attempt)

    def _asked(self, name: str) -> object:
        with reading():
            return json_object(self._google.sdk.operations.get(_Answer(name)).fields)


def _videos(answer: object) -> Iterator[object]:
    """Yield the videos of an operation, in every documented shape."""
    response = at(answer, "response")
    for place in (response, at(response, "generateVideoResponse")):
        for name in ("videos", "generatedVideos", "generatedSamples"):
            yield from (at(each, "video") or each for each in all_at(place, name))


def _addresses(answer: object) -> Iterator[str]:
    for video in _videos(answer):
        address = video if isinstance(video, str) else first_at(video, "gcsUri", "uri")
        if found := bucket_address(address):
            yield found


def _inline(answer: object) -> Iterator[object]:
    for video in _videos(answer):
        if data := first_at(video, "bytesBase64Encoded", "encodedVideo", "videoBytes"):
            yield data


def _state(answer: object, name: str) -> Running | Ready | Refused:
    """Return what an operation's answer means: a video that is there is taken in any case."""
    if not at(answer, "done"):
        return Running()
    for address in _addresses(answer):
        return Ready(address)
    if any(_inline(answer)):
        return Ready(name)
    if error := at(answer, "error"):
        return ended(error)
    response = at(answer, "response")
    for place in (response, at(response, "generateVideoResponse")):
        if at(place, "raiMediaFilteredCount"):
            # Veo charges for the videos that it hands over.
            reasons = str(at(place, "raiMediaFilteredReasons"))
            return Refused(FailureCode.SAFETY_FILTER, reason=reasons)
    return without_media(answer, is_billed=any(_videos(answer)))
