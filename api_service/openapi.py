"""Parts of the OpenAPI description that FastAPI cannot derive: errors with examples, and bodies."""

from typing import Any

from fastapi import FastAPI

from api_service.errors import (
    PROBLEM_JSON,
    BodyTooLarge,
    NotJson,
    Problem,
    WrongJson,
    problem_body,
    status_of,
)
from api_service.json_body import Body
from api_service.middleware import BODY_BYTES_MAX
from shared.domain import errors
from shared.domain.errors import PhoenixError, WrongField

SAMPLE_ID = "mfrggzdfmztwq2lknnwg23tpoa"
SIGNED_IN = (
    errors.Unauthenticated(),
    errors.AccountDisabled(),
    errors.IdentityUnavailable(),
    errors.StoreUnavailable(),
)
OPERATOR_ERRORS = (*SIGNED_IN, errors.NotAnOperator())
WRITES = (errors.StoreContention(), errors.OutcomeUnknown(creation_id=SAMPLE_ID))
PAGED = (
    WrongField(field="limit", reason="use 1 to 50"),
    WrongField(field="cursor", reason="use a nextCursor of this list"),
)


def body_errors(field: str, reason: str) -> tuple[PhoenixError, ...]:
    """Return the errors of a route with a body; `field` is the example of a wrong one."""
    return (
        WrongField(field=field, reason=reason),
        WrongJson(reason="it cannot be decoded"),
        BodyTooLarge(limit_bytes=BODY_BYTES_MAX),
        NotJson(),
    )


def problems(*examples: PhoenixError) -> dict[int | str, dict[str, Any]]:
    """Return the responses of a route that can end in these errors, each its own example."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in examples:
        status = status_of(type(error))
        content: dict[str, Any] = {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "examples": {},
        }
        response = responses.setdefault(
            int(status), {"description": status.phrase, "content": {PROBLEM_JSON: content}}
        )
        shown = response["content"][PROBLEM_JSON]["examples"]
        shown[error.code] = {"value": problem_body(error)}
    return responses


def request_body(model: type[Body], *, required: bool = True) -> dict[str, Any]:
    """Describe a body that a dependency reads (`json_body`)."""
    content = {"application/json": {"schema": model.openapi_schema()}}
    return {"requestBody": {"required": required, "content": content}}


class DescribedApi(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """Return the description, in which every error is a `Problem` instead of FastAPI's own."""
        if self.openapi_schema is not None:
            return self.openapi_schema
        description = super().openapi()
        for operations in description["paths"].values():
            for operation in operations.values():
                responses = operation["responses"]
                if "application/json" in responses.get("422", {}).get("content", {}):
                    del responses["422"]
        schemas = description["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["Problem"] = Problem.model_json_schema()
        return description
