"""Videos by Veo on Google Cloud: long-running operations."""

from collections.abc import Iterator
from typing import Self

from google.genai import types

from shared.adapters.google_models.client import RESOLUTION
from shared.adapters.google_models.json_paths import get_first, get_list, get_path, json_object
from shared.adapters.google_models.media import BoundedFile, decode_media, gcs_uri
from shared.adapters.google_models.responses import no_media, refusal_of
from shared.adapters.google_models.video_operations import VideoGenerator
from shared.domain.brief import Brief
from shared.domain.failure import FailureCode
from shared.ports.generator import Operation, Ready, Refused, Running


class _RawOperation(types.Operation):
    """The operation's JSON: the SDK's own types drop unknown fields."""

    def __init__(self, name: str, fields: object = None) -> None:
        self.name, self.fields = name, fields

    @classmethod
    def from_api_response(cls, api_response: object, is_vertex_ai: bool = False) -> Self:  # noqa: ARG003, FBT001, FBT002 (the SDK's signature)
        return cls("", api_response)


class VeoVideoGenerator(VideoGenerator):
    def send_start(self, brief: Brief, folder: str | None) -> object:
        return self.google.sdk.models.generate_videos(
            model=self.card.model,
            source=types.GenerateVideosSource(prompt=brief.prompt),
            config=types.GenerateVideosConfig(
                number_of_videos=1,
                duration_seconds=brief.duration_s,
                aspect_ratio=brief.aspect_ratio,
                resolution=RESOLUTION,
                generate_audio=True,
                output_gcs_uri=folder,
            ),
        ).name

    def send_read(self, name: str) -> object:
        return json_object(self.google.sdk.operations.get(_RawOperation(name)).fields)

    def state(self, response: object, name: str) -> Running | Ready | Refused:
        if not get_path(response, "done"):
            return Running()
        for uri in _uris(response):
            return Ready(uri)
        if any(_inline(response)):
            return Ready(name)
        if error := get_path(response, "error"):
            return refusal_of(error)
        for result in _results(response):
            if get_path(result, "raiMediaFilteredCount"):
                # Veo charges only for videos that it returns.
                reasons = str(get_path(result, "raiMediaFilteredReasons"))
                return Refused(FailureCode.SAFETY_FILTER, reason=reasons)
        return no_media(response, is_billed=any(_videos(response)))

    def discard(self, operation: Operation) -> None:
        """Do nothing: the bucket's lifecycle rule deletes its videos after a day."""

    def download(self, response: object, file: BoundedFile) -> None:
        file.write(decode_media(next(_inline(response), None)))


def _results(response: object) -> tuple[object, object]:
    result = get_path(response, "response")
    return result, get_path(result, "generateVideoResponse")


def _videos(response: object) -> Iterator[object]:
    """Yield the videos of an operation, in every documented shape."""
    for result in _results(response):
        for name in ("videos", "generatedVideos", "generatedSamples"):
            yield from (get_path(each, "video") or each for each in get_list(result, name))


def _uris(response: object) -> Iterator[str]:
    for video in _videos(response):
        address = video if isinstance(video, str) else get_first(video, "gcsUri", "uri")
        if uri := gcs_uri(address):
            yield uri


def _inline(response: object) -> Iterator[object]:
    for video in _videos(response):
        if data := get_first(video, "bytesBase64Encoded", "encodedVideo", "videoBytes"):
            yield data
