"""What is paid for: real attempts over Google's generators, and one start for each creation.

The vendor accepted a start in every row; whatever happens then, it is never asked to start again,
and the creation ends as a draft or refunded. Where a row has "or", a bucket makes the difference.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from jobs.attempt import Terminated
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
from tests.support.jobs import FakePipeline, run_job, with_ports
from tests.support.world import World

ATTEMPTS = 8
BETWEEN_ATTEMPTS_S = 130
"""Longer than a lease, and than a first retry's delay."""
DRAFT = Status.DRAFT
SILENT = FailureCode.GENERATOR_SILENT
LOST = "draft or silent"


@dataclass
class Trouble:
    """What goes wrong on the way of one creation."""

    vendor: dict[str, list[str]] = field(default_factory=dict)
    end: str = "media"
    world: Callable[[World, Creation], None] = lambda _world, _creation: None
    pipeline: FakePipeline = field(default_factory=FakePipeline)


def stopped_when(is_time: Callable[[Creation], bool]) -> Callable[[World, Creation], None]:
    """Return what sends SIGTERM once, after the first commit that brings a creation so far."""

    def arrange(world: World, creation: Creation) -> None:
        def look() -> None:
            if is_time(world.now(creation)):
                world.store.afterwards = lambda: None
                raise Terminated

        world.store.afterwards = look

    return arrange


def unrecorded(world: World, _: Creation) -> None:
    """Let the store be silent where the operation's name would be written."""
    world.store.faults = ["ok", "ok", *["unsent"] * 5]


def storage_down(world: World, _: Creation) -> None:
    world.media.failures = 4


def completed_in_silence(world: World, _: Creation) -> None:
    """Let no commit land, or be answered, once the media is stored."""
    world.media.after_put = lambda: world.store.faults.extend(["unsent"] * 8)


def unanswered_commits(world: World, _: Creation) -> None:
    world.store.faults = ["lost"] * 12


TROUBLES: dict[str, tuple[Trouble, object]] = {
    "none": (Trouble(), DRAFT),
    "no, no, yes": (Trouble({"start": ["503", "429:5"]}), DRAFT),
    "polls fail": (Trouble({"poll": ["500", "reset", "429:1", "half", "nonsense"]}), DRAFT),
    "hints of an hour": (
        Trouble({"start": ["429:3600"], "poll": ["503:3600"], "fetch": ["429:3600"]}),
        DRAFT,
    ),
    "downloads fail": (Trouble({"fetch": ["503", "lost", "half"]}), DRAFT),
    "stopped at the operation": (
        Trouble(world=stopped_when(lambda now: now.operation_name is not None)),
        DRAFT,
    ),
    "completed in silence": (Trouble(world=completed_in_silence), DRAFT),
    "stopped while uploading": (Trouble(world=stopped_when(lambda now: now.progress >= 95)), DRAFT),
    "storage down": (Trouble(world=storage_down), DRAFT),
    "commits unanswered": (Trouble(world=unanswered_commits), DRAFT),
    "the operation's name is written late": (Trouble(world=unrecorded), DRAFT),
    "reset after it": (Trouble({"start": ["lost"]}), LOST),
    "never answered": (Trouble({"start": ["hang"]}), LOST),
    "answered too slowly": (Trouble({"start": ["drip"]}), LOST),
    "half an answer": (Trouble({"start": ["half"]}), LOST),
    "an empty answer": (Trouble({"start": ["empty"]}), LOST),
    "a nameless answer": (Trouble({"start": ["nameless"]}), LOST),
    "search fails": (Trouble({"start": ["lost"], "find": ["503", "reset"]}), LOST),
    "done with an error": (Trouble(end="error:15:data loss"), FailureCode.GENERATOR_BAD_OUTPUT),
    "done against policy": (Trouble(end=f"error:3:{POLICY_TEXT}"), FailureCode.GENERATOR_REJECTED),
    "done, ours to fix": (Trouble(end=f"error:7:{POLICY_TEXT}"), FailureCode.INTERNAL),
    "done without media": (Trouble(end="nothing"), FailureCode.GENERATOR_BAD_OUTPUT),
    "never done": (Trouble(end="never"), FailureCode.DEADLINE_EXCEEDED),
    "unusable": (
        Trouble(pipeline=FakePipeline(error=BadOutput(reason=SECRET_TEXT))),
        FailureCode.GENERATOR_BAD_OUTPUT,
    ),
}
TROUBLES_OF_VEO: dict[str, tuple[Trouble, object]] = {
    "filtered": (Trouble(end="filtered"), FailureCode.SAFETY_FILTER),
    "filtered, nested": (Trouble(end="filtered-nested"), FailureCode.SAFETY_FILTER),
}
ROWS = [
    *((variant, *row) for variant in VIDEO_VARIANTS for row in TROUBLES.items()),
    *((variant, *row) for variant in (VEO, VEO_BUCKET) for row in TROUBLES_OF_VEO.items()),
]


