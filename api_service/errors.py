"""Errors of HTTP itself, the table of statuses, and the body of an error (RFC 9457).

Each problem also has the older clients' fields: `success: false`, `error` (the sentence), and
`refunded` and `details` where money moved.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.responses import JSONResponse, Response

from shared.domain import errors
from shared.domain.errors import PhoenixError, RequestError, Unavailable, WrongField

PROBLEM_JSON = "application/problem+json"
ERRORS_MAX = 10  # how many wrong fields one response names


class MalformedRequest(RequestError):
    code = "malformed_request"
    sentence = "The request is not valid HTTP."


class HeadTooLarge(RequestError):
    code = "headers_too_large"
    sentence = "The headers are larger than {limit_bytes} bytes or more than {limit_lines} lines."
    limit_bytes: int
    limit_lines: int


class RequestTimeout(RequestError):
    code = "request_timeout"
    sentence = "The request did not arrive in time."


class WrongJson(RequestError):
    code = "invalid_json"
    sentence = "The request body is not valid: {reason}."
    reason: str


class BodyTooLarge(RequestError):
    code = "body_too_large"
    sentence = "The body is larger than {limit_bytes} bytes."
    limit_bytes: int


class NotJson(RequestError):
    code = "unsupported_media_type"
    sentence = "Send the body as application/json."


class PageNotFound(RequestError):
    code = "not_found"
    sentence = "There is nothing at this address."


class MethodNotAllowed(RequestError):
    code = "method_not_allowed"
    sentence = "This address does not support that method."


class TooManyStreams(Unavailable):
    code = "too_many_streams"
    sentence = "Too many live connections. Poll instead."
    retry_after_s: int = 30
    limit: int


class TooManyOwnStreams(TooManyStreams):
    code = "too_many_own_streams"
    sentence = "Only {limit} live connections per account are allowed. Poll instead."


class TooManyDownloads(Unavailable):
    code = "too_many_downloads"
    sentence = "Too many downloads are running. Try again in a minute."
    retry_after_s: int = 60
    limit: int


class TooManyOwnDownloads(TooManyDownloads):
    code = "too_many_own_downloads"
    sentence = "Only {limit} downloads per account can run at once. Wait until one finishes."


class TooManyConnections(Unavailable):
    code = "too_many_connections"
    sentence = "Too many connections. Try again in a few seconds."


_ERRORS_BY_STATUS: Mapping[HTTPStatus, tuple[type[RequestError], ...]] = {
    HTTPStatus.BAD_REQUEST: (MalformedRequest, WrongField, WrongJson),
    HTTPStatus.UNAUTHORIZED: (errors.Unauthenticated,),
    HTTPStatus.PAYMENT_REQUIRED: (errors.InsufficientTokens,),
    HTTPStatus.FORBIDDEN: (
        errors.AccountDisabled,
        errors.WrongServiceAccount,
        errors.NotAnOperator,
    ),
    HTTPStatus.NOT_FOUND: (
        errors.CreationNotFound,
        errors.AccountNotFound,
        errors.DownloadNotFound,
        PageNotFound,
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: (MethodNotAllowed,),
    HTTPStatus.REQUEST_TIMEOUT: (RequestTimeout,),
    HTTPStatus.CONFLICT: (
        errors.AlreadyStarted,
        errors.IllegalTransition,
        errors.ReferenceReused,
        errors.MediaMissing,
        errors.TooManyCollaborators,
    ),
    HTTPStatus.GONE: (errors.CreationGone,),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (BodyTooLarge, errors.ArchiveTooLarge),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (NotJson,),
    HTTPStatus.UNPROCESSABLE_ENTITY: (errors.KeyReused,),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: (HeadTooLarge,),
    HTTPStatus.TOO_MANY_REQUESTS: (
        errors.TooManyUnfinished,
        errors.TooManyOpened,
        errors.TooManyFree,
        TooManyOwnStreams,
        TooManyOwnDownloads,
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: (
        errors.Paused,
        errors.SpendingLimit,
        errors.QueueFull,
        errors.QueueUnavailable,
        errors.NotQueued,
        errors.WithdrawalRefused,
        errors.StoreUnavailable,
        errors.StoreContention,
        errors.IdentityUnavailable,
        errors.MediaUnavailable,
        errors.MediaRefused,
        errors.StorageFull,
        TooManyStreams,
        TooManyDownloads,
        TooManyConnections,
        errors.OutcomeUnknown,
    ),
}
STATUS_OF: Mapping[type[PhoenixError], HTTPStatus] = {
    error: status for status, group in _ERRORS_BY_STATUS.items() for error in group
}

_INTERNAL_FACTS = frozenset({"is_damage", "reason", "retry_after_s", "others"})
_HEADER_FIELDS = frozenset({"Host", "Idempotency-Key"})
"""Reported without `errors`, which lists fields of a body or a query."""


class Problem(BaseModel):
    """RFC 9457, with a stable `code` and the older clients' fields; more fields by code."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int | str = Field(
        description="The HTTP status, but with `illegal_transition` the creation's status: "
        "older clients read it there"
    )
    code: str
    detail: str
    success: Literal[False]
    error: str
    errors: list[dict[Literal["field", "reason"], str]] = Field(
        [],
        description="With `invalid_field`: every wrong field, at most 10; `error` names the first",
    )


def problem_response(error: PhoenixError) -> Response:
    """Return the response for an error; one that is not in the table is a 500 without detail."""
    status = status_of(type(error))
    headers = {"Cache-Control": "no-store"}
    if retry_after_s := getattr(error, "retry_after_s", None):
        headers["Retry-After"] = str(retry_after_s)
    if isinstance(error, RequestTimeout):
        headers["Connection"] = "close"  # the client may still send the rest of the body
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(problem_body(error), status, headers, media_type=PROBLEM_JSON)


def problem_body(error: PhoenixError) -> dict[str, object]:
    """Return the problem's fields: the standard ones and the error's own facts."""
    status, text = status_of(type(error)), error_text(error)
    body: dict[str, object] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "code": error.code if isinstance(error, RequestError) else PhoenixError.code,
        "detail": text,
        "success": False,
        "error": text,
    }
    facts = {
        to_camel(name): value
        for name, value in vars(error).items()
        if isinstance(error, RequestError) and name not in _INTERNAL_FACTS and value is not None
    }
    if isinstance(error, WrongField) and error.field not in _HEADER_FIELDS:
        faults = dict.fromkeys((each.field, each.reason) for each in (error, *error.others))
        body["errors"] = [
            {"field": field, "reason": reason} for field, reason in [*faults][:ERRORS_MAX]
        ]
    if "refunded" in facts:
        body["details"] = facts
    return body | facts


def error_text(error: PhoenixError) -> str:
    """Return the sentence for the client; an internal error keeps its facts to itself."""
    return str(error) if isinstance(error, RequestError) else PhoenixError.sentence


def status_of(error: type[PhoenixError]) -> HTTPStatus:
    return STATUS_OF.get(error, HTTPStatus.INTERNAL_SERVER_ERROR)
