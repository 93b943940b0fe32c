"""The common half of the video generators: long-running calls, resumed by name."""

from abc import ABC, abstractmethod
from pathlib import Path

from shared.adapters.google_models.cards import ModelCard
from shared.adapters.google_models.client import VIDEO_TIMEOUT_S, Connection, parsed_in_turn
from shared.adapters.google_models.media import GCS_SCHEME, BoundedFile, OutputBucket
from shared.adapters.google_models.responses import (
    no_media,
    translated_read_errors,
    translated_start_errors,
)
from shared.domain.brief import Brief
from shared.domain.errors import BadOutput, StartOutcomeUnknown
from shared.domain.keys import CreationId
from shared.domain.policy import VIDEO_SIZE_BYTES_MAX
from shared.ports.generator import CannotTell, NotFound, Operation, Ready, Refused, Running


class VideoGenerator(ABC):
    """A `Generator` of videos; a subclass knows one of Google's APIs."""

    def __init__(self, card: ModelCard, connection: Connection) -> None:
        self.card, size_max = card, VIDEO_SIZE_BYTES_MAX
        self.google = connection.open(card, timeout_s=VIDEO_TIMEOUT_S, size_bytes_max=size_max)
        self._outputs = OutputBucket(self.google, connection.bucket, connection.storage_url)

    @property
    def model(self) -> str:
        return self.card.model

    def cost_usd(self, brief: Brief) -> float:
        return self.card.cost_usd(brief)

    def start(self, brief: Brief, *, creation_id: CreationId, attempt: int) -> Operation | Ready:
        with translated_start_errors():
            name = self.send_start(brief, self._outputs.folder(creation_id, attempt=attempt))
        if not name:
            raise StartOutcomeUnknown(reason="the response has no operation name")
        return Operation(str(name))

    def poll(self, operation: Operation) -> Running | Ready | Refused:
        try:
            with parsed_in_turn():
                return self.state(self._read(operation.name), operation.name)
        except BadOutput as error:
            return no_media(error.reason, is_billed=True)  # too large: it holds media

    def fetch(self, result: Ready, path: Path, *, size_bytes_max: int) -> None:
        if result.locator.startswith(GCS_SCHEME):
            self._outputs.fetch(result.locator, path, size_bytes_max=size_bytes_max)
            return
        with parsed_in_turn():
            self._fetch_inline(result.locator, path, size_bytes_max=size_bytes_max)

    def _fetch_inline(self, name: str, path: Path, *, size_bytes_max: int) -> None:
        response = self._read(name)
        with translated_read_errors(), BoundedFile(path, size_bytes_max=size_bytes_max) as file:
            self.download(response, file)

    def find_output(
        self, creation_id: CreationId, *, attempt: int
    ) -> Ready | NotFound | CannotTell:
        return self._outputs.find(creation_id, attempt=attempt)

    def _read(self, name: str) -> object:
        with translated_read_errors():
            return self.send_read(name)

    @abstractmethod
    def send_start(self, brief: Brief, folder: str | None) -> object:
        """Start the generation into a `gs://` folder, if any; return the operation's name."""

    @abstractmethod
    def send_read(self, name: str) -> object:
        """Return the operation's JSON object."""

    @abstractmethod
    def state(self, response: object, name: str) -> Running | Ready | Refused:
        """Return the state of an operation; accept a video wherever it is in the response."""

    @abstractmethod
    def download(self, response: object, file: BoundedFile) -> None:
        """Write the video of a response that holds it, or the vendor's copy of it, to a file."""
