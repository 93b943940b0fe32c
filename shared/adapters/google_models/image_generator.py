"""Images by Gemini: `generate_content` returns one image synchronously."""

import json
from collections.abc import Iterator
from pathlib import Path

from google.genai import types

from shared.adapters.google_models.cards import ModelCard
from shared.adapters.google_models.client import (
    IMAGE_TIMEOUT_S,
    REASON_LENGTH_MAX,
    Connection,
    parsed_in_turn,
)
from shared.adapters.google_models.json_paths import get_first, get_list, get_path
from shared.adapters.google_models.media import BoundedFile, decode_media
from shared.adapters.google_models.responses import translated_start_errors
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput, GenerationRefused, StartOutcomeUnknown
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.policy import IMAGE_SIZE_BYTES_MAX
from shared.ports.generator import CannotTell, NotFound, Operation, Ready, Refused, Running

IMAGE_SIZE = "1K"
_FILTERED = (
    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"),
    *("IMAGE_SAFETY", "IMAGE_RECITATION", "IMAGE_PROHIBITED_CONTENT", "ESCALATION"),
)
_REFUSALS = {
    **dict.fromkeys(_FILTERED, FailureCode.SAFETY_FILTER),
    "LANGUAGE": FailureCode.GENERATOR_REJECTED,
    "PUP_LIMITED_DISABLED": FailureCode.INTERNAL,  # the vendor has limited the installation
}
"""Meaning of the finish reasons; any other is bad output."""
_UNSPECIFIED = "UNSPECIFIED"
_THOUGHT = 0
_IMAGE_TYPE = "image/"
_OTHER_TYPES = ("audio/", "video/", "text/", "application/json", "application/pdf")
"""Not images; an unspecific type such as `application/octet-stream` may be one."""
_RESPONSE_FIELDS = ("candidates", "promptFeedback", "usageMetadata")
"""A response of the vendor's has at least one of these."""


class GeminiImageGenerator:
    """The `Generator` of images; keeps each image in memory from its start to its fetch."""

    def __init__(self, card: ModelCard, connection: Connection) -> None:
        self._card, size_max = card, IMAGE_SIZE_BYTES_MAX
        self._images: dict[str, bytes] = {}
        self._google = connection.open(card, timeout_s=IMAGE_TIMEOUT_S, size_bytes_max=size_max)

    @property
    def model(self) -> str:
        return self._card.model

    def cost_usd(self, brief: Brief) -> float:
        return self._card.cost_usd(brief)

    def start(self, brief: Brief, *, creation_id: CreationId, attempt: int) -> Operation | Ready:
        with translated_start_errors(), parsed_in_turn():
            format_ = types.ImageConfig(aspect_ratio=brief.aspect_ratio, image_size=IMAGE_SIZE)
            config = types.GenerateContentConfig(
                response_modalities=["IMAGE"],
                image_config=format_,
                should_return_http_response=True,  # the SDK's own types warn about unknown values
            )
            response = self._google.sdk.models.generate_content(
                model=self._card.model, contents=brief.prompt, config=config
            ).sdk_http_response
            image = _image(json.loads((response.body if response else None) or ""))
            del response
        locator = f"{creation_id}-{attempt}"
        self._images[locator] = image
        return Ready(locator)

    def poll(self, operation: Operation) -> Running | Ready | Refused:
        return Refused(FailureCode.INTERNAL, reason=f"{operation.name} is not an image")

    def fetch(self, result: Ready, path: Path, *, size_bytes_max: int) -> None:
        with BoundedFile(path, size_bytes_max=size_bytes_max) as file:
            file.write(self._images.pop(result.locator))

    def discard(self, operation: Operation) -> None:
        """Do nothing: there are no operations."""

    def find_output(
        self,
        creation_id: CreationId,  # noqa: ARG002 (a lost response is stored nowhere)
        *,
        attempt: int,  # noqa: ARG002
    ) -> Ready | NotFound | CannotTell:
        return CannotTell()


def _image(response: object) -> bytes:
    """Return the last decodable image, thoughts only if there is nothing else.

    Raises:
        GenerationRefused: there is none.
        BadOutput: none can be decoded.
        StartOutcomeUnknown: the response is not the vendor's.
    """
    if not any(get_path(response, name) is not None for name in _RESPONSE_FIELDS):
        raise StartOutcomeUnknown(reason=str(response)[:REASON_LENGTH_MAX])
    images = sorted(_images(response), key=lambda image: image[0])
    finished = [data for rank, data in images if rank > _THOUGHT]
    problem: BadOutput | None = None
    for data in reversed(finished or [data for _, data in images]):
        try:
            return decode_media(data)
        except BadOutput as error:
            problem = problem or error
    raise problem or _refusal(response)


def _images(response: object) -> Iterator[tuple[int, object]]:
    """Yield rank and data of each possible image: thoughts, then unknown types, then images."""
    for candidate in get_list(response, "candidates"):
        for part in get_list(candidate, "content", "parts"):
            blob = get_first(part, "inlineData", "inline_data")
            named = get_first(blob, "mimeType", "mime_type") or _IMAGE_TYPE
            media_type, data = str(named).strip().lower(), get_path(blob, "data")
            if data and not media_type.startswith(_OTHER_TYPES):
                rank = 1 + media_type.startswith(_IMAGE_TYPE)
                yield _THOUGHT if get_path(part, "thought") else rank, data


def _refusal(response: object) -> GenerationRefused:
    reason = str(response)[:REASON_LENGTH_MAX]
    block = str(get_path(response, "promptFeedback", "blockReason") or _UNSPECIFIED)
    if not block.endswith(_UNSPECIFIED):
        return GenerationRefused(failure=FailureCode.POLICY_VIOLATION, reason=reason)
    ends = [str(get_path(each, "finishReason")) for each in get_list(response, "candidates")]
    known = [_REFUSALS[end] for end in ends if end in _REFUSALS]
    failure = known[0] if known else FailureCode.GENERATOR_BAD_OUTPUT
    return GenerationRefused(failure=failure, reason=reason, is_billed=_is_billed(response))


def _is_billed(response: object) -> bool:
    """Return whether the vendor counted image tokens, which it charges for."""
    usage = get_path(response, "usageMetadata")
    details = get_list(usage, "candidatesTokensDetails")
    if not details:
        return bool(get_path(usage, "candidatesTokenCount"))
    images = [each for each in details if get_path(each, "modality") == "IMAGE"]
    return any(get_path(each, "tokenCount") for each in images)
