"""Bodies of the requests for a replay, and the cursor with which one request continues another."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)

from api_service.json_body import Body
from api_service.paging import opaque, parsed_opaque
from api_service.requests import ACCEPTED_KINDS, to_whole
from shared.domain.brief import Faults
from shared.domain.errors import WrongField
from shared.domain.failure import FailureCode
from shared.domain.keys import Collection, Key
from shared.domain.kind import Kind
from shared.domain.schedule import parsed_time
from shared.lifecycle.replaying import Replayed, ReplayRequest
from shared.ports.store import Cursor

REPLAYS_MAX = 100
"""Failures that one request looks at: each takes about 0.2 s."""
REPLAYS_DEFAULT = 50
SINCE_S_MAX = 90 * 24 * 3600
ACCEPTED_SINCE = f"use a time of RFC 3339 with its zone, or 1 to {SINCE_S_MAX} seconds"
ACCEPTED_CODE = f"use one of {', '.join(FailureCode)}"
ACCEPTED_CURSOR = "use a nextCursor of a replay, or the cursor of a preview"


def parsed_since(since: str | int, *, now: datetime) -> datetime:
    """Return a time of RFC 3339, or so many seconds ago; raise `WrongField`."""
    try:
        if isinstance(since, str):
            return parsed_time(since).astimezone(UTC)
        if 1 <= since <= SINCE_S_MAX:
            return now - timedelta(seconds=since)
    except (ValueError, OverflowError) as error:  # OverflowError: before year 1
        raise WrongField(field="since", reason=ACCEPTED_SINCE) from error
    raise WrongField(field="since", reason=ACCEPTED_SINCE)


def _checked_utc(time: datetime) -> datetime:
    if time.utcoffset():
        raise ValueError("not UTC")
    return time


_UtcTime = Annotated[AwareDatetime, AfterValidator(_checked_utc)]


class _Position(BaseModel):
    """A list of failures, and the last one that a request has looked at."""

    model_config = ConfigDict(strict=True, extra="forbid")

    code: FailureCode
    since: _UtcTime
    until: _UtcTime | None
    failed_at: _UtcTime | None = None
    creation_id: str = "-"

    @property
    def after(self) -> Cursor | None:
        return None if self.failed_at is None else Cursor(self.failed_at, self.creation_id)


def cursor_of(request: ReplayRequest, *, last: Replayed | None = None) -> str:
    """Return the cursor of a body's request: it continues after `last`, without it at the start."""
    position = _Position(code=request.code, since=request.since, until=request.until)
    if last is not None:
        position.failed_at, position.creation_id = last.failed_at, last.creation_id
    return opaque(position)


def _position(cursor: str, code: str | None) -> _Position:
    """Return the position of a cursor for this code, or raise `WrongField`."""
    found = parsed_opaque(_Position, cursor)
    if found is None or not Key(Collection.CREATIONS, found.creation_id).can_exist:
        raise WrongField(field="cursor", reason=ACCEPTED_CURSOR)
    if code not in (None, found.code):
        raise WrongField(field="cursor", reason="the cursor belongs to another code")
    return found


def _as_code(code: str) -> FailureCode:
    if code not in {*FailureCode}:
        raise WrongField(field="code", reason=ACCEPTED_CODE)
    return FailureCode(code)


def _as_kind(kind: str | None) -> Kind | None:
    if kind is not None and kind not in {*Kind}:
        raise WrongField(field="type", reason=ACCEPTED_KINDS)
    return None if kind is None else Kind(kind)


class Failures(Body):
    """Failures with a code, since a time or so many seconds ago."""

    accepted: ClassVar[Mapping[str, str]] = {"since": ACCEPTED_SINCE, "type": ACCEPTED_KINDS}

    code: Annotated[str, WithJsonSchema({"enum": [*FailureCode]})]
    since: Annotated[
        str | int,
        BeforeValidator(to_whole),
        WithJsonSchema(
            {
                "oneOf": [
                    {"type": "integer", "minimum": 1, "maximum": SINCE_S_MAX},
                    {"type": "string", "format": "date-time"},
                ],
                "examples": [7200],
            }
        ),
    ]
    type: Annotated[str | None, WithJsonSchema({"enum": [*Kind, None]})] = None

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        now = datetime.now(UTC)
        checks: dict[str, Callable[[Any], object]] = {
            "code": _as_code,
            "since": lambda since: parsed_since(since, now=now),
            "type": _as_kind,
            "cursor": lambda cursor: cursor is None or _position(cursor, values.get("code")),
        }
        faults = Faults()
        for field, check in checks.items():
            if field in values:
                faults.collect(partial(check, values[field]))
        faults.raise_if_any()

    def to_request(self, *, now: datetime, who: str) -> ReplayRequest:
        """Return the request, or raise `WrongField` with every wrong field."""
        self.check(self.model_dump(by_alias=True))
        return ReplayRequest(
            code=FailureCode(self.code),
            since=parsed_since(self.since, now=now),
            kind=_as_kind(self.type),
            until=now,
            who=who,
        )


class Replay(Failures):
    """Which failures to replay; `cursor` continues after an earlier request, or a preview."""

    accepted: ClassVar[Mapping[str, str]] = {
        **Failures.accepted,
        "limit": f"use 1 to {REPLAYS_MAX}",
        "grant": "use true or false",
        "cursor": ACCEPTED_CURSOR,
    }

    grant: Annotated[
        bool, Field(description="Grant the price first, so that the owner pays nothing")
    ] = False
    limit: Annotated[int, Field(ge=1, le=REPLAYS_MAX), BeforeValidator(to_whole)] = REPLAYS_DEFAULT
    cursor: Annotated[
        str | None,
        Field(
            description="`nextCursor` of the previous request, or `cursor` of a preview. It keeps "
            "their window of time: `since` is ignored, and failures after their start are left out"
        ),
    ] = None

    def to_request(self, *, now: datetime, who: str) -> ReplayRequest:
        request = super().to_request(now=now, who=who)
        request = replace(request, is_granted=self.grant, limit=self.limit)
        if self.cursor is None:
            return request
        at = _position(self.cursor, self.code)
        return replace(request, since=at.since, until=at.until, after=at.after)
