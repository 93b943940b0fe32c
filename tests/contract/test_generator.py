"""Contract of the Generator port, for every adapter."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.adapters.sample.generator import SampleGenerator
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    StartOutcomeUnknown,
)
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.policy import VIDEO_SIZE_BYTES_MAX
from shared.ports.generator import CannotTell, Generator, NotFound, Operation, Ready, Running
from tests.servers.google_models_server import GoogleModelsServer
from tests.servers.google_models_variants import IMAGE_VARIANTS, VIDEO_VARIANTS, Variant
from tests.servers.google_models_vendor import Vendor as Google
from tests.support.builders import a_brief, a_creation_id
from tests.support.fakes import CountingIds, FakeClock

ONE = a_creation_id()
MAGIC = {Kind.VIDEO: b"ftyp", Kind.IMAGE: b"\x89PNG"}


@dataclass
class Vendor:
    """A generator, a factory for new processes of the same vendor, and its clock."""

    kind: Kind
    generator: Generator
    fresh: Callable[[], Generator]
    clock: FakeClock
    starts: Callable[[], int]
    """The number of paid starts."""


def sample(kind: Kind) -> Callable[[Path, ExitStack], Vendor]:
    def make(folder: Path, _: ExitStack) -> Vendor:
        clock, ids = FakeClock(), CountingIds()

        def fresh() -> Generator:
            return SampleGenerator(folder, clock=clock, ids=ids)

        def starts() -> int:
            return len(list((folder / "operations").glob("*.json")))

        return Vendor(kind, fresh(), fresh, clock, starts)

    return make


def google(variant: Variant) -> Callable[[Path, ExitStack], Vendor]:
    """Open one of these on the local server.

    shared.adapters.google_models.image_generator, shared.adapters.google_models.omni_generator,
    shared.adapters.google_models.veo_generator
    """

    def make(_: Path, stack: ExitStack) -> Vendor:
        clock = FakeClock()
        server = stack.enter_context(
            GoogleModelsServer(Google(clock=lambda: clock.now().timestamp()))
        )

        def fresh() -> Generator:
            return variant.open(server.url)

        return Vendor(variant.kind, fresh(), fresh, clock, lambda: server.vendor.starts)

    return make


RESUMABLE = [
    pytest.param(sample(Kind.VIDEO), id="sample-video"),
    pytest.param(sample(Kind.IMAGE), id="sample-image"),
    *(pytest.param(google(variant), id=variant.id) for variant in VIDEO_VARIANTS),
]
"""Generators with operations; the others return media from the start."""
ALL = [*RESUMABLE, *(pytest.param(google(variant), id=variant.id) for variant in IMAGE_VARIANTS)]


@pytest.fixture(params=ALL)
def vendor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vendor]:
    with ExitStack() as stack:
        yield request.param(tmp_path / "vendor", stack)


@pytest.fixture(params=RESUMABLE)
def resumable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vendor]:
    with ExitStack() as stack:
        yield request.param(tmp_path / "vendor", stack)


def finished(vendor: Vendor, begun: Operation | Ready) -> Ready:
    """Poll until the operation has ended with media."""
    if isinstance(begun, Ready):
        return begun
    for _ in range(100):
        state = vendor.generator.poll(begun)
        if isinstance(state, Ready):
            return state
        assert isinstance(state, Running)
        vendor.clock.sleep(1)
    raise AssertionError("it never ended")


def started(vendor: Vendor, prompt: str = "a fox") -> Operation | Ready:
    return vendor.generator.start(a_brief(vendor.kind, prompt), creation_id=ONE, attempt=1)


def operation(vendor: Vendor, prompt: str = "a fox") -> Operation:
    begun = started(vendor, prompt)
    assert isinstance(begun, Operation)
    return begun


def test_start_leads_to_a_file(vendor: Vendor, tmp_path: Path) -> None:
    ready = finished(vendor, started(vendor))

    vendor.generator.fetch(ready, tmp_path / "file", size_bytes_max=VIDEO_SIZE_BYTES_MAX)

    assert MAGIC[vendor.kind] in (tmp_path / "file").read_bytes()[:12]
    assert vendor.starts() == 1


def test_operation_is_resumed_by_its_name_in_a_new_process(
    resumable: Vendor, tmp_path: Path
) -> None:
    name = operation(resumable).name
    resumable.generator = resumable.fresh()

    ready = finished(resumable, Operation(name))
    resumable.fresh().fetch(ready, tmp_path / "file", size_bytes_max=VIDEO_SIZE_BYTES_MAX)

    assert (tmp_path / "file").stat().st_size > 1000
    assert resumable.starts() == 1


def test_progress_never_decreases(resumable: Vendor) -> None:
    begun = operation(resumable, "a fox [slow 5]")
    shares: list[float] = []
    while isinstance(state := resumable.generator.poll(begun), Running):
        shares.append(state.progress or 0.0)
        resumable.clock.sleep(1)

    assert shares == sorted(shares)
    assert all(0 <= share < 1 for share in shares)


def test_refusal_is_final_and_starts_nothing(vendor: Vendor) -> None:
    with pytest.raises(GenerationRefused) as refusal:
        started(vendor, "[refuse]")

    # Veo, and Omni in the cloud, report a blocked prompt only in the message.
    expected = {FailureCode.POLICY_VIOLATION, FailureCode.GENERATOR_REJECTED}
    assert refusal.value.failure in expected
    assert not refusal.value.is_billed
    assert vendor.starts() == 0


@pytest.mark.parametrize(
    ("word", "failure"),
    [
        ("rate-limit", FailureCode.GENERATOR_RATE_LIMITED),
        ("unavailable", FailureCode.GENERATOR_UNAVAILABLE),
    ],
)
def test_transient_failure_starts_nothing_and_may_pass(
    vendor: Vendor, word: str, failure: FailureCode
) -> None:
    for _ in range(2):
        with pytest.raises(GenerationUnavailable) as refusal:
            started(vendor, f"[{word} x2]")
        assert refusal.value.failure is failure
        vendor.generator = vendor.fresh()
    started(vendor, f"[{word} x2]")

    assert vendor.starts() == 1


def test_missing_response_is_unknown_and_its_output_can_be_found(
    vendor: Vendor, tmp_path: Path
) -> None:
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


def test_oversized_output_is_bad_output(vendor: Vendor, tmp_path: Path) -> None:
    ready = finished(vendor, started(vendor))

    with pytest.raises(BadOutput):
        vendor.generator.fetch(ready, tmp_path / "file", size_bytes_max=1000)


def test_hanging_operation_stays_running(resumable: Vendor) -> None:
    begun = operation(resumable, "[hang]")
    resumable.clock.sleep(3600)

    assert isinstance(resumable.generator.poll(begun), Running)


def test_discard_can_be_repeated(resumable: Vendor, tmp_path: Path) -> None:
    begun = operation(resumable)
    ready = finished(resumable, begun)
    resumable.generator.fetch(ready, tmp_path / "file", size_bytes_max=VIDEO_SIZE_BYTES_MAX)

    resumable.generator.discard(begun)
    resumable.fresh().discard(begun)

    assert resumable.starts() == 1


def test_unknown_operation_can_be_discarded(vendor: Vendor) -> None:
    vendor.generator.discard(Operation("projects/p/locations/l/operations/nothing"))

    assert vendor.starts() == 0


def test_generator_has_a_model_and_a_price(vendor: Vendor) -> None:
    assert vendor.generator.model
    assert vendor.generator.cost_usd(a_brief(vendor.kind)) >= 0
