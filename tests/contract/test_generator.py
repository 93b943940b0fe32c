"""The promises of the Generator port, for every adapter."""

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
from tests.servers.genai_makers import IMAGE_MAKERS, VIDEO_MAKERS, Maker
from tests.servers.genai_server import GenaiServer
from tests.servers.genai_vendor import Vendor as Google
from tests.support.builders import a_brief, a_creation_id
from tests.support.fakes import CountingIds, FakeClock

ONE = a_creation_id()
MAGIC = {Kind.VIDEO: b"ftyp", Kind.IMAGE: b"\x89PNG"}


@dataclass
class Vendor:
    """A generator, how to reach the same vendor from a fresh process, and its clock."""

    kind: Kind
    generator: Generator
    fresh: Callable[[], Generator]
    clock: FakeClock
    starts: Callable[[], int]
    """How many paid starts the vendor has seen."""


def sample(kind: Kind) -> Callable[[Path, ExitStack], Vendor]:
    def make(folder: Path, _: ExitStack) -> Vendor:
        clock, ids = FakeClock(), CountingIds()

        def fresh() -> Generator:
            return SampleGenerator(folder, clock=clock, ids=ids)

        def starts() -> int:
            return len(list((folder / "operations").glob("*.json")))

        return Vendor(kind, fresh(), fresh, clock, starts)

    return make


def google(maker: Maker) -> Callable[[Path, ExitStack], Vendor]:
    """Return one of these over the local server.

    shared.adapters.google_models.image_generator, shared.adapters.google_models.omni_generator,
    shared.adapters.google_models.veo_generator
    """

    def make(_: Path, stack: ExitStack) -> Vendor:
        clock = FakeClock()
        server = stack.enter_context(GenaiServer(Google(clock=lambda: clock.now().timestamp())))

        def fresh() -> Generator:
            return maker.make(server.url)

        return Vendor(maker.kind, fresh(), fresh, clock, lambda: server.vendor.starts)

    return make


OPERATING = [
    pytest.param(sample(Kind.VIDEO), id="sample-video"),
    pytest.param(sample(Kind.IMAGE), id="sample-image"),
    *(pytest.param(google(maker), id=maker.id) for maker in VIDEO_MAKERS),
]
"""The generators whose starts become operations; the others answer a start with the media."""
ALL = [*OPERATING, *(pytest.param(google(maker), id=maker.id) for maker in IMAGE_MAKERS)]


@pytest.fixture(params=ALL)
def vendor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vendor]:
    with ExitStack() as stack:
        yield request.param(tmp_path / "vendor", stack)


@pytest.fixture(params=OPERATING)
def with_operation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vendor]:
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


def test_a_start_becomes_a_file(vendor: Vendor, tmp_path: Path) -> None:
    ready = finished(vendor, started(vendor))

    vendor.generator.fetch(ready, tmp_path / "file", size_bytes_max=VIDEO_SIZE_BYTES_MAX)

    assert MAGIC[vendor.kind] in (tmp_path / "file").read_bytes()[:12]
    assert vendor.starts() == 1


def test_an_operation_is_resumed_by_its_name_in_a_fresh_process(
    operating: Vendor, tmp_path: Path
) -> None:
    name = operation(operating).name
    operating.generator = operating.fresh()

    ready = finished(operating, Operation(name))
    operating.fresh().fetch(ready, tmp_path / "file", size_bytes_max=VIDEO_SIZE_BYTES_MAX)

    assert (tmp_path / "file").stat().st_size > 1000
    assert operating.starts() == 1


def test_progress_does_not_fall(operating: Vendor) -> None:
    begun = operation(operating, "a fox [slow 5]")
    shares: list[float] = []
    while isinstance(state := operating.generator.poll(begun), Running):
        shares.append(state.progress or 0.0)
        operating.clock.sleep(1)

    assert shares == sorted(shares)
    assert all(0 <= share < 1 for share in shares)


def test_a_refusal_is_final_and_starts_nothing(vendor: Vendor) -> None:
    with pytest.raises(GenerationRefused) as refusal:
        started(vendor, "[refuse]")

    # Veo, and Omni in the cloud, tell of a blocked prompt in prose alone.
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


def test_a_hanging_operation_stays_running(operating: Vendor) -> None:
    begun = operation(operating, "[hang]")
    operating.clock.sleep(3600)

    assert isinstance(operating.generator.poll(begun), Running)


def test_a_discarded_operation_is_gone_and_a_second_discard_changes_nothing(
    operating: Vendor, tmp_path: Path
) -> None:
    begun = operation(operating)
    ready = finished(operating, begun)
    operating.generator.fetch(ready, tmp_path / "file", size_bytes_max=VIDEO_SIZE_BYTES_MAX)

    operating.generator.discard(begun)
    operating.fresh().discard(begun)

    assert operating.starts() == 1


def test_what_was_never_started_can_be_discarded(vendor: Vendor) -> None:
    vendor.generator.discard(Operation("projects/p/locations/l/operations/nothing"))

    assert vendor.starts() == 0


def test_it_has_a_model_and_a_price(vendor: Vendor) -> None:
    assert vendor.generator.model
    assert vendor.generator.cost_usd(a_brief(vendor.kind)) >= 0
