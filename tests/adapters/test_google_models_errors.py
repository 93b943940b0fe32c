"""Errors of a start, by their codes."""

from typing import Any

import pytest
from google.api.error_reason_pb2 import ErrorReason

from shared.adapters.google_models.client import ApiKey, Connection
from shared.adapters.google_models.errors import (
    Code,
    code_of,
    is_access_error,
    operation_code,
    parse_error,
    request_code,
)
from shared.adapters.google_models.image_generator import GeminiImageGenerator
from shared.adapters.google_models.omni_generator import OmniVideoGenerator
from shared.domain.errors import GenerationRefused
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from tests.adapters.google_models import (
    BUSY,
    OURS,
    REJECTED,
    UNAVAILABLE,
    UNKNOWN,
    Google,
    by_id,
    outcome,
    start,
)
from tests.servers.google_models_variants import IMAGE, IMAGE_KEY, OMNI, OMNI_KEY, VEO, Variant
from tests.servers.google_models_vendor import SUSPENDED_KEY, WRONG_KEY

BLOCKED = (GenerationRefused, FailureCode.POLICY_VIOLATION)
EVERY_STYLE = [VEO, OMNI, OMNI_KEY, IMAGE, IMAGE_KEY]


@by_id(EVERY_STYLE)
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("400/INVALID_ARGUMENT", REJECTED),
        ("400/OUT_OF_RANGE", REJECTED),
        ("400/INVALID_ARGUMENT/API_KEY_INVALID", OURS),
        ("400/FAILED_PRECONDITION", OURS),
        ("400/FAILED_PRECONDITION/BILLING_DISABLED", OURS),
        ("401/UNAUTHENTICATED", OURS),
        ("403/PERMISSION_DENIED", OURS),
        ("403/PERMISSION_DENIED/CONSUMER_INVALID", OURS),
        ("404/NOT_FOUND", OURS),
        ("429/RESOURCE_EXHAUSTED", BUSY),
        ("429/RESOURCE_EXHAUSTED/RATE_LIMIT_EXCEEDED", BUSY),
        ("503/UNAVAILABLE", UNAVAILABLE),
        ("400/list", REJECTED),
        ("403/list", OURS),
        ("429/list", BUSY),
        ("503/list", UNAVAILABLE),
    ],
)
def test_error_of_the_vendor_proves_that_nothing_started(
    google: Google, variant: Variant, fault: str, expected: Any
) -> None:
    google.vendor.faults["start"] = [fault]

    assert outcome(google.generator(variant), variant.kind) == expected
    assert (len(google.vendor.requests), google.vendor.starts) == (1, 0)


@by_id([OMNI, OMNI_KEY])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("400/invalid_request", REJECTED),
        ("400/language", REJECTED),
        ("416/out_of_range", REJECTED),
        ("400/parameter_unknown", OURS),
        ("400/failed_precondition", OURS),
        ("401/authentication", OURS),
        ("402/payment_required", OURS),
        ("403/permission_denied", OURS),
        ("404/not_found", OURS),
        ("404/model_not_found", OURS),
        ("429/rate_limit_exceeded", BUSY),
        ("429/quota_exceeded", BUSY),
        ("429/too_many_requests", BUSY),
        ("503/service_unavailable", UNAVAILABLE),
        ("400/safety", BLOCKED),
        ("400/prohibited_content", BLOCKED),
        ("400/blocklist", BLOCKED),
        ("400/content_blocked", BLOCKED),
        ("409/already_exists", UNKNOWN),
        ("409/aborted", UNKNOWN),
        ("499/cancelled", UNKNOWN),
        ("500/api_error", UNKNOWN),
        ("504/deadline_exceeded", UNKNOWN),
        ("502/service_unavailable", UNKNOWN),
        ("500/safety", UNKNOWN),
        ("400/a_new_code", UNKNOWN),
    ],
)
def test_interactions_api_error_is_translated(
    google: Google, variant: Variant, fault: str, expected: Any
) -> None:
    google.vendor.faults["start"] = [fault]

    assert outcome(google.generator(variant), variant.kind) == expected
    assert len(google.vendor.requests) == 1


