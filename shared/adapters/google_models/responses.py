"""Meaning of the responses of Google's generators: one table for all of them.

    to a start                                         means
    -------------------------------------------------  -------------------------------------------
    no connection, no TLS, no access token             nothing was sent: unavailable
    the vendor's error (`errors.py`), under the HTTP status of its code:
      RESOURCE_EXHAUSTED, UNAVAILABLE                  unavailable, after Retry-After
      INVALID_ARGUMENT, OUT_OF_RANGE, language         refused: generator_rejected
      the same, about a key, a project or a location   refused: internal
      FAILED_PRECONDITION, NOT_FOUND, UNAUTHENTICATED,
      PERMISSION_DENIED, payment_required              refused: internal
      blocked: safety, prohibited_content, ..          refused: policy_violation
    more bytes than media may have                     refused: generator_bad_output, billed
    anything else: no or half a response, any other
    status, a status without that error                unknown: it may be running

    to a poll, a download or a search
    -------------------------------------------------  -------------------------------------------
    400, 403, 404                                      refused: repeating rarely helps
    more bytes than media may have                     bad output, billed
    anything else                                      unavailable: retry

A failed operation or interaction is transient or refused by its code (`refusal_of`).
`internal` is the operator's to fix: the job logs `generator_misconfigured`, which raises an alert.
The vendor's message becomes a `reason`, which only the log shows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from google.auth.exceptions import GoogleAuthError

from shared.adapters.google_models.client import (
    REASON_LENGTH_MAX,
    ConnectFailed,
    ErrorResponse,
    NoResponse,
    ResponseTooLarge,
)
from shared.adapters.google_models.errors import Code, is_access_error, operation_code, request_code
from shared.adapters.google_models.json_paths import get_path
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    ReadRefused,
    StartOutcomeUnknown,
    WorkError,
)
from shared.domain.failure import FailureCode
from shared.ports.generator import Refused

RETRY_AFTER_S_MAX = 3600
_HTTP_STATUSES = {
    Code.INVALID_ARGUMENT: {HTTPStatus.BAD_REQUEST},
    Code.PARAMETER_UNKNOWN: {HTTPStatus.BAD_REQUEST},
    Code.LANGUAGE: {HTTPStatus.BAD_REQUEST},
    Code.BLOCKED: {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY},
    Code.FAILED_PRECONDITION: {HTTPStatus.BAD_REQUEST},
    Code.OUT_OF_RANGE: {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE},
    Code.UNAUTHENTICATED: {HTTPStatus.UNAUTHORIZED},
    Code.PAYMENT_REQUIRED: {HTTPStatus.PAYMENT_REQUIRED},
    Code.PERMISSION_DENIED: {HTTPStatus.FORBIDDEN},
    Code.NOT_FOUND: {HTTPStatus.NOT_FOUND},
    Code.RESOURCE_EXHAUSTED: {HTTPStatus.TOO_MANY_REQUESTS},
    Code.UNAVAILABLE: {HTTPStatus.SERVICE_UNAVAILABLE},
}
"""Codes that prove that nothing was started, and the HTTP statuses that belong to each."""
_UNAVAILABLE = (
    *(Code.CANCELLED, Code.UNKNOWN, Code.DEADLINE_EXCEEDED),
    *(Code.ABORTED, Code.INTERNAL, Code.UNAVAILABLE),
)
_TRANSIENT = {
    Code.RESOURCE_EXHAUSTED: FailureCode.GENERATOR_RATE_LIMITED,
    **dict.fromkeys(_UNAVAILABLE, FailureCode.GENERATOR_UNAVAILABLE),
}
_PERMANENT = {
    Code.INVALID_ARGUMENT: FailureCode.GENERATOR_REJECTED,
    Code.OUT_OF_RANGE: FailureCode.GENERATOR_REJECTED,
    Code.LANGUAGE: FailureCode.GENERATOR_REJECTED,
    Code.DATA_LOSS: FailureCode.GENERATOR_BAD_OUTPUT,
}
"""Any other known code is the installation's fault: `INTERNAL`."""
_READ_REFUSED = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}


