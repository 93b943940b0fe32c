"""Real attempts over Google's generators: each creation is started, and paid, once.

In every row the vendor accepts a start. No later fault causes a second start, and the creation
ends as a draft or refunded. Where a row has "or", a bucket decides.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from jobs.generation import Pipeline
from shared.domain.creation import Creation
from shared.domain.errors import BadOutput
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.ledger import Cost
from shared.domain.status import Status
from shared.wiring import Phoenix
from tests.adapters.google_models import SLOW_FAULTS, SLOW_TIMEOUT_S
from tests.servers.google_models_server import GoogleModelsServer
from tests.servers.google_models_variants import (
    IMAGE,
    IMAGE_KEY,
    OMNI,
    OMNI_BUCKET,
    OMNI_KEY,
    VARIANTS,
    VEO,
    VEO_BUCKET,
    VIDEO_VARIANTS,
    Variant,
)
from tests.servers.google_models_vendor import POLICY_TEXT, SECRET_TEXT, Vendor
from tests.support.jobs import FakePipeline, run_job, sigterm, with_ports
from tests.support.world import World

ATTEMPTS = 8
BETWEEN_ATTEMPTS_S = 130
"""Longer than a lease, and than a first retry's delay."""
DRAFT = Status.DRAFT
SILENT = FailureCode.GENERATOR_SILENT
LOST = "draft or silent"


@dataclass
class Fault:
    """The faults of one creation."""

    vendor: dict[str, list[str]] = field(default_factory=dict)
    end: str = "media"
    world: Callable[[World, Creation], None] = lambda _world, _creation: None
    pipeline: FakePipeline = field(default_factory=FakePipeline)


def terminated_when(is_time: Callable[[Creation], bool]) -> Callable[[World, Creation], None]:
    """Send SIGTERM once, after the first commit of such a creation."""

    def arrange(world: World, creation: Creation) -> None:
        def terminate_once() -> None:
            if is_time(world.now(creation)):
                world.store.afterwards = lambda: None
                sigterm()

        world.store.afterwards = terminate_once

    return arrange


def unrecorded(world: World, _: Creation) -> None:
    """Lose the commits that would record the operation."""
    world.store.faults = ["ok", "ok", *["unsent"] * 5]


def storage_down(world: World, _: Creation) -> None:
    world.media.failures = 4


def completed_without_answer(world: World, _: Creation) -> None:
    """Lose all commits once the media is stored."""
    world.media.after_put = lambda: world.store.faults.extend(["unsent"] * 8)


def unanswered_commits(world: World, _: Creation) -> None:
    world.store.faults = ["lost"] * 12


FAULTS: dict[str, tuple[Fault, object]] = {
    "none": (Fault(), DRAFT),
    "no, no, yes": (Fault({"start": ["503", "429:5"]}), DRAFT),
    "polls fail": (Fault({"poll": ["500", "reset", "429:1", "half", "nonsense"]}), DRAFT),
    "hints of an hour": (
        Fault({"start": ["429:3600"], "poll": ["503:3600"], "fetch": ["429:3600"]}),
        DRAFT,
    ),
    "downloads fail": (Fault({"fetch": ["503", "lost", "half"]}), DRAFT),
    "terminated after recording the operation": (
        Fault(world=terminated_when(lambda current: current.operation_name is not None)),
        DRAFT,
    ),
    "complete is lost": (Fault(world=completed_without_answer), DRAFT),
    "terminated while uploading": (
        Fault(world=terminated_when(lambda current: current.progress >= 95)),
        DRAFT,
    ),
    "storage down": (Fault(world=storage_down), DRAFT),
    "commits unanswered": (Fault(world=unanswered_commits), DRAFT),
    "the operation is recorded late": (Fault(world=unrecorded), DRAFT),
    "reset after it": (Fault({"start": ["lost"]}), LOST),
    "never answered": (Fault({"start": ["hang"]}), LOST),
    "answered too slowly": (Fault({"start": ["drip"]}), LOST),
    "half an answer": (Fault({"start": ["half"]}), LOST),
    "an empty answer": (Fault({"start": ["empty"]}), LOST),
    "a nameless answer": (Fault({"start": ["nameless"]}), LOST),
    "search fails": (Fault({"start": ["lost"], "find": ["503", "reset"]}), LOST),
    "finished with an error": (Fault(end="error:15:data loss"), FailureCode.GENERATOR_BAD_OUTPUT),
    "finished against policy": (
        Fault(end=f"error:3:{POLICY_TEXT}"),
        FailureCode.GENERATOR_REJECTED,
    ),
    "finished with our fault": (Fault(end=f"error:7:{POLICY_TEXT}"), FailureCode.INTERNAL),
    "finished without media": (Fault(end="nothing"), FailureCode.GENERATOR_BAD_OUTPUT),
    "never finished": (Fault(end="never"), FailureCode.DEADLINE_EXCEEDED),
    "unusable": (
        Fault(pipeline=FakePipeline(error=BadOutput(reason=SECRET_TEXT))),
        FailureCode.GENERATOR_BAD_OUTPUT,
    ),
}
FAULTS_OF_VEO: dict[str, tuple[Fault, object]] = {
    "filtered": (Fault(end="filtered"), FailureCode.SAFETY_FILTER),
    "filtered, nested": (Fault(end="filtered-nested"), FailureCode.SAFETY_FILTER),
}
ROWS = [
    *((variant, *row) for variant in VIDEO_VARIANTS for row in FAULTS.items()),
    *((variant, *row) for variant in (VEO, VEO_BUCKET) for row in FAULTS_OF_VEO.items()),
]


