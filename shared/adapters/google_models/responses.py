"""What Google's generators answer, and what that means here: one table for all of them.

    to a start                                         means
    -------------------------------------------------  -------------------------------------------
    no connection, no TLS, no access token             nothing was sent: unavailable
    the vendor's own error (`genai_errors`), under the HTTP status that belongs to its code:
      RESOURCE_EXHAUSTED, UNAVAILABLE                  unavailable, after Retry-After
      INVALID_ARGUMENT, OUT_OF_RANGE, language         refused: generator_rejected
      the same, about a key, a project or a location   refused: internal, ours to fix
      FAILED_PRECONDITION, NOT_FOUND, UNAUTHENTICATED,
      PERMISSION_DENIED, payment_required              refused: internal, ours to fix
      blocked: safety, prohibited_content, ..          refused: policy_violation
    more bytes than media may have                     refused: generator_bad_output, billed
    anything else: silence, a reset, half an answer,
    every other status, a status without that error    unknown: it may be running

    to a poll, a download or a search
    -------------------------------------------------  -------------------------------------------
    400, 403, 404                                      refused: repeating rarely helps
    more bytes than media may have                     bad output, billed
    anything else                                      unavailable: ask again

    an operation or an interaction that ended          (`ended`)
    -------------------------------------------------  -------------------------------------------
    RESOURCE_EXHAUSTED                                 refused for now: generator_rate_limited
    CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, ABORTED,
    INTERNAL, UNAVAILABLE                              refused for now: generator_unavailable
    INVALID_ARGUMENT, OUT_OF_RANGE, language           refused: generator_rejected
    NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED,
    FAILED_PRECONDITION, UNIMPLEMENTED,
    UNAUTHENTICATED, payment_required                  refused: internal, ours to fix
    blocked, filtered                                  refused: safety_filter
    any other error, or no media                       refused: generator_bad_output

What is ours to fix is never blamed on a prompt: the job logs `generator_misconfigured`, which an
alert watches. The vendor's own words become a `reason`, which is for the log alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from google.auth.exceptions import GoogleAuthError

from shared.adapters.google_models.client import (
    REASON_LENGTH_MAX,
    AnsweredNo,
    NoAnswer,
    NotSent,
    TooLarge,
)
from shared.adapters.google_models.errors import Code, ended_code, is_about_access, named_code
from shared.adapters.google_models.json_values import at
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
"""The codes that say that a start came to nothing, and the statuses that each is sent under."""
_PASSING = {
    Code.RESOURCE_EXHAUSTED: FailureCode.GENERATOR_RATE_LIMITED,
    **dict.fromkeys(
        (
            *(Code.CANCELLED, Code.UNKNOWN, Code.DEADLINE_EXCEEDED),
            *(Code.ABORTED, Code.INTERNAL, Code.UNAVAILABLE),
        ),
        FailureCode.GENERATOR_UNAVAILABLE,
    ),
}
_FINAL = {
    Code.INVALID_ARGUMENT: FailureCode.GENERATOR_REJECTED,
    Code.OUT_OF_RANGE: FailureCode.GENERATOR_REJECTED,
    Code.LANGUAGE: FailureCode.GENERATOR_REJECTED,
    Code.DATA_LOSS: FailureCode.GENERATOR_BAD_OUTPUT,
    **dict.fromkeys(
        (
            *(Code.NOT_FOUND, Code.ALREADY_EXISTS, Code.PERMISSION_DENIED),
            *(Code.FAILED_PRECONDITION, Code.UNIMPLEMENTED, Code.UNAUTHENTICATED),
            *(Code.PAYMENT_REQUIRED, Code.PARAMETER_UNKNOWN),
        ),
        FailureCode.INTERNAL,
    ),
}
_READ_REFUSED = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}


@contextmanager
def starting() -> Iterator[None]:
    """Translate what a paid start ends with.

    Raises:
        GenerationRefused, GenerationUnavailable, StartOutcomeUnknown
    """
    try:
        yield
    except (NotSent, GoogleAuthError) as error:
        raise GenerationUnavailable(reason=repr(error)) from error
    except AnsweredNo as error:
        raise _no_to_a_start(error) from error
    except (TooLarge, BadOutput) as error:
        failure = FailureCode.GENERATOR_BAD_OUTPUT
        raise GenerationRefused(failure=failure, reason=str(error), is_billed=True) from error
    except (NoAnswer, ValueError, RecursionError) as error:
        raise StartOutcomeUnknown(reason=repr(error)) from error


@contextmanager
def reading() -> Iterator[None]:
    """Translate what a pure read ends with.

    Raises:
        GenerationUnavailable
        ReadRefused: 400, 403 or 404.
        BadOutput: the answer is too large.
    """
    try:
        yield
    except TooLarge as error:
        raise BadOutput(reason=str(error)) from error
    except AnsweredNo as error:
        if error.status in _READ_REFUSED:
            raise ReadRefused(reason=str(error)) from error
        raise _no_for_now(error) from error
    except (WorkError, OSError):  # OSError: the disk that it is written to
        raise
    except Exception as error:  # the SDK's halves raise two trees of errors, private in part
        raise GenerationUnavailable(reason=repr(error)) from error


def _no_for_now(no: AnsweredNo) -> GenerationUnavailable:
    is_busy = no.status == HTTPStatus.TOO_MANY_REQUESTS
    return GenerationUnavailable(
        failure=(
            FailureCode.GENERATOR_RATE_LIMITED if is_busy else FailureCode.GENERATOR_UNAVAILABLE
        ),
        retry_after_s=retry_after_s(no.retry_after),
        reason=str(no),
    )


def _no_to_a_start(
    no: AnsweredNo,
) -> GenerationRefused | GenerationUnavailable | StartOutcomeUnknown:
    """Return what an error status means: a gateway can send any, only the vendor its own error."""
    code, number = named_code(no.error), at(no.error, "code")
    is_whole = isinstance(number, str) or number in (None, no.status)
    if code is None or no.status not in _HTTP_STATUSES.get(code, ()) or not is_whole:
        return StartOutcomeUnknown(reason=str(no))
    if code in _PASSING:
        return _no_for_now(no)
    failure = FailureCode.POLICY_VIOLATION if code is Code.BLOCKED else _final(code, no.error)
    return GenerationRefused(failure=failure, reason=str(no))


def retry_after_s(header: str | None) -> float:
    """Return the seconds that a Retry-After header asks for, from 0 to an hour (RFC 9110)."""
    if header is None:
        return 0
    try:
        asked_s = float(header)
    except ValueError:
        try:
            asked_s = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0
    return min(asked_s, RETRY_AFTER_S_MAX) if asked_s > 0 else 0


def ended(*errors: object) -> Refused:
    """Return what the errors of an operation or an interaction mean: the first known one decides.

    Without an error, nothing is known but that there is no media.
    """
    known = [(code, error) for error in errors if (code := ended_code(error))]
    if not known:
        return without_media(list(errors))
    code, error = known[0]
    reason = str(error)[:REASON_LENGTH_MAX]
    if code in _PASSING:
        return Refused(_PASSING[code], is_transient=True, reason=reason)
    failure = FailureCode.SAFETY_FILTER if code is Code.BLOCKED else _final(code, error)
    return Refused(failure, reason=reason)


def _final(code: Code, error: object) -> FailureCode:
    """Return the failure of an error that repeating does not help."""
    return FailureCode.INTERNAL if is_about_access(error) else _FINAL[code]


def too_large(error: BadOutput) -> Refused:
    """Return what a poll means whose answer is too large: there is media in it, which is billed."""
    failure = FailureCode.GENERATOR_BAD_OUTPUT
    return Refused(failure, reason=error.reason, is_billed=True)


def without_media(answer: object, *, is_billed: bool = False) -> Refused:
    """Return what an end without usable media means; the answer goes to the log."""
    reason = str(answer)[:REASON_LENGTH_MAX]
    return Refused(FailureCode.GENERATOR_BAD_OUTPUT, reason=reason, is_billed=is_billed)