@contextmanager
def translated_start_errors() -> Iterator[None]:
    """Raise `GenerationRefused`, `GenerationUnavailable` or `StartOutcomeUnknown` for a paid start."""
    try:
        yield
    except (ConnectFailed, GoogleAuthError) as error:
        raise GenerationUnavailable(reason=repr(error)) from error
    except ErrorResponse as error:
        raise _start_error(error) from error
    except (ResponseTooLarge, BadOutput) as error:
        failure = FailureCode.GENERATOR_BAD_OUTPUT
        raise GenerationRefused(failure=failure, reason=str(error), is_billed=True) from error
    except (NoResponse, ValueError, RecursionError) as error:
        raise StartOutcomeUnknown(reason=repr(error)) from error


@contextmanager
def translated_read_errors() -> Iterator[None]:
    """Raise `GenerationUnavailable`, `ReadRefused`, or `BadOutput` for a too large response."""
    try:
        yield
    except ResponseTooLarge as error:
        raise BadOutput(reason=str(error)) from error
    except ErrorResponse as error:
        if error.status in _READ_REFUSED:
            raise ReadRefused(reason=str(error)) from error
        raise _unavailable(error) from error
    except (WorkError, OSError):  # OSError: the local disk
        raise
    except Exception as error:  # the SDK raises two error trees, partly private
        raise GenerationUnavailable(reason=repr(error)) from error


def _unavailable(response: ErrorResponse) -> GenerationUnavailable:
    is_rate_limited = response.status == HTTPStatus.TOO_MANY_REQUESTS
    return GenerationUnavailable(
        failure=_TRANSIENT[Code.RESOURCE_EXHAUSTED if is_rate_limited else Code.UNAVAILABLE],
        retry_after_s=retry_after_s(response.retry_after),
        reason=str(response),
    )


def _start_error(
    response: ErrorResponse,
) -> GenerationRefused | GenerationUnavailable | StartOutcomeUnknown:
    """Translate an error response: a gateway can send any status, but not the vendor's error."""
    code, number = request_code(response.error), get_path(response.error, "code")
    is_consistent = isinstance(number, str) or number in (None, response.status)
    if code is None or response.status not in _HTTP_STATUSES.get(code, ()) or not is_consistent:
        return StartOutcomeUnknown(reason=str(response))
    if code in _TRANSIENT:
        return _unavailable(response)
    failure = _permanent(code, response.error, blocked=FailureCode.POLICY_VIOLATION)
    return GenerationRefused(failure=failure, reason=str(response))


def retry_after_s(header: str | None) -> float:
    """Parse a Retry-After header (RFC 9110); return 0 to 3600 seconds."""
    if header is None:
        return 0
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0
    return min(seconds, RETRY_AFTER_S_MAX) if seconds > 0 else 0


def refusal_of(*errors: object) -> Refused:
    """Return what the errors of an operation or an interaction mean; the first known code decides."""
    known = [(code, error) for error in errors if (code := operation_code(error))]
    if not known:
        return no_media(list(errors))
    code, error = known[0]
    reason = str(error)[:REASON_LENGTH_MAX]
    if code in _TRANSIENT:
        return Refused(_TRANSIENT[code], is_transient=True, reason=reason)
    failure = _permanent(code, error, blocked=FailureCode.SAFETY_FILTER)
    return Refused(failure, reason=reason)


def _permanent(code: Code, error: object, *, blocked: FailureCode) -> FailureCode:
    if code is Code.BLOCKED:
        return blocked
    by_code = {} if is_access_error(error) else _PERMANENT
    return by_code.get(code, FailureCode.INTERNAL)


def no_media(response: object, *, is_billed: bool = False) -> Refused:
    """Return the refusal for a response without usable media; the response goes to the log."""
    reason = str(response)[:REASON_LENGTH_MAX]
    return Refused(FailureCode.GENERATOR_BAD_OUTPUT, reason=reason, is_billed=is_billed)
