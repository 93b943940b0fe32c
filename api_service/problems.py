"""What OpenAPI says of the errors that routes have in common, each with itself as the example."""

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from api_service.errors import PROBLEM_JSON, problem_body, status_of
from api_service.limits import BODY_BYTES_MAX
from api_service.views import Problem
from shared.domain.errors import (
    AccountDisabled,
    BodyTooLarge,
    IdentityUnavailable,
    NotJson,
    OutcomeUnknown,
    PhoenixError,
    StoreContention,
    StoreUnavailable,
    Unauthenticated,
    WrongField,
    WrongJson,
)

SAMPLE_ID = "mfrggzdfmztwq2lknnwg23tpoa"
SIGNED_IN = (Unauthenticated(), AccountDisabled(), IdentityUnavailable(), StoreUnavailable())
WRITES = (StoreContention(), OutcomeUnknown(creation_id=SAMPLE_ID))
PAGED = (
    WrongField(field="limit", reason="use 1 to 50"),
    WrongField(field="cursor", reason="it is not one of this list"),
)


def has_body(field: str, reason: str) -> tuple[PhoenixError, ...]:
    """Return what can be wrong with a body, with one wrong field as the example."""
    return (
        WrongField(field=field, reason=reason),
        WrongJson(reason="it cannot be decoded"),
        BodyTooLarge(limit_bytes=BODY_BYTES_MAX),
        NotJson(),
    )


def problems(*errors: PhoenixError) -> dict[int | str, dict[str, Any]]:
    """Return the responses of a route that can end in these errors."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        status = int(status_of(type(error)))
        described = {"description": HTTPStatus(status).phrase, "model": Problem}
        response = responses.setdefault(status, {**described, "content": {PROBLEM_JSON: {}}})
        examples = response["content"][PROBLEM_JSON].setdefault("examples", {})
        examples[error.code] = {"value": problem_body(error)}
    return responses


def request_body(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """Return what OpenAPI says of a body that a dependency reads."""
    schema = model.model_json_schema()
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": required, "content": content}}
