"""Error codes of Google's generators; message texts are never interpreted.

An error is `{"error": {"code": 400, "status": "INVALID_ARGUMENT", ..}}`, a list of one such object,
or the Interactions API's `{"error": {"code": "invalid_request", ..}}`. An operation's error holds a
google.rpc.Code, an HTTP status or a name.
https://cloud.google.com/apis/design/errors and https://ai.google.dev/gemini-api/docs/api-errors
"""

import json
import re
from enum import StrEnum
from http import HTTPStatus

from shared.adapters.google_models.json_paths import get_list, get_path

HTTP_STATUS_END = 600
LOWEST_HTTP_STATUS = 100


class Code(StrEnum):
    """google.rpc.Code, and the codes of the Interactions API."""

    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    INVALID_ARGUMENT = "invalid_argument"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    PERMISSION_DENIED = "permission_denied"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    FAILED_PRECONDITION = "failed_precondition"
    ABORTED = "aborted"
    OUT_OF_RANGE = "out_of_range"
    UNIMPLEMENTED = "unimplemented"
    INTERNAL = "internal"
    UNAVAILABLE = "unavailable"
    DATA_LOSS = "data_loss"
    UNAUTHENTICATED = "unauthenticated"
    PAYMENT_REQUIRED = "payment_required"
    PARAMETER_UNKNOWN = "parameter_unknown"
    LANGUAGE = "language"
    BLOCKED = "content_blocked"


_BY_NUMBER = dict(enumerate(list(Code)[:16], start=1))
"""https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto"""
_BY_HTTP_STATUS = {
    HTTPStatus.BAD_REQUEST: Code.INVALID_ARGUMENT,
    HTTPStatus.UNAUTHORIZED: Code.UNAUTHENTICATED,
    HTTPStatus.PAYMENT_REQUIRED: Code.PAYMENT_REQUIRED,
    HTTPStatus.FORBIDDEN: Code.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: Code.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT: Code.DEADLINE_EXCEEDED,
    HTTPStatus.CONFLICT: Code.ABORTED,
    HTTPStatus.GONE: Code.NOT_FOUND,
    HTTPStatus.PRECONDITION_FAILED: Code.FAILED_PRECONDITION,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: Code.OUT_OF_RANGE,
    HTTPStatus.UNPROCESSABLE_ENTITY: Code.INVALID_ARGUMENT,
    HTTPStatus.TOO_MANY_REQUESTS: Code.RESOURCE_EXHAUSTED,
    499: Code.CANCELLED,
}
_ALIASES = {
    Code.INVALID_ARGUMENT: ("invalid_request", "bad_request"),
    Code.UNAUTHENTICATED: ("authentication", "unauthorized"),
    Code.PERMISSION_DENIED: ("forbidden",),
    Code.NOT_FOUND: ("model_not_found",),
    Code.RESOURCE_EXHAUSTED: ("rate_limit_exceeded", "quota_exceeded", "too_many_requests"),
    Code.CANCELLED: ("canceled",),
    Code.INTERNAL: ("api_error",),
    Code.UNAVAILABLE: ("service_unavailable",),
    Code.BLOCKED: (
        *("safety", "prohibited_content", "blocklist", "spii", "recitation"),
        *("image_safety", "image_prohibited_content", "image_recitation"),
    ),
}
_NAMES = {code: (code, *_ALIASES.get(code, ())) for code in Code}
_BY_NAME = {name.replace("_", ""): code for code, names in _NAMES.items() for name in names}
_ACCESS_DOMAIN = "googleapis.com"
"""Each reason of this domain (google.api.ErrorReason) concerns a key, a project or its quota."""
_ACCESS_PREFIXES = (
    *("API_KEY_", "BILLING_", "SERVICE_", "CONSUMER_", "ACCESS_TOKEN_", "ACCOUNT_", "CREDENTIALS_"),
    *("RESOURCE_PROJECT_", "USER_PROJECT_", "IAM_", "ORG_", "LOCATION_", "SECURITY_POLICY_"),
)


def parse_error(text: str) -> object:
    """Return the error object of a response, or None if it is not the vendor's own."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    error = get_path(body, "error") or get_path(body, 0, "error")
    return error if isinstance(error, dict) else None


def request_code(error: object) -> Code | None:
    """Return the code of a failed request by its name; a number alone may be a gateway's."""
    names = [get_path(error, "status"), get_path(error, "code")]
    named = [name for name in names if isinstance(name, str) and not name.strip().isdecimal()]
    return code_of(named[0]) if named else None


def operation_code(error: object) -> Code | None:
    return code_of(get_path(error, "code")) or code_of(get_path(error, "status"))


def code_of(value: object) -> Code | None:
    """Return the code for a number, an HTTP status or a name, also at the end of a URL."""
    if isinstance(value, str):
        word = re.split(r"[/.:]", value.strip())[-1]
        if not word.isdecimal():
            return _BY_NAME.get(re.sub(r"[_-]", "", word).lower())
        value = float(word)
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
        return None
    if value in range(HTTPStatus.INTERNAL_SERVER_ERROR, HTTP_STATUS_END):
        return Code.UNAVAILABLE
    return (_BY_HTTP_STATUS if value >= LOWEST_HTTP_STATUS else _BY_NUMBER).get(int(value))


def reasons(error: object) -> list[str]:
    found = [get_path(detail, "reason") for detail in get_list(error, "details")]
    return [str(reason) for reason in found if reason]


def is_access_error(error: object) -> bool:
    """Return whether an error concerns the installation's key, project, billing or location."""
    return any(
        get_path(detail, "domain") == _ACCESS_DOMAIN
        or str(get_path(detail, "reason")).upper().startswith(_ACCESS_PREFIXES)
        for detail in get_list(error, "details")
        if get_path(detail, "reason")
    )
