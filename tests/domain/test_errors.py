from collections.abc import Iterator

import pytest

from api_service.errors import STATUS_OF, problem_body
from shared.domain.errors import (
    PhoenixError,
    RequestError,
    StoreUnavailable,
    Unavailable,
    WorkError,
    WrongField,
)


def leaves(error: type[PhoenixError]) -> Iterator[type[PhoenixError]]:
    children = error.__subclasses__()
    if not children or "sentence" in vars(error):
        yield error
    for child in children:
        yield from leaves(child)


REQUEST_ERRORS = sorted(set(leaves(RequestError)), key=lambda error: error.__name__)


def test_every_error_that_can_be_answered_has_a_status() -> None:
    assert set(REQUEST_ERRORS) == set(STATUS_OF)


def test_codes_are_unique() -> None:
    codes = [error.code for error in REQUEST_ERRORS if error.__name__ != "NotQueued"]

    assert len(set(codes)) == len(codes)
    assert "internal" not in codes


@pytest.mark.parametrize("error", [*REQUEST_ERRORS, *leaves(WorkError)])
def test_every_error_formats_its_sentence_from_its_fields(error: type[PhoenixError]) -> None:
    facts = dict.fromkeys(getattr(error, "__dataclass_fields__", {}), "7")

    assert "{" not in str(error(**facts))


def test_vendor_text_is_in_no_response() -> None:
    body = problem_body(StoreUnavailable(reason="password=hunter2"))

    assert "hunter2" not in str(body)
    assert set(body) == {"type", "title", "status", "code", "detail", "success", "error"}


def test_error_without_a_status_is_answered_as_a_bug() -> None:
    body = problem_body(PhoenixError())

    assert (body["status"], body["code"]) == (500, "internal")
    assert issubclass(StoreUnavailable, Unavailable)


def test_wrong_field_names_field_and_reason() -> None:
    assert str(WrongField(field="prompt", reason="it is blank")) == "prompt: it is blank."
