"""Images by Gemini's image models: `generate_content` answers at once, one image for each call."""

import json
from pathlib import Path

from google.genai import types

from shared.adapters.genai_answers import all_at, at, starting
from shared.adapters.genai_client import IMAGE_TIMEOUT_S, REASON_LENGTH_MAX, Connection
from shared.adapters.genai_media import MediaFile, decoded
from shared.domain.brief import Brief
from shared.domain.errors import GenerationRefused
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.policy import IMAGE_SIZE_BYTES_MAX
from shared.model_cards import ModelCard
from shared.ports.generator import CannotTell, NotFound, Operation, Ready, Refused, Running

IMAGE_SIZE = "1K"
_FILTERED = (
    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
    *("IMAGE_SAFETY", "IMAGE_RECITATION", "IMAGE_PROHIBITED_CONTENT"),
)
"""The finish reasons of an image that was made and held back."""


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
    """Return the image; text and drafts may stand before it.

    Raises:
        GenerationRefused: there is none; the answer says why.
        BadOutput: it cannot be decoded.
    """
    if block := at(answer, "promptFeedback", "blockReason"):
        raise GenerationRefused(failure=FailureCode.POLICY_VIOLATION, reason=str(block))
    for part in all_at(answer, "candidates", 0, "content", "parts"):
        if at(part, "inlineData", "data") and not at(part, "thought"):
            return decoded(at(part, "inlineData", "data"))
    is_filtered = at(answer, "candidates", 0, "finishReason") in _FILTERED
    raise GenerationRefused(
        failure=FailureCode.SAFETY_FILTER if is_filtered else FailureCode.GENERATOR_BAD_OUTPUT,
        reason=str(answer)[:REASON_LENGTH_MAX],
    )
