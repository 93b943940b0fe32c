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

    a failed operation or interaction                  (`refusal_of`)
    -------------------------------------------------  -------------------------------------------
    RESOURCE_EXHAUSTED                                 transient: generator_rate_limited
    CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, ABORTED,
    INTERNAL, UNAVAILABLE                              transient: generator_unavailable
    INVALID_ARGUMENT, OUT_OF_RANGE, language           refused: generator_rejected
    NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED,
    FAILED_PRECONDITION, UNIMPLEMENTED,
    UNAUTHENTICATED, payment_required                  refused: internal
    blocked, filtered                                  refused: safety_filter
    any other error, or no media                       refused: generator_bad_output

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
_TRANSIENT = {
    Code.RESOURCE_EXHAUSTED: FailureCode.GENERATOR_RATE_LIMITED,
    Code.CANCELLED: FailureCode.GENERATOR_UNAVAILABLE,
    Code.UNKNOWN: FailureCode.GENERATOR_UNAVAILABLE,
    Code.DEADLINE_EXCEEDED: FailureCode.GENERATOR_UNAVAILABLE,
    Code.ABORTED: FailureCode.GENERATOR_UNAVAILABLE,
    Code.INTERNAL: FailureCode.GENERATOR_UNAVAILABLE,
    Code.UNAVAILABLE: FailureCode.GENERATOR_UNAVAILABLE,
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
    """Translate the errors of a paid start.

    Raises:
        GenerationRefused, GenerationUnavailable, StartOutcomeUnknown
    """
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
    """Translate the errors of a read.

    Raises:
        GenerationUnavailable
        ReadRefused: 400, 403 or 404.
        BadOutput: the response is too large.
    """
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
        failure=(
            FailureCode.GENERATOR_RATE_LIMITED
            if is_rate_limited
            else FailureCode.GENERATOR_UNAVAILABLE
        ),
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
    failure = (
        FailureCode.POLICY_VIOLATION
        if code is Code.BLOCKED
        else _permanent_failure(code, response.error)
    )
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
    failure = FailureCode.SAFETY_FILTER if code is Code.BLOCKED else _permanent_failure(code, error)
    return Refused(failure, reason=reason)


def _permanent_failure(code: Code, error: object) -> FailureCode:
    return (
        FailureCode.INTERNAL
        if is_access_error(error)
        else _PERMANENT.get(code, FailureCode.INTERNAL)
    )


def oversized_response(error: BadOutput) -> Refused:
    """Return the refusal for a poll response that is too large: it holds media, which are billed."""
    failure = FailureCode.GENERATOR_BAD_OUTPUT
    return Refused(failure, reason=error.reason, is_billed=True)


def no_media(response: object, *, is_billed: bool = False) -> Refused:
    """Return the refusal for a response without usable media; the response goes to the log."""
    reason = str(response)[:REASON_LENGTH_MAX]
    return Refused(FailureCode.GENERATOR_BAD_OUTPUT, reason=reason, is_billed=is_billed)
