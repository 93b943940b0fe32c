"""Domain errors as HTTP answers: one table of statuses, one shape (RFC 9457 problem+json).

Each problem also has the older clients' fields: `success: false`, `error` (a sentence for people),
and `refunded` and `details` where money moved.
"""

from collections.abc import Mapping
from http import HTTPStatus

from pydantic.alias_generators import to_camel
from starlette.responses import JSONResponse, Response

from shared.domain.errors import (
    AccountDisabled,
    AccountNotFound,
    BodyTooLarge,
    CreationGone,
    CreationNotFound,
    HeadTooLarge,
    IdentityUnavailable,
    IllegalTransition,
    InsufficientTokens,
    KeyReused,
    MalformedRequest,
    MediaMissing,
    MediaRefused,
    MediaUnavailable,
    MethodNotAllowed,
    NotJson,
    NotQueued,
    OutcomeUnknown,
    PageNotFound,
    Paused,
    PhoenixError,
    QueueFull,
    QueueUnavailable,
    ReferenceReused,
    RequestError,
    RequestTimeout,
    SpendingLimit,
    StorageFull,
    StoreContention,
    StoreUnavailable,
    TooManyConnections,
    TooManyFree,
    TooManyOpened,
    TooManyOwnStreams,
    TooManyStreams,
    TooManyUnfinished,
    Unauthenticated,
    WithdrawalRefused,
    WrongField,
    WrongJson,
    WrongServiceAccount,
)

PROBLEM_JSON = "application/problem+json"

STATUS_OF: Mapping[type[PhoenixError], HTTPStatus] = {
    MalformedRequest: HTTPStatus.BAD_REQUEST,
    WrongField: HTTPStatus.BAD_REQUEST,
    WrongJson: HTTPStatus.BAD_REQUEST,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    InsufficientTokens: HTTPStatus.PAYMENT_REQUIRED,
    AccountDisabled: HTTPStatus.FORBIDDEN,
    WrongServiceAccount: HTTPStatus.FORBIDDEN,
    CreationNotFound: HTTPStatus.NOT_FOUND,
    AccountNotFound: HTTPStatus.NOT_FOUND,
    PageNotFound: HTTPStatus.NOT_FOUND,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    RequestTimeout: HTTPStatus.REQUEST_TIMEOUT,
    IllegalTransition: HTTPStatus.CONFLICT,
    ReferenceReused: HTTPStatus.CONFLICT,
    MediaMissing: HTTPStatus.CONFLICT,
    CreationGone: HTTPStatus.GONE,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NotJson: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    KeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    HeadTooLarge: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    TooManyUnfinished: HTTPStatus.TOO_MANY_REQUESTS,
    TooManyOpened: HTTPStatus.TOO_MANY_REQUESTS,
    TooManyFree: HTTPStatus.TOO_MANY_REQUESTS,
    Paused: HTTPStatus.SERVICE_UNAVAILABLE,
    SpendingLimit: HTTPStatus.SERVICE_UNAVAILABLE,
    QueueFull: HTTPStatus.SERVICE_UNAVAILABLE,
    QueueUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    NotQueued: HTTPStatus.SERVICE_UNAVAILABLE,
    WithdrawalRefused: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreContention: HTTPStatus.SERVICE_UNAVAILABLE,
    IdentityUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    MediaUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    MediaRefused: HTTPStatus.SERVICE_UNAVAILABLE,
    StorageFull: HTTPStatus.SERVICE_UNAVAILABLE,
    TooManyStreams: HTTPStatus.SERVICE_UNAVAILABLE,
    TooManyOwnStreams: HTTPStatus.TOO_MANY_REQUESTS,
    TooManyConnections: HTTPStatus.SERVICE_UNAVAILABLE,
    OutcomeUnknown: HTTPStatus.SERVICE_UNAVAILABLE,
}

_NOT_SHOWN = frozenset({"reason", "retry_after_s", "others"})
_HEADERS = frozenset({"Host", "Idempotency-Key"})
"""Named like fields, but alone: `errors` lists the fields of a body or a query."""
ERRORS_MAX = 10
"""How many wrong fields one answer names."""


def problem(error: PhoenixError) -> Response:
    """Return the answer for an error; one that is not in the table is a 500 without detail."""
    status = status_of(type(error))
    headers = {"Cache-Control": "no-store"}
    if retry_after_s := getattr(error, "retry_after_s", None):
        headers["Retry-After"] = str(retry_after_s)
    if isinstance(error, RequestTimeout):
        headers["Connection"] = "close"  # the rest of the body may still come
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(problem_body(error), status, headers, media_type=PROBLEM_JSON)


def problem_body(error: PhoenixError) -> dict[str, object]:
    """Return the problem's fields: the error's own facts beside the standard ones."""
    status = status_of(type(error))
    sentence = str(error) if isinstance(error, RequestError) else PhoenixError.sentence
    body: dict[str, object] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "code": error.code if isinstance(error, RequestError) else PhoenixError.code,
        "detail": sentence,
        "success": False,
        "error": sentence,
    }
    facts = {
        to_camel(name): value
        for name, value in vars(error).items()
        if isinstance(error, RequestError) and name not in _NOT_SHOWN and value is not None
    }
    if isinstance(error, WrongField) and error.field not in _HEADERS:
        named = dict.fromkeys((each.field, each.reason) for each in (error, *error.others))
        body["errors"] = [
            {"field": field, "reason": reason} for field, reason in [*named][:ERRORS_MAX]
        ]
    if "refunded" in facts:
        body["details"] = facts
    return body | facts


def status_of(error: type[PhoenixError]) -> HTTPStatus:
    """Return the status of an error."""
    return STATUS_OF.get(error, HTTPStatus.INTERNAL_SERVER_ERROR)
