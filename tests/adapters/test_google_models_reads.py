"""The response table, row by row: ends of accepted works, and reads."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs.image_generation_job.pipeline import ImagePipeline
from jobs.video_generation_job.pipeline import VideoPipeline
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    ReadRefused,
    StartOutcomeUnknown,
)
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.policy import IMAGE_SIZE_BYTES_MAX, VIDEO_SIZE_BYTES_MAX
from shared.ports.generator import (
    CannotTell,
    NotFound,
    Operation,
    Ready,
    Refused,
    Running,
)
from tests.adapters.google_models import (
    BUSY,
    ONE,
    UNAVAILABLE,
    UNUSABLE,
    Google,
    by_id,
    outcome,
    polled,
    ready,
    start,
)
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
from tests.servers.google_models_vendor import POLICY_TEXT, Vendor
from tests.support.builders import a_brief

# Ends of accepted works


def refused(failure: FailureCode, *, is_transient: bool = False) -> Refused:
    return Refused(failure, is_transient=is_transient)


LATER = [
    refused(FailureCode.GENERATOR_RATE_LIMITED, is_transient=True),
    refused(FailureCode.GENERATOR_UNAVAILABLE, is_transient=True),
]
BAD = refused(FailureCode.GENERATOR_BAD_OUTPUT)
REJECT = refused(FailureCode.GENERATOR_REJECTED)
FIX = refused(FailureCode.INTERNAL)
FILTERED = refused(FailureCode.SAFETY_FILTER)
ENDS_OF_VEO = [
    ("error:8:quota", LATER[0]),
    ("error:429:quota", LATER[0]),
    *((f"error:{code}:oops", LATER[1]) for code in (1, 2, 4, 10, 13, 14)),
    *((f"error:{code}:oops", LATER[1]) for code in (408, 409, 499, 500, 502, 503, 504, 529)),
    (f"error:3:{POLICY_TEXT}", REJECT),
    ("error:3:bad duration", REJECT),
    ("error:400:bad duration", REJECT),
    ("error:11:bad duration", REJECT),
    *((f"error:{code}:against the policy", FIX) for code in (5, 6, 7, 9, 12, 16)),
    *((f"error:{code}:a safety violation", FIX) for code in (401, 402, 403, 404, 412)),
    ("error-info:3:API_KEY_INVALID", FIX),
    ("error:15:data loss", BAD),
    ("error:0:ok", BAD),
    ("error:77:who knows", BAD),
    ("nothing", BAD),
    ("filtered", FILTERED),
    ("filtered-nested", FILTERED),
    ("never", Running()),
]
ENDS_OF_OMNI = [
    ("error:RESOURCE_EXHAUSTED:quota", LATER[0]),
    ("error:rate_limit_exceeded:quota", LATER[0]),
    ("error:google.rpc/Unavailable:busy", LATER[1]),
    ("error:13:oops", LATER[1]),
    ("error:503:oops", LATER[1]),
    *((f"error:{code}:oops", LATER[1]) for code in ("api_error", "service_unavailable", "aborted")),
    *((f"error:{code}:oops", LATER[1]) for code in ("cancelled", "deadline_exceeded")),
    (f"error:invalid_argument:{POLICY_TEXT}", REJECT),
    ("error:invalid_request:bad duration", REJECT),
    ("error:language:what is that", REJECT),
    *((f"error:{code}:oops", FIX) for code in ("authentication", "permission_denied", "not_found")),
    *((f"error:{code}:oops", FIX) for code in ("payment_required", "model_not_found")),
    *((f"error:{code}:oops", FIX) for code in ("failed_precondition", "unimplemented")),
    *((f"error:{code}:oops", FILTERED) for code in ("safety", "content_blocked", "recitation")),
    ("error:strange:who knows", BAD),
    ("nothing", BAD),
    ("status:failed", BAD),
    ("status:cancelled", LATER[1]),
    ("status:incomplete", BAD),
    ("status:requires_action", BAD),
    ("status:budget_exceeded", FIX),
    ("status:queued", Running()),
    ("status:requires_continuation", Running()),
    ("status:a_new_word", Running()),
    ("media-and:in_progress", Running()),
    ("media-and:requires_continuation", Running()),
    ("never", Running()),
]


@by_id([VEO, VEO_BUCKET])
@pytest.mark.parametrize(("end", "expected"), ENDS_OF_VEO)
def test_state_of_a_finished_operation(
    google: Google, variant: Variant, end: str, expected: Any
) -> None:
    google.vendor.ends = [end]

    state = polled(google, variant)

    assert (replace(state, reason="") if isinstance(state, Refused) else state) == expected
    assert google.vendor.starts == 1


@by_id([OMNI, OMNI_BUCKET, OMNI_KEY])
@pytest.mark.parametrize(("end", "expected"), ENDS_OF_OMNI)
def test_state_of_a_finished_interaction(
    google: Google, variant: Variant, end: str, expected: Any
) -> None:
    google.vendor.ends = [end]

    state = polled(google, variant)

    assert (replace(state, reason="") if isinstance(state, Refused) else state) == expected
    assert google.vendor.starts == 1


@by_id([IMAGE, IMAGE_KEY])
@pytest.mark.parametrize(
    ("end", "failure"),
    [
        ("block:SAFETY", FailureCode.POLICY_VIOLATION),
        ("block:A_NEW_WORD", FailureCode.POLICY_VIOLATION),
        ("finish:IMAGE_SAFETY", FailureCode.SAFETY_FILTER),
        ("finish:IMAGE_PROHIBITED_CONTENT", FailureCode.SAFETY_FILTER),
        ("finish:PROHIBITED_CONTENT", FailureCode.SAFETY_FILTER),
        ("finish:IMAGE_RECITATION", FailureCode.SAFETY_FILTER),
        ("finish:IMAGE_OTHER", FailureCode.GENERATOR_BAD_OUTPUT),
        ("finish:NO_IMAGE", FailureCode.GENERATOR_BAD_OUTPUT),
        ("finish:A_NEW_WORD", FailureCode.GENERATOR_BAD_OUTPUT),
        ("finish:MODEL_ARMOR", FailureCode.SAFETY_FILTER),
        ("finish:LANGUAGE", FailureCode.GENERATOR_REJECTED),
        ("finish:PUP_LIMITED_DISABLED", FailureCode.INTERNAL),
        ("block:BLOCK_REASON_UNSPECIFIED", FailureCode.GENERATOR_BAD_OUTPUT),
        ("block:BLOCKED_REASON_UNSPECIFIED", FailureCode.GENERATOR_BAD_OUTPUT),
        ("nothing", FailureCode.GENERATOR_BAD_OUTPUT),
    ],
)
def test_response_without_an_image_is_refused(
    google: Google, variant: Variant, end: str, failure: FailureCode
) -> None:
    google.vendor.ends = [end]

    assert outcome(google.generator(variant), Kind.IMAGE) == (GenerationRefused, failure)
    assert google.vendor.starts == 1


@by_id(VARIANTS)
def test_unknown_fields_and_values_are_ignored(
    google: Google, variant: Variant, tmp_path: Path
) -> None:
    google.vendor.ends = ["strange"]
    generator = google.generator(variant)
    begun = start(generator, variant.kind)
    google.clock.sleep(600)
    ready = generator.poll(begun) if isinstance(begun, Operation) else begun
    assert isinstance(ready, Ready)

    generator.fetch(ready, tmp_path / "file", size_bytes_max=100)

    assert (tmp_path / "file").read_bytes() == b"small media"


# Reads


REFUSED = (ReadRefused, None)
READS = [
    ("400", REFUSED),
    ("403", REFUSED),
    ("404", REFUSED),
    ("404/html", REFUSED),
    ("401", UNAVAILABLE),
    ("408", UNAVAILABLE),
    ("409", UNAVAILABLE),
    ("429:5", BUSY),
    ("429/html", BUSY),
    ("500", UNAVAILABLE),
    ("503", UNAVAILABLE),
    ("504/html", UNAVAILABLE),
    ("reset", UNAVAILABLE),
    ("hang", UNAVAILABLE),
    ("drip", UNAVAILABLE),
    ("half", UNAVAILABLE),
    ("gzipped", UNAVAILABLE),
]


def error_of(raised: pytest.ExceptionInfo[Any]) -> Any:
    return type(raised.value), getattr(raised.value, "failure", None)


@by_id([VEO, OMNI, OMNI_KEY])
@pytest.mark.parametrize(
    ("fault", "expected"), [*READS, ("nonsense", UNAVAILABLE), ("deep", UNAVAILABLE)]
)
def test_failed_poll_can_be_retried(
    google: Google, variant: Variant, fault: str, expected: Any
) -> None:
    generator = google.generator(variant, fault)
    begun = start(generator, variant.kind)
    assert isinstance(begun, Operation)
    google.vendor.faults["poll"] = [fault]

    with pytest.raises((GenerationUnavailable, ReadRefused)) as raised:
        generator.poll(begun)

    assert error_of(raised) == expected
    assert getattr(raised.value, "retry_after_s", 0) == (5 if fault == "429:5" else 0)
    assert len(google.vendor.requests) == 2
    assert isinstance(generator.poll(begun), Running)


@by_id([VEO, OMNI])
def test_oversized_poll_response_is_bad_output(google: Google, variant: Variant) -> None:
    google.vendor.faults["poll"] = ["huge"]

    state = polled(google, variant)

    assert isinstance(state, Refused)
    assert (state.failure, state.is_transient) == (FailureCode.GENERATOR_BAD_OUTPUT, False)
    assert state.is_billed


@by_id([VEO_BUCKET, OMNI_BUCKET, OMNI_KEY])
@pytest.mark.parametrize(("fault", "expected"), READS)
def test_failed_download_can_be_retried(
    google: Google, variant: Variant, fault: str, expected: Any, tmp_path: Path
) -> None:
    result = ready(google, variant)
    google.vendor.faults["fetch"] = [fault]
    generator = google.generator(variant, fault)

    with pytest.raises((GenerationUnavailable, ReadRefused)) as raised:
        generator.fetch(result, tmp_path / "failed", size_bytes_max=100)
    generator.fetch(result, tmp_path / "file", size_bytes_max=100)

    assert error_of(raised) == expected
    assert (tmp_path / "file").read_bytes() == b"small media"


@by_id([VEO, OMNI, OMNI_KEY])
def test_poll_in_a_redirect_loop_can_be_retried(google: Google, variant: Variant) -> None:
    generator = google.generator(variant)
    begun = start(generator, variant.kind)
    assert isinstance(begun, Operation)
    google.vendor.faults["poll"] = ["redirect"] * 50

    with pytest.raises(GenerationUnavailable):
        generator.poll(begun)


def test_download_from_an_invalid_uri_can_be_retried(google: Google, tmp_path: Path) -> None:
    with pytest.raises(GenerationUnavailable):
        google.generator(VEO_BUCKET).fetch(
            Ready("gs://outputs/\ud800"), tmp_path / "file", size_bytes_max=100
        )


def test_download_in_a_redirect_loop_can_be_retried(google: Google, tmp_path: Path) -> None:
    result = ready(google, OMNI_KEY)
    google.vendor.faults["fetch"] = ["redirect"] * 50

    with pytest.raises(GenerationUnavailable):
        google.generator(OMNI_KEY).fetch(result, tmp_path / "file", size_bytes_max=100)


@by_id(VIDEO_VARIANTS)
def test_download_stops_at_its_size_limit(google: Google, variant: Variant, tmp_path: Path) -> None:
    google.vendor.draw = lambda *_: bytes(3_000_000)
    result = ready(google, variant)

    with pytest.raises(BadOutput):
        google.generator(variant).fetch(result, tmp_path / "file", size_bytes_max=2_000_000)

    assert (tmp_path / "file").stat().st_size <= 2_000_000


def test_oversized_video_is_bad_output(google: Google, tmp_path: Path) -> None:
    google.vendor.ends = ["huge"]
    result = ready(google, VEO_BUCKET)

    with pytest.raises(BadOutput):
        google.generator(VEO_BUCKET).fetch(
            result, tmp_path / "file", size_bytes_max=VIDEO_SIZE_BYTES_MAX
        )


@by_id([VEO, OMNI, IMAGE])
def test_undecodable_media_are_bad_output(google: Google, variant: Variant, tmp_path: Path) -> None:
    google.vendor.inline = lambda _: "not base64: ä"
    generator = google.generator(variant)

    if variant is IMAGE:
        assert outcome(generator, Kind.IMAGE) == UNUSABLE
    else:
        with pytest.raises(BadOutput):
            generator.fetch(ready(google, variant), tmp_path / "file", size_bytes_max=100)


@pytest.mark.parametrize("end", ["text", "cut"])
@by_id([VEO_BUCKET, OMNI_KEY, IMAGE])
def test_incomplete_media_file_is_rejected_by_the_pipeline(
    google: Google, variant: Variant, end: str, tmp_path: Path
) -> None:
    google.vendor.draw = Vendor().draw
    google.vendor.ends = [end]
    generator, brief = google.generator(variant), a_brief(variant.kind, duration_s=None)
    begun = generator.start(brief, creation_id=ONE, attempt=1)
    google.clock.sleep(600)
    result = generator.poll(begun) if isinstance(begun, Operation) else begun
    assert isinstance(result, Ready)
    generator.fetch(result, tmp_path / "file", size_bytes_max=IMAGE_SIZE_BYTES_MAX)

    pipeline = ImagePipeline() if variant is IMAGE else VideoPipeline()
    with pytest.raises(BadOutput):
        pipeline.post_process(tmp_path / "file", tmp_path, brief=brief)


# The search for the output of an unanswered start


@by_id([VEO_BUCKET, OMNI_BUCKET])
def test_output_of_an_unanswered_start_is_found_in_its_folder(
    google: Google, variant: Variant, tmp_path: Path
) -> None:
    google.vendor.faults["start"] = ["lost"]
    generator = google.generator(variant)
    with pytest.raises(StartOutcomeUnknown):
        generator.start(a_brief(variant.kind), creation_id=ONE, attempt=11)

    early = generator.find_output(ONE, attempt=11)
    google.clock.sleep(600)
    others = [generator.find_output(ONE, attempt=1), generator.find_output(ONE, attempt=2)]
    found = generator.find_output(ONE, attempt=11)

    assert [early, *others] == [NotFound()] * 3
    assert isinstance(found, Ready)
    generator.fetch(found, tmp_path / "file", size_bytes_max=100)
    assert (tmp_path / "file").read_bytes() == b"small media"
    assert google.vendor.starts == 1


@by_id([VEO_BUCKET, OMNI_BUCKET])
@pytest.mark.parametrize(("fault", "expected"), [*READS, ("nonsense", UNAVAILABLE)])
def test_failed_search_can_be_retried(
    google: Google, variant: Variant, fault: str, expected: Any
) -> None:
    google.vendor.faults["find"] = [fault]
    generator = google.generator(variant, fault)

    with pytest.raises((GenerationUnavailable, ReadRefused)) as raised:
        generator.find_output(ONE, attempt=1)

    assert error_of(raised) == expected


@by_id([VEO, OMNI, OMNI_KEY, IMAGE, IMAGE_KEY])
def test_output_is_unknown_without_a_bucket(google: Google, variant: Variant) -> None:
    assert google.generator(variant).find_output(ONE, attempt=1) == CannotTell()
    assert google.vendor.requests == []
