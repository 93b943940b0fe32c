"""Videos by Gemini Omni: interactions that run in the background, resumed by their ids."""

from pathlib import Path

from shared.adapters.genai_answers import all_at, at, ended, reading, starting, without_media
from shared.adapters.genai_client import RESOLUTION, VIDEO_TIMEOUT_S, Connection
from shared.adapters.genai_media import BUCKET_SCHEME, MediaFile, Outputs, decoded
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput, StartOutcomeUnknown
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.policy import VIDEO_SIZE_BYTES_MAX
from shared.model_cards import ModelCard, Surface
from shared.ports.generator import CannotTell, NotFound, Operation, Ready, Refused, Running

_WITHOUT_VIDEO = ("cancelled", "incomplete", "requires_action", "budget_exceeded")
"""The ends that are neither `completed` nor `failed`; every other status goes on."""


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
            return Refused(FailureCode.GENERATOR_BAD_OUTPUT, reason=error.reason)
        return _state(answer, operation.name)

    def fetch(self, result: Ready, path: Path, *, size_bytes_max: int) -> None:
        """See `Generator.fetch`; an interaction is asked once more where its video is."""
        if result.locator.startswith(BUCKET_SCHEME):
            self._outputs.fetch(result.locator, path, size_bytes_max=size_bytes_max)
            return
        video = _video(self._asked(result.locator))
        with reading(), MediaFile(path, size_bytes_max=size_bytes_max) as file:
            if address := at(video, "uri"):
                # The SDK takes only the file's id from it and asks the vendor's own address.
                self._google.sdk.files.download(file=str(address), destination=file)
            else:
                file.write(decoded(at(video, "data")))

    def discard(self, operation: Operation) -> None:
        """See `Generator.discard`."""

    def find_output(
        self, creation_id: CreationId, *, attempt: int
    ) -> Ready | NotFound | CannotTell:
        """See `Generator.find_output`."""
        return self._outputs.find(creation_id, attempt=attempt)

    def _asked(self, name: str) -> object:
        with reading():
            answer: object = self._google.sdk.interactions.with_raw_response.get(name).json()
        return answer


def _video(answer: object) -> object:
    """Return the last video of an interaction, or None."""
    contents = [each for step in all_at(answer, "steps") for each in all_at(step, "content")]
    videos = [each for each in contents if at(each, "type") == "video"]
    return videos[-1] if videos else None


def _state(answer: object, name: str) -> Running | Ready | Refused:
    """Return what an interaction's answer means."""
    status = at(answer, "status")
    if status == "failed":
        return ended(at(answer, "errors", 0))
    if status != "completed":
        return without_media(answer) if status in _WITHOUT_VIDEO else Running()
    address = str(at(_video(answer), "uri") or "")
    if address.startswith(BUCKET_SCHEME):
        return Ready(address)
    return Ready(name) if address or at(_video(answer), "data") else without_media(answer)
