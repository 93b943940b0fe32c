"""What makes media from a brief: long-running work that is started once and can be resumed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.domain.brief import Brief
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId


@dataclass(frozen=True)
class Operation:
    """Work that was accepted, by the name it can be asked for in any process."""

    name: str


@dataclass(frozen=True)
class Running:
    """Not ready; `progress` is 0 to 1 where the generator tells it."""

    progress: float | None = None


@dataclass(frozen=True)
class Ready:
    """The media is there; `locator` is what the same generator fetches it by."""

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
    """No output of this start is there yet."""


@dataclass(frozen=True)
class CannotTell:
    """This generator cannot be asked for the output of a start by anything but its operation."""


class Generator(Protocol):
    """One model of one vendor."""

    @property
    def model(self) -> str:
        """Return the model's id."""
        ...

    def cost_usd(self, brief: Brief) -> float:
        """Return the estimated price of one start."""
        ...

    def start(self, brief: Brief, *, creation_id: CreationId, attempt: int) -> Operation | Ready:
        """Start the work: one paid request, never sent again.

        Raises:
            GenerationRefused: the answer is no, for good.
            GenerationUnavailable: the answer is no, for now.
            StartOutcomeUnknown: no answer, or one that a gateway can give: it may be running, and
                paid for. Any other error means the same.
        """
        ...

    def poll(self, operation: Operation) -> Running | Ready | Refused:
        """Ask for the operation: a pure read.

        Raises:
            GenerationUnavailable: no answer; ask again.
            ReadRefused: the vendor refuses this read.
        """
        ...

    def fetch(self, result: Ready, path: Path, *, size_bytes_max: int) -> None:
        """Write the media to a new file, streamed.

        Raises:
            BadOutput: it is larger than the limit; nothing more is read.
            GenerationUnavailable: no answer; ask again.
            ReadRefused: the vendor refuses this read.
        """
        ...

    def find_output(
        self, creation_id: CreationId, *, attempt: int
    ) -> Ready | NotFound | CannotTell:
        """Search the attempt's own place in the bucket for its output: a pure read.

        Raises:
            GenerationUnavailable: no answer; ask again.
            ReadRefused: the vendor refuses this read.
        """
        ...

    def discard(self, operation: Operation) -> None:
        """Delete what the vendor stores of a finished operation; errors are logged, not raised.

        It takes some seconds at most, however slowly the vendor answers. Called only after the
        commit that ends the operation: its creation is complete, failed, or left to a later start.
        """
        ...
