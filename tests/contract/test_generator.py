"""The promises of the Generator port, for every adapter."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.adapters.sample_generator import SampleGenerator
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    StartOutcomeUnknown,
)
from shared.domain.failure import FailureCode
from shared.domain.policy import VIDEO_SIZE_BYTES_MAX, Kind
from shared.ports.generator import CannotTell, Generator, NotFound, Operation, Ready, Running
from tests.builders import a_brief, a_creation_id
from tests.fakes import CountingIds, FakeClock

ONE = a_creation_id()


@dataclass
class Vendor:
    """A generator, how to reach the same vendor from a fresh process, and its clock."""

    generator: Generator
    fresh: Callable[[], Generator]
    clock: FakeClock
    starts: Callable[[], int]
    """How many paid starts the vendor has seen."""


def sample(folder: Path) -> Vendor:
    clock, ids = FakeClock(), CountingIds()

    def fresh() -> Generator:
        return SampleGenerator(folder, clock=clock, ids=ids)

    return Vendor(fresh(), fresh, clock, lambda: len(list((folder / "operations").glob("*.json"))))


@pytest.fixture(params=[pytest.param(sample, id="sample")])
def vendor(request: pytest.FixtureRequest, tmp_path: Path) -> Vendor:
    made: Vendor = request.param(tmp_path / "vendor")
    return made


def finished(vendor: Vendor, operation: Operation) -> Ready:
    """Poll until the operation has ended with media."""
    for _ in range(100):
        state = vendor.generator.poll(operation)
        if isinstance(state, Ready):
            return state
        assert isinstance(state, Running)
        vendor.clock.sleep(1)
    raise AssertionError("it never ended")


def started(vendor: Vendor, prompt: str = "a fox", kind: Kind = Kind.VIDEO) -> Operation:
    begun = vendor.generator.start(a_brief(kind, prompt), creation_id=ONE, attempt=1)
    assert isinstance(begun, Operation)
    return begun


@pytest.mark.parametrize(("kind", "magic"), [(Kind.VIDEO, b"ftyp"), (Kind.IMAGE, b"\x89PNG")])
def test_a_start_becomes_a_file(vendor: Vendor, tmp_path: Path, kind: Kind, magic: bytes) -> None:
    ready = finished(vendor, started(vendor, kind=kind))

    vendor.generator.fetch(ready, tmp_path / "file", size_bytes_max=VIDEO_SIZE_BYTES_MAX)

    assert magic in (tmp_path / "file").read_bytes()[:12]
    assert vendor.starts() == 1


def test_an_operation_is_resumed_by_its_name_in_a_fresh_process(
    vendor: Vendor, tmp_path: Path
) -> None:
    name = started(vendor).name
    vendor.generator = vendor.fresh()

    ready = finished(vendor, Operation(name))
    vendor.fresh().fetch(ready, tmp_path / "file", size_bytes_max=VIDEO_SIZE_BYTES_MAX)

    assert (tmp_path / "file").stat().st_size > 1000
    assert vendor.starts() == 1


def test_progress_does_not_fall(vendor: Vendor) -> None:
    operation = started(vendor, "a fox [slow 5]")
    shares: list[float] = []
    while isinstance(state := vendor.generator.poll(operation), Running):
        shares.append(state.progress or 0.0)
        vendor.clock.sleep(1)

    assert shares == sorted(shares)
    assert all(0 <= share < 1 for share in shares)


def test_a_refusal_is_final_and_starts_nothing(vendor: Vendor) -> None:
    with pytest.raises(GenerationRefused) as refusal:
        started(vendor, "[refuse]")

    assert refusal.value.failure is FailureCode.POLICY_VIOLATION
    assert vendor.starts() == 0


@pytest.mark.parametrize(
    ("word", "failure"),
    [
        ("rate-limit", FailureCode.GENERATOR_RATE_LIMITED),
        ("unavailable", FailureCode.GENERATOR_UNAVAILABLE),
    ],
)
def test_a_no_for_now_starts_nothing_and_may_end(
    vendor: Vendor, word: str, failure: FailureCode
) -> None:
    for _ in range(2):
        with pytest.raises(GenerationUnavailable) as refusal:
            started(vendor, f"[{word} x2]")
        assert refusal.value.failure is failure
        vendor.generator = vendor.fresh()
    started(vendor, f"[{word} x2]")

    assert vendor.starts() == 1


def test_silence_is_no_no_and_its_output_can_be_looked_for(vendor: Vendor, tmp_path: Path) -> None:
    with pytest.raises(StartOutcomeUnknown):
        started(vendor, "[silent] [slow 3]")

    early = vendor.fresh().find_output(ONE, attempt=1)
    vendor.clock.sleep(3)
    late = vendor.fresh().find_output(ONE, attempt=1)
    other = vendor.fresh().find_output(ONE, attempt=2)

    assert isinstance(early, NotFound | CannotTell)
    assert isinstance(other, NotFound | CannotTell)
    if isinstance(late, Ready):
        vendor.generator.fetch(late, tmp_path / "file", size_bytes_max=VIDEO_SIZE_BYTES_MAX)
        assert (tmp_path / "file").stat().st_size > 1000
    else:
        assert isinstance(late, CannotTell)


def test_what_is_too_large_is_not_taken(vendor: Vendor, tmp_path: Path) -> None:
    ready = finished(vendor, started(vendor))

    with pytest.raises(BadOutput):
        vendor.generator.fetch(ready, tmp_path / "file", size_bytes_max=1000)


def test_a_hanging_operation_stays_running(vendor: Vendor) -> None:
    operation = started(vendor, "[hang]")
    vendor.clock.sleep(3600)

    assert isinstance(vendor.generator.poll(operation), Running)


def test_it_has_a_model_and_a_price(vendor: Vendor) -> None:
    assert vendor.generator.model
    assert vendor.generator.cost_usd(a_brief()) >= 0