@pytest.fixture
def server(world: World) -> Iterator[GoogleModelsServer]:
    vendor = Vendor(clock=lambda: world.clock.now().timestamp(), draw=lambda *_: b"small media")
    with GoogleModelsServer(vendor) as server:
        yield server


def settled(world: World, phoenix: Phoenix, pipeline: Pipeline, creation: Creation) -> Creation:
    """Run executions, one after another, until the creation is a draft or refunded."""
    for number in range(ATTEMPTS):
        lease_owner = LeaseOwner(f"execution-{number}", 0)
        run_job(phoenix, pipeline, creation.creation_id, lease_owner=lease_owner)
        if not world.now(creation).is_unfinished:
            return world.now(creation)
        world.clock.sleep(BETWEEN_ATTEMPTS_S)
    raise AssertionError("it was never settled")


def end(world: World, server: GoogleModelsServer, variant: Variant, trouble: Trouble) -> Creation:
    """Bring one creation to its end, through this trouble, by fresh processes."""
    creation = world.open(kind=variant.kind).creation
    server.vendor.faults = {call: list(faults) for call, faults in trouble.vendor.items()}
    server.vendor.ends = [trouble.end]
    trouble.world(world, creation)
    is_slow = SLOW_FAULTS & {*trouble.vendor.get("start", ())}
    pipeline = replace(trouble.pipeline, kind=variant.kind)
    phoenix = with_ports(
        world.phoenix,
        generator=lambda _: variant.open(server.url, timeout_s=SLOW_TIMEOUT_S if is_slow else 10),
    )
    return settled(world, phoenix, pipeline, creation)


@pytest.mark.parametrize(
    ("variant", "trouble", "expected"),
    [
        pytest.param(variant, trouble, expected, id=f"{variant.id}: {name}")
        for variant, name, (trouble, expected) in ROWS
    ],
)
def test_a_video_that_was_accepted_is_paid_once(
    world: World, server: GoogleModelsServer, variant: Variant, trouble: Trouble, expected: object
) -> None:
    creation = end(world, server, variant, trouble)

    if expected == LOST:
        expected = DRAFT if variant.bucket else SILENT
    assert server.vendor.starts == 1
    assert (creation.error.code if creation.error else creation.status) == expected
    assert world.account().balance_tokens == (90 if expected is DRAFT else 100)


