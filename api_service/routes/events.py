"""Live changes of the caller's creations and balance."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from api_service.dependencies import OwnerDep, StateDep
from api_service.errors import TooManyOwnStreams, TooManyStreams
from api_service.events import HEARTBEAT, MEDIA_TYPE, EventStream
from api_service.one_hop import OneHopRoute
from api_service.openapi import SIGNED_IN, problems

router = APIRouter(route_class=OneHopRoute, tags=["creations"])

ONE_EVENT = {
    "type": "object",
    "properties": {
        "event": {"enum": ["snapshot", "change", "end"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}
EXAMPLE = (
    'event: snapshot\ndata: {"account": {..}, "creations": [{..}, {..}], "gone": []}\n\n'
    f"{HEARTBEAT}"
    'event: change\ndata: {"account": null, "creations": [{..}], "gone": []}\n\n'
    'event: end\ndata: {"reason": "settled"}\n\n'
)


@router.get(
    "/api/generate/events",
    response_class=Response,
    responses={
        HTTPStatus.OK: {
            "description": "Server-sent events: one `snapshot`, then `change` events, each with "
            "`account` (as in /api/me, null if unchanged), `creations` (as in "
            "/api/generate/creation/{creation_id}) and `gone` (ids of creations that were deleted, "
            "or are no longer among the 50 newest); last an `end` with a `reason`: `settled`, "
            "`time` or `shutdown`. A heartbeat comment is sent every 15 s.",
            "content": {MEDIA_TYPE: {"schema": ONE_EVENT, "example": EXAMPLE}},
        },
        **problems(*SIGNED_IN, TooManyStreams(limit=1_000), TooManyOwnStreams(limit=5)),
    },
)
def events(state: StateDep, owner: OwnerDep) -> Response:
    """Stream changes of your creations and balance, for five minutes at most."""
    return EventStream(state.streams, owner.user_id)