@pytest.fixture
def server(world: World) -> Iterator[GoogleModelsServer]:
    vendor = Vendor(clock=lambda: world.clock.now().timestamp(), draw=lambda *_: b"small media")
    with GoogleModelsServer(vendor) as server:
        yield server


def settled(world: World, phoenix: Phoenix, pipeline: Pipeline, creation: Creation) -> Creation:
    """Run executions until the creation is a draft or refunded."""
    for number in range(ATTEMPTS):
        lease_owner = LeaseOwner(f"execution-{number}", 0)
        run_job(phoenix, pipeline, creation.creation_id, lease_owner=lease_owner)
        if not world.now(creation).is_unfinished:
            return world.now(creation)
        world.clock.sleep(BETWEEN_ATTEMPTS_S)
    raise AssertionError("it was not settled")


def settle(world: World, server: GoogleModelsServer, variant: Variant, fault: Fault) -> Creation:
    """Settle one creation with this fault, in new processes."""
    creation = world.open(kind=variant.kind).creation
    server.vendor.faults = {call: list(faults) for call, faults in fault.vendor.items()}
    server.vendor.ends = [fault.end]
    fault.world(world, creation)
    is_slow = SLOW_FAULTS & {*fault.vendor.get("start", ())}
    pipeline = replace(fault.pipeline, kind=variant.kind)
    phoenix = with_ports(
        world.phoenix,
        generator=lambda _: variant.open(server.url, timeout_s=SLOW_TIMEOUT_S if is_slow else 10),
    )
    return settled(world, phoenix, pipeline, creation)


@pytest.mark.parametrize(
    ("variant", "fault", "expected"),
    [
        pytest.param(variant, fault, expected, id=f"{variant.id}: {name}")
        for variant, name, (fault, expected) in ROWS
    ],
)
def test_accepted_video_is_started_once(
    world: World, server: GoogleModelsServer, variant: Variant, fault: Fault, expected: object
) -> None:
    creation = settle(world, server, variant, fault)

    if expected == LOST:
        expected = DRAFT if variant.bucket else SILENT
    assert server.vendor.starts == 1
    assert (creation.error.code if creation.error else creation.status) == expected
    assert world.account().balance_tokens == (90 if expected is DRAFT else 100)


IMAGE_ROWS: dict[str, tuple[Fault, int, object]] = {
    "none": (Fault(), 1, DRAFT),
    "no, no, yes": (Fault({"start": ["503", "429:5"]}), 1, DRAFT),
    "a hint of an hour": (Fault({"start": ["429:3600"]}), 1, DRAFT),
    "reset before it": (Fault({"start": ["reset"]}), 1, DRAFT),
    "commits unanswered": (Fault(world=unanswered_commits), 1, DRAFT),
    "filtered": (Fault(end="finish:IMAGE_SAFETY"), 1, FailureCode.SAFETY_FILTER),
    "finished without media": (Fault(end="nothing"), 1, FailureCode.GENERATOR_BAD_OUTPUT),
    "unusable": (
        Fault(pipeline=FakePipeline(error=BadOutput(reason=SECRET_TEXT))),
        1,
        FailureCode.GENERATOR_BAD_OUTPUT,
    ),
    "reset after it, once": (Fault({"start": ["lost"]}), 2, DRAFT),
    "reset after it, always": (Fault({"start": ["lost"] * 9}), 2, SILENT),
    "never answered": (Fault({"start": ["hang"] * 9}), 2, SILENT),
    "complete is lost": (Fault(world=completed_without_answer), 1, DRAFT),
    "terminated while uploading": (
        Fault(world=terminated_when(lambda current: current.progress >= 95)),
        2,
        DRAFT,
    ),
    "storage down": (Fault(world=storage_down), 1, DRAFT),
}
"""An image whose answer is lost, or whose process ends, may be started a second time."""


