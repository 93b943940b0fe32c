"""What OpenAPI says beyond what FastAPI finds out: errors with examples, bodies, parameters.

A body is read by a dependency (see `bodies.py`), so its schema is written here; the API's tests
send what these schemas allow and what they do not.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api_service.errors import PROBLEM_JSON, problem_body, status_of
from api_service.limits import BODY_BYTES_MAX
from api_service.views import Problem
from shared.domain.account import RESERVED_USERNAMES, USERNAME
from shared.domain.brief import (
    ASPECT_RATIOS,
    BIDI_CONTROLS,
    CAPTION_LENGTH_MAX,
    DURATIONS_S,
    ORIENTATIONS,
    PROMPT_LENGTH_MAX,
)
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
from shared.domain.kind import Kind
from shared.domain.ledger import GRANT_TOKENS_MAX, REFERENCE_LENGTH_MAX

SAMPLE_ID = "mfrggzdfmztwq2lknnwg23tpoa"
SIGNED_IN = (Unauthenticated(), AccountDisabled(), IdentityUnavailable(), StoreUnavailable())
WRITES = (StoreContention(), OutcomeUnknown(creation_id=SAMPLE_ID))
PAGED = (
    WrongField(field="limit", reason="use 1 to 50"),
    WrongField(field="cursor", reason="use a nextCursor of this list"),
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
    """Return the responses of a route that can end in these errors, each its own example."""
    responses: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        status = status_of(type(error))
        content: dict[str, Any] = {"schema": {"$ref": _PROBLEM}, "examples": {}}
        response = responses.setdefault(
            int(status), {"description": status.phrase, "content": {PROBLEM_JSON: content}}
        )
        examples = response["content"][PROBLEM_JSON]["examples"]
        examples[error.code] = {"value": problem_body(error)}
    return responses


def request_body(schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """Return what OpenAPI says of a body that a dependency reads."""
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": required, "content": content}}


def described(api: FastAPI) -> dict[str, Any]:
    """Return the API's description: every error has our shape, none has FastAPI's own."""
    if api.openapi_schema is None:
        api.openapi_schema = _described(api)
    return api.openapi_schema


def _described(api: FastAPI) -> dict[str, Any]:
    description = get_openapi(
        title=api.title, version=api.version, description=api.description, routes=api.routes
    )
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


def _object(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON Schema's own words)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
        **more,
    }


def _opens(kind: Kind, *, type_required: bool) -> dict[str, Any]:
    """Return the schema of a body that opens a creation of one kind."""
    properties = {
        "type": {"const": str(kind)} if type_required else {"enum": [str(kind), None]},
        "prompt": _text("what to make", length_max=PROMPT_LENGTH_MAX),
        "aspectRatio": {"enum": [*map(str, ASPECT_RATIOS[kind]), None]},
    }
    required = ["type", "prompt"] if type_required else ["prompt"]
    if kind is Kind.IMAGE:
        return _object(properties, required)
    properties["orientation"] = {"enum": [*ORIENTATIONS, None]}
    properties["duration"] = {"enum": [*DURATIONS_S, None], "description": "seconds"}
    agreeing = [
        {"properties": {"orientation": {"const": name}, "aspectRatio": {"enum": [ratio, None]}}}
        for name, ratio in ORIENTATIONS.items()
    ]
    return _object(
        properties, required, anyOf=[{"properties": {"orientation": {"type": "null"}}}, *agreeing]
    )


def _text(description: str, *, length_max: int) -> dict[str, Any]:
    return {
        "type": "string",
        "description": f"{description}: 1 to {length_max} characters after trimming; CRLF becomes "
        "LF, and controls of the writing direction are removed",
        "maxLength": length_max,
        "pattern": rf"^{_TEXT}*[^\s{_REFUSED}{BIDI_CONTROLS}]{_TEXT}*$",
    }


_REFUSED = r"\u0000-\u0008\u000b-\u001f\u007f-\u009f"
_TEXT = rf"(?:[^{_REFUSED}]|\r\n)"
_PROBLEM = "#/components/schemas/Problem"
OPEN_IMAGE = _opens(Kind.IMAGE, type_required=False)
OPEN_VIDEO = _opens(Kind.VIDEO, type_required=False)
OPEN_CREATION = {
    "oneOf": [_opens(kind, type_required=True) for kind in Kind],
    "examples": [
        {"type": "image", "prompt": "A fox in the snow", "aspectRatio": "1:1"},
        {"type": "video", "prompt": "A fox runs", "orientation": "portrait", "duration": 6},
    ],
}
PUBLISH = _object(
    {
        "caption": {
            "type": ["string", "null"],
            "maxLength": CAPTION_LENGTH_MAX,
            "pattern": rf"^{_TEXT}*$",
            "examples": ["First snow!"],
        }
    },
    [],
)
RETRY = _object({"debits": {"type": ["integer", "null"], "minimum": 1}}, [])
NOTHING = _object({}, [])
SIGN_IN = _object(
    {
        "username": {
            "type": "string",
            "pattern": f"^{USERNAME.pattern}$",
            "not": {"enum": sorted(RESERVED_USERNAMES)},
            "examples": ["ada"],
        }
    },
    ["username"],
)
GRANT = _object(
    {
        "userId": {"type": "string", "examples": ["ada"]},
        "amount": {"type": "integer", "minimum": 1, "maximum": GRANT_TOKENS_MAX},
        "reference": {"type": "string", "minLength": 1, "maxLength": REFERENCE_LENGTH_MAX},
    },
    ["userId", "amount", "reference"],
)