IMAGE_ROWS: dict[str, tuple[Trouble, int, object]] = {
    "none": (Trouble(), 1, DRAFT),
    "no, no, yes": (Trouble({"start": ["503", "429:5"]}), 1, DRAFT),
    "a hint of an hour": (Trouble({"start": ["429:3600"]}), 1, DRAFT),
    "reset before it": (Trouble({"start": ["reset"]}), 1, DRAFT),
    "commits unanswered": (Trouble(world=unanswered_commits), 1, DRAFT),
    "filtered": (Trouble(end="finish:IMAGE_SAFETY"), 1, FailureCode.SAFETY_FILTER),
    "done without media": (Trouble(end="nothing"), 1, FailureCode.GENERATOR_BAD_OUTPUT),
    "unusable": (
        Trouble(pipeline=FakePipeline(error=BadOutput(reason=SECRET_TEXT))),
        1,
        FailureCode.GENERATOR_BAD_OUTPUT,
    ),
    "reset after it, once": (Trouble({"start": ["lost"]}), 2, DRAFT),
    "reset after it, always": (Trouble({"start": ["lost"] * 9}), 2, SILENT),
    "never answered": (Trouble({"start": ["hang"] * 9}), 2, SILENT),
    "completed in silence": (Trouble(world=completed_in_silence), 1, DRAFT),
    "stopped while uploading": (
        Trouble(world=stopped_when(lambda now: now.progress >= 95)),
        2,
        DRAFT,
    ),
    "storage down": (Trouble(world=storage_down), 1, DRAFT),
}
"""An image whose answer is lost, or whose process ends, may be started once more."""


@pytest.mark.parametrize("variant", [IMAGE, IMAGE_KEY], ids=lambda variant: str(variant.id))
@pytest.mark.parametrize(("trouble", "starts", "expected"), IMAGE_ROWS.values(), ids=IMAGE_ROWS)
def test_an_image_is_paid_once_and_once_more_where_it_was_lost(
    world: World,
    server: GoogleModelsServer,
    variant: Variant,
    trouble: Trouble,
    starts: int,
    expected: object,
) -> None:
    creation = end(world, server, variant, trouble)

    assert server.vendor.starts == starts
    assert (creation.error.code if creation.error else creation.status) == expected
    assert world.account().balance_tokens == (99 if expected is DRAFT else 100)


@pytest.mark.parametrize("variant", [VEO, OMNI_KEY], ids=lambda variant: str(variant.id))
def test_an_operation_that_ended_in_a_passing_error_is_started_anew(
    world: World, server: GoogleModelsServer, variant: Variant
) -> None:
    creation = end(world, server, variant, Trouble(end="error:8:quota"))

    assert server.vendor.starts == 2
    assert creation.status is DRAFT


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: str(variant.id))
@pytest.mark.parametrize("fault", ["400", "401", "500"])
def test_the_vendors_words_are_for_the_log_alone(
    world: World,
    server: GoogleModelsServer,
    variant: Variant,
    fault: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    creation = end(world, server, variant, Trouble({"start": [fault] * 9}))

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
def test_a_held_back_result_costs_what_the_vendor_bills(
    world: World, server: GoogleModelsServer, variant: Variant, end_of_work: str, prices: int
) -> None:
    creation = end(world, server, variant, Trouble(end=end_of_work))

    [cost] = [each for each in world.store.everything() if isinstance(each, Cost)]
    assert creation.error is not None
    assert creation.refunded
    assert cost.estimated_cost_usd == pytest.approx(prices * variant.card.price_usd)


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: str(variant.id))
def test_the_answer_of_a_gateway_starts_no_second_video(
    world: World, server: GoogleModelsServer, variant: Variant
) -> None:
    faults = ["504/html", "502/UNAVAILABLE", "503/html", "429/none", "408", "499", "500"]
    creation = end(world, server, variant, Trouble({"start": faults}))

    sent = [path for method, path, _ in server.vendor.requests if method == "POST"]
    assert creation.error is not None
    assert creation.error.code is FailureCode.GENERATOR_SILENT
    assert len(sent) == (2 if variant.kind is Kind.IMAGE else 1)


@pytest.mark.parametrize(
    "variant", [OMNI, OMNI_BUCKET, VEO, IMAGE], ids=lambda variant: str(variant.id)
)
def test_the_cost_and_the_model_are_written_down(
    world: World, server: GoogleModelsServer, variant: Variant
) -> None:
    creation = end(world, server, variant, Trouble())

    seconds = 8 if variant.kind is Kind.VIDEO else 1
    assert creation.model == variant.card.model
    assert creation.intent is not None
    assert creation.intent.cost_usd == pytest.approx(variant.card.price_usd * seconds)