@pytest.mark.parametrize("variant", [IMAGE, IMAGE_KEY], ids=lambda variant: str(variant.id))
@pytest.mark.parametrize(("fault", "starts", "expected"), IMAGE_ROWS.values(), ids=IMAGE_ROWS)
def test_accepted_image_is_started_once_or_twice_if_its_answer_was_lost(
    world: World,
    server: GoogleModelsServer,
    variant: Variant,
    fault: Fault,
    starts: int,
    expected: object,
) -> None:
    creation = settle(world, server, variant, fault)

    assert server.vendor.starts == starts
    assert (creation.error.code if creation.error else creation.status) == expected
    assert world.account().balance_tokens == (99 if expected is DRAFT else 100)


@pytest.mark.parametrize("variant", [VEO, OMNI_KEY], ids=lambda variant: str(variant.id))
def test_operation_that_failed_transiently_is_started_again(
    world: World, server: GoogleModelsServer, variant: Variant
) -> None:
    creation = settle(world, server, variant, Fault(end="error:8:quota"))

    assert server.vendor.starts == 2
    assert creation.status is DRAFT


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: str(variant.id))
@pytest.mark.parametrize("fault", ["400", "401", "500"])
def test_vendor_error_text_is_only_logged(
    world: World,
    server: GoogleModelsServer,
    variant: Variant,
    fault: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    creation = settle(world, server, variant, Fault({"start": [fault] * 9}))

    assert creation.error is not None
    assert SECRET_TEXT not in creation.error.message
    assert SECRET_TEXT in str([vars(record) for record in caplog.records])
    assert server.vendor.starts == 0


@pytest.mark.parametrize(
    ("variant", "end_of_work", "prices"),
    [
        (IMAGE, "billed:IMAGE_SAFETY", 1),
        (IMAGE, "finish:IMAGE_SAFETY", 0),
        (IMAGE, "block:SAFETY", 0),
        (OMNI, "billed:safety", 8),
        (OMNI, "error:safety:x", 0),
        (VEO, "filtered", 0),
    ],
)
def test_withheld_result_costs_the_billed_amount(
    world: World, server: GoogleModelsServer, variant: Variant, end_of_work: str, prices: int
) -> None:
    creation = settle(world, server, variant, Fault(end=end_of_work))

    [cost] = [each for each in world.store.everything() if isinstance(each, Cost)]
    assert creation.error is not None
    assert creation.refunded
    assert cost.estimated_cost_usd == pytest.approx(prices * variant.card.price_usd)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: str(variant.id))
def test_gateway_response_causes_no_second_video_start(
    world: World, server: GoogleModelsServer, variant: Variant
) -> None:
    faults = ["504/html", "502/UNAVAILABLE", "503/html", "429/none", "408", "499", "500"]
    creation = settle(world, server, variant, Fault({"start": faults}))

    sent = [path for method, path, _ in server.vendor.requests if method == "POST"]
    assert creation.error is not None
    assert creation.error.code is FailureCode.GENERATOR_SILENT
    assert len(sent) == (2 if variant.kind is Kind.IMAGE else 1)


@pytest.mark.parametrize(
    "variant", [OMNI, OMNI_BUCKET, VEO, IMAGE], ids=lambda variant: str(variant.id)
)
def test_cost_and_model_are_recorded(
    world: World, server: GoogleModelsServer, variant: Variant
) -> None:
    creation = settle(world, server, variant, Fault())

    seconds = 8 if variant.kind is Kind.VIDEO else 1
    assert creation.model == variant.card.model
    assert creation.intent is not None
    assert creation.intent.cost_usd == pytest.approx(variant.card.price_usd * seconds)
