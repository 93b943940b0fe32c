"""The generator: long-running work on a brief, started once and resumable."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.domain.brief import Brief
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId


@dataclass(frozen=True)
class Operation:
    """Accepted work, by the name under which any process can poll it."""

    name: str


@dataclass(frozen=True)
class Running:
    """Not ready; `progress` is 0 to 1 if the generator reports it."""

    progress: float | None = None


@dataclass(frozen=True)
class Ready:
    """The media is ready; `locator` is what the same generator fetches it by."""

    locator: str


@dataclass(frozen=True)
class Refused:
    """The operation ended without media; `reason` is the vendor's text, for the log only.

    `is_billed`: the vendor charges for it all the same.
    """

    failure: FailureCode
    is_transient: bool = False
    reason: str = ""
    is_billed: bool = False


@dataclass(frozen=True)
class NotFound:
    """No output of this start exists yet."""


@dataclass(frozen=True)
class CannotTell:
    """This generator can find the output of a start only by its operation."""


class Generator(Protocol):
    """One model of one vendor.

    `poll`, `fetch` and `find_output` are pure reads and raise `GenerationUnavailable` if there is
    no response, and `ReadRefused` if the vendor refuses this read.
    """

    @property
    def model(self) -> str: ...

    def cost_usd(self, brief: Brief) -> float:
        """Return the estimated price of one start."""

    def start(self, brief: Brief, *, creation_id: CreationId, attempt: int) -> Operation | Ready:
        """Start the work: one paid request, never sent again.

        Raises:
            GenerationRefused: this brief is refused for good.
            GenerationUnavailable: nothing was started; a later start may succeed.
            StartOutcomeUnknown: no response, or one that a gateway can give: it may be running, and
                paid for. Any other error means the same.
        """

    def poll(self, operation: Operation) -> Running | Ready | Refused: ...

    def fetch(self, result: Ready, path: Path, *, size_bytes_max: int) -> None:
        """Stream the media to a new file; raises `BadOutput` once it exceeds the limit."""

    def find_output(
        self, creation_id: CreationId, *, attempt: int
    ) -> Ready | NotFound | CannotTell:
        """Search the attempt's own prefix in the bucket for its output."""

    def discard(self, operation: Operation) -> None:
        """Delete what the vendor stores of a finished operation; errors are logged, not raised.

        It takes some seconds at most, however slow the vendor is. Called only after the commit that
        ends the operation: its creation is complete, failed, or left to a later start.
        """