@by_id(EVERY_STYLE)
@pytest.mark.parametrize(
    "fault",
    [
        *(f"{status}/html" for status in (400, 401, 403, 404, 408, 429, 499, 500, 502, 503, 504)),
        *(f"{status}/none" for status in (403, 404, 429, 502, 503)),
        *(f"{status}/half" for status in (400, 429, 503)),
        *(f"{status}/number" for status in (400, 403, 429, 503)),
        *(f"{status}/other" for status in (400, 429, 503)),
        *(f"{status}/odd" for status in (400, 429, 503)),
        *("500/INTERNAL", "504/DEADLINE_EXCEEDED", "499/CANCELLED", "409/ABORTED", "500/UNKNOWN"),
        *("502/UNAVAILABLE", "500/UNAVAILABLE", "504/RESOURCE_EXHAUSTED", "400/UNAVAILABLE"),
        *("503/INVALID_ARGUMENT", "403/INVALID_ARGUMENT", "502/NOT_FOUND", "400/A_NEW_STATUS"),
    ],
)
def test_gateway_error_leaves_the_outcome_unknown(
    google: Google, variant: Variant, fault: str
) -> None:
    google.vendor.faults["start"] = [fault]

    assert outcome(google.generator(variant), variant.kind) == UNKNOWN
    assert len(google.vendor.requests) == 1


ACCESS_REASONS = sorted({*ErrorReason.DESCRIPTOR.values_by_name} - {"ERROR_REASON_UNSPECIFIED"})


@pytest.mark.parametrize("reason", ACCESS_REASONS)
def test_access_error_is_never_blamed_on_a_prompt(google: Google, reason: str) -> None:
    google.vendor.faults["start"] = [f"400/INVALID_ARGUMENT/{reason}"]

    assert outcome(google.generator(IMAGE), Kind.IMAGE) == OURS


@pytest.mark.parametrize("key", [WRONG_KEY, SUSPENDED_KEY])
def test_refused_key_is_internal_and_never_logged(
    google: Google, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Connection(access=ApiKey(key), base_url=google.server.url)
    image = GeminiImageGenerator(IMAGE_KEY.card, connection)
    video = OmniVideoGenerator(OMNI_KEY.card, connection)

    assert outcome(image, Kind.IMAGE) == outcome(video, Kind.VIDEO) == OURS
    assert not any(key in str(vars(record)) for record in caplog.records)


@by_id([OMNI_KEY, IMAGE_KEY])
def test_key_repeated_by_the_vendor_is_redacted(google: Google, variant: Variant) -> None:
    connection = Connection(access=ApiKey("a-secret-key"), base_url=google.server.url)
    adapter = OmniVideoGenerator if variant is OMNI_KEY else GeminiImageGenerator
    google.vendor.faults["start"] = ["400/key"]

    with pytest.raises(GenerationRefused) as raised:
        start(adapter(variant.card, connection), variant.kind)

    assert "api_key:***" in raised.value.reason
    assert "a-secret-key" not in repr(raised.value.__cause__)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (8, Code.RESOURCE_EXHAUSTED),
        (8.0, Code.RESOURCE_EXHAUSTED),
        ("8", Code.RESOURCE_EXHAUSTED),
        (" resource-exhausted ", Code.RESOURCE_EXHAUSTED),
        ("ResourceExhausted", Code.RESOURCE_EXHAUSTED),
        ("type.googleapis.com/google.rpc.Code.RESOURCE_EXHAUSTED", Code.RESOURCE_EXHAUSTED),
        ("https://ai.google.dev/errors/rate_limit_exceeded", Code.RESOURCE_EXHAUSTED),
        (429, Code.RESOURCE_EXHAUSTED),
        (599, Code.UNAVAILABLE),
        (600, None),
        (0, None),
        (17, None),
        (-1, None),
        (8.5, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        ("9" * 5000, None),
        (True, None),
        (None, None),
        ("", None),
        ([8], None),
    ],
)
def test_code_is_parsed_in_every_spelling(value: object, code: Code | None) -> None:
    assert code_of(value) is code
    assert operation_code({"code": value}) is code


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"reason": "API_KEY_INVALID"}, True),
        ({"reason": "BILLING_DISABLED", "domain": "aiplatform.googleapis.com"}, True),
        ({"reason": "A_NEW_WORD", "domain": "googleapis.com"}, True),
        ({"reason": "A_NEW_WORD", "domain": "aiplatform.googleapis.com"}, False),
        ({"fieldViolations": [{"field": "duration", "reason": "API_KEY_INVALID"}]}, False),
        ("odd", False),
    ],
)
def test_error_detail_identifies_access_errors(detail: object, *, expected: bool) -> None:
    assert is_access_error({"details": [None, detail]}) is expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "busy", "[]", "[[]]", "{}", "null", '"error"'),
        *('{"error": "busy"}', '{"error": []}', '{"error": {"code": NaN'),
        "[" * 100_000,
        '[1, {"error": {"status": "UNAVAILABLE"}}]',
    ],
)
def test_text_without_an_error_object_has_no_code(text: str) -> None:
    assert parse_error(text) is None
    assert request_code(parse_error(text)) is None
