"""Images by Gemini's image models: `generate_content` answers at once, one image for each call."""

import json
from collections.abc import Iterator
from pathlib import Path

from google.genai import types

from shared.adapters.google_models.cards import ModelCard
from shared.adapters.google_models.client import IMAGE_TIMEOUT_S, REASON_LENGTH_MAX, Connection
from shared.adapters.google_models.json_values import all_at, at, first_at
from shared.adapters.google_models.media import MediaFile, decoded
from shared.adapters.google_models.responses import starting
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput, GenerationRefused, StartOutcomeUnknown
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.policy import IMAGE_SIZE_BYTES_MAX
from shared.ports.generator import CannotTell, NotFound, Operation, Ready, Refused, Running

IMAGE_SIZE = "1K"
_REFUSALS = {
    **dict.fromkeys(
        (
            *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
            *("IMAGE_SAFETY", "IMAGE_RECITATION", "IMAGE_PROHIBITED_CONTENT"),
            *("MODEL_ARMOR", "ESCALATION"),
        ),
        FailureCode.SAFETY_FILTER,
    ),
    "LANGUAGE": FailureCode.GENERATOR_REJECTED,
    "PUP_LIMITED_DISABLED": FailureCode.INTERNAL,  # the vendor has limited the installation
}
"""What a finish reason means; every other one is bad output."""
_UNSPECIFIED = "UNSPECIFIED"
_THOUGHT = 0
_IMAGE_TYPE = "image/"
_OTHER_TYPES = ("audio/", "video/", "text/", "application/json", "application/pdf")
"""What is no image; a type that names nothing, such as `application/octet-stream`, may be one."""
_OWN_FIELDS = ("candidates", "promptFeedback", "usageMetadata")
"""An answer of the vendor's own has at least one of them."""


class GeminiImageGenerator:
    """The `Generator` of images; an image lives in this object from its start to its fetch."""

    def __init__(self, card: ModelCard, connection: Connection) -> None:
        self._card = card
        self._images: dict[str, bytes] = {}
        self._google = connection.opened(
            card, timeout_s=IMAGE_TIMEOUT_S, size_bytes_max=IMAGE_SIZE_BYTES_MAX
        )

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
            answer = self._google.sdk.models.generate_content(
                model=self._card.model,
                contents=brief.prompt,
                config=types.GenerateContentConfig(
                    response_modalities=["IMAGE"],
                    image_config=types.ImageConfig(
                        aspect_ratio=brief.aspect_ratio, image_size=IMAGE_SIZE
                    ),
                    # The SDK's own types warn of words they do not know.
                    should_return_http_response=True,
                ),
            ).sdk_http_response
            image = _image(json.loads((answer.body if answer else None) or ""))
        locator = f"{creation_id}-{attempt}"
        self._images[locator] = image
        return Ready(locator)

    def poll(self, operation: Operation) -> Running | Ready | Refused:
        """See `Generator.poll`; no start has an operation."""
        return Refused(FailureCode.INTERNAL, reason=f"{operation.name} is no image")

    def fetch(self, result: Ready, path: Path, *, size_bytes_max: int) -> None:
        """See `Generator.fetch`."""
        with MediaFile(path, size_bytes_max=size_bytes_max) as file:
            file.write(self._images.pop(result.locator))

    def discard(self, operation: Operation) -> None:
        """See `Generator.discard`."""

    def find_output(
        self,
        creation_id: CreationId,  # noqa: ARG002 (an answer that was lost is nowhere)
        *,
        attempt: int,  # noqa: ARG002
    ) -> Ready | NotFound | CannotTell:
        """See `Generator.find_output`."""
        return CannotTell()


def _image(answer: object) -> bytes:
    """Return the last image that is no thought, else the last one; what else is said is ignored.

    Raises:
        GenerationRefused: there is none; the answer says why.
        BadOutput: none can be decoded.
        StartOutcomeUnknown: it is no answer of the vendor's.
    """
    if not any(at(answer, name) is not None for name in _OWN_FIELDS):
        raise StartOutcomeUnknown(reason=str(answer)[:REASON_LENGTH_MAX])
    images = sorted(_images(answer), key=lambda image: image[0])
    finished = [data for rank, data in images if rank > _THOUGHT]
    problem: BadOutput | None = None
    for data in reversed(finished or [data for _, data in images]):
        try:
            return decoded(data)
        except BadOutput as error:
            problem = problem or error
    raise problem or _refusal(answer)


def _images(answer: object) -> Iterator[tuple[int, object]]:
    """Yield the rank and the data of each image of each candidate.

    Above a thought is a file of no known type, and above that what is called an image.
    """
    for candidate in all_at(answer, "candidates"):
        for part in all_at(candidate, "content", "parts"):
            blob = first_at(part, "inlineData", "inline_data")
            named = first_at(blob, "mimeType", "mime_type") or _IMAGE_TYPE
            media_type = str(named).strip().lower()
            if at(blob, "data") and not media_type.startswith(_OTHER_TYPES):
                is_called_one = media_type.startswith(_IMAGE_TYPE)
                yield _THOUGHT if at(part, "thought") else 1 + is_called_one, at(blob, "data")


def _refusal(answer: object) -> GenerationRefused:
    """Return why an answer holds no image, and whether one was made and is billed."""
    reason = str(answer)[:REASON_LENGTH_MAX]
    block = str(at(answer, "promptFeedback", "blockReason") or _UNSPECIFIED)
    if not block.endswith(_UNSPECIFIED):
        return GenerationRefused(failure=FailureCode.POLICY_VIOLATION, reason=reason)
    ends = [str(at(candidate, "finishReason")) for candidate in all_at(answer, "candidates")]
    known = [_REFUSALS[end] for end in ends if end in _REFUSALS]
    failure = known[0] if known else FailureCode.GENERATOR_BAD_OUTPUT
    return GenerationRefused(failure=failure, reason=reason, is_billed=_is_billed(answer))


def _is_billed(answer: object) -> bool:
    """Tell whether the vendor counted tokens of an image, which it charges for."""
    details = all_at(answer, "usageMetadata", "candidatesTokensDetails")
    made = [at(each, "tokenCount") for each in details if at(each, "modality") == "IMAGE"]
    return any(made) if details else bool(at(answer, "usageMetadata", "candidatesTokenCount"))
