"""What Google's generators answer, and what that means here: one table for all of them.

    to a start                                  means
    ------------------------------------------  -----------------------------------------------
    no connection, no TLS, no access token      nothing was sent: unavailable
    408, 409, 429, 5xx                          a no for now: unavailable, after Retry-After
    400 that speaks of a policy                 refused: policy_violation
    401, 402, 403, 404, a redirect              refused: internal, for it is ours to mend
    any other 4xx                               refused: generator_rejected
    more bytes than media may have              refused: generator_bad_output
    silence, a reset, half an answer, nonsense  unknown: it may be running

    to a poll, a download or a search
    ------------------------------------------  -----------------------------------------------
    any of the above                            unavailable: ask again (too large: bad output)

    an operation or an interaction              (`ended`)
    ------------------------------------------  -----------------------------------------------
    an error of code 8                          refused for now: generator_rate_limited
    an error of code 13, 14                     refused for now: generator_unavailable
    an error that speaks of a policy            refused: policy_violation
    an error of code 3                          refused: generator_rejected
    any other error, or no media                refused: generator_bad_output
    filtered                                    refused: safety_filter

The vendor's own words become a `reason`, which is for the log alone.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx2
from google.auth.exceptions import GoogleAuthError

from shared.adapters.genai_client import (
    REASON_LENGTH_MAX,
    AnsweredNo,
    NoAnswer,
    NotSent,
    TooLarge,
)
from shared.domain.errors import (
    BadOutput,
    GenerationRefused,
    GenerationUnavailable,
    StartOutcomeUnknown,
)
from shared.domain.failure import FailureCode
from shared.ports.generator import Refused

RETRY_AFTER_S_MAX = 3600
_POLICY = re.compile(
    r"responsible ai|safety|polic(y|ies)|sensitive|prohibited|violat", re.IGNORECASE
)
_UNAVAILABLE: dict[int, FailureCode] = {
    HTTPStatus.REQUEST_TIMEOUT: FailureCode.GENERATOR_UNAVAILABLE,
    HTTPStatus.CONFLICT: FailureCode.GENERATOR_UNAVAILABLE,
    HTTPStatus.TOO_MANY_REQUESTS: FailureCode.GENERATOR_RATE_LIMITED,
}
_OURS_TO_MEND = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.PAYMENT_REQUIRED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
    }
)
_PASSING = {
    "8": FailureCode.GENERATOR_RATE_LIMITED,
    "resourceexhausted": FailureCode.GENERATOR_RATE_LIMITED,
    "13": FailureCode.GENERATOR_UNAVAILABLE,
    "internal": FailureCode.GENERATOR_UNAVAILABLE,
    "14": FailureCode.GENERATOR_UNAVAILABLE,
    "unavailable": FailureCode.GENERATOR_UNAVAILABLE,
}
"""Error codes (google.rpc.Code) of work that may be started anew: numbers, or the last word."""
_WRONG_REQUEST = frozenset({"3", "invalidargument"})


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
        raise GenerationRefused(failure=failure, reason=str(error)) from error
    except (NoAnswer, ValueError) as error:
        raise StartOutcomeUnknown(reason=repr(error)) from error


@contextmanager
def reading() -> Iterator[None]:
    """Translate what a pure read ends with.

    Raises:
        GenerationUnavailable
        BadOutput: the answer is too large.
    """
    try:
        yield
    except TooLarge as error:
        raise BadOutput(reason=str(error)) from error
    except AnsweredNo as error:
        raise _no_for_now(error) from error
    except (NotSent, NoAnswer, GoogleAuthError, httpx2.HTTPError, ValueError) as error:
        raise GenerationUnavailable(reason=repr(error)) from error


def _no_for_now(no: AnsweredNo) -> GenerationUnavailable:
    return GenerationUnavailable(
        failure=_UNAVAILABLE.get(no.status, FailureCode.GENERATOR_UNAVAILABLE),
        retry_after_s=retry_after_s(no.retry_after),
        reason=str(no),
    )


def _no_to_a_start(no: AnsweredNo) -> GenerationRefused | GenerationUnavailable:
    if no.status in _UNAVAILABLE or no.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _no_for_now(no)
    failure = FailureCode.GENERATOR_REJECTED
    if no.status in _OURS_TO_MEND or no.status < HTTPStatus.BAD_REQUEST:
        failure = FailureCode.INTERNAL
    elif _POLICY.search(no.text):
        failure = FailureCode.POLICY_VIOLATION
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


def ended(error: object) -> Refused:
    """Return what the error of an operation or an interaction means."""
    code = re.split(r"[/.]", str(at(error, "code")))[-1].replace("_", "").lower()
    reason = str(error)[:REASON_LENGTH_MAX]
    if code in _PASSING:
        return Refused(_PASSING[code], is_transient=True, reason=reason)
    if _POLICY.search(str(at(error, "message"))):
        return Refused(FailureCode.POLICY_VIOLATION, reason=reason)
    if code in _WRONG_REQUEST:
        return Refused(FailureCode.GENERATOR_REJECTED, reason=reason)
    return Refused(FailureCode.GENERATOR_BAD_OUTPUT, reason=reason)


def without_media(answer: object) -> Refused:
    """Return what an end without media means; the answer goes to the log."""
    return Refused(FailureCode.GENERATOR_BAD_OUTPUT, reason=str(answer)[:REASON_LENGTH_MAX])


def at(answer: object, *path: str | int) -> object:
    """Return what is at a path of names and places in an answer, or None."""
    for step in path:
        if isinstance(answer, dict):
            answer = answer.get(step)
        elif isinstance(answer, list) and isinstance(step, int) and step < len(answer):
            answer = answer[step]
        else:
            return None
    return answer


def all_at(answer: object, *path: str | int) -> list[object]:
    """Return the list at a path in an answer, or an empty one."""
    found = at(answer, *path)
    return found if isinstance(found, list) else []
