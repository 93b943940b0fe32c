"""Likes of publications: give, withdraw, and look up the caller's own."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from api_service.dependencies import LiveCallerDep, OwnerDep, StateDep
from api_service.one_hop import OneHopRoute
from api_service.openapi import SAMPLE_ID, SIGNED_IN, WRITES, body_errors, problems, request_body
from api_service.requests import NoBody, Nothing
from api_service.responses import Likes, json_response
from shared.domain import errors
from shared.domain.brief import CREATION_ID
from shared.domain.errors import WrongField
from shared.domain.keys import CreationId
from shared.ports.store import PAGE_LIMIT_MAX

router = APIRouter(route_class=OneHopRoute, tags=["likes"])

_ERRORS = (*SIGNED_IN, *WRITES, errors.CreationNotFound())
LIKE: dict[str, Any] = {
    "status_code": HTTPStatus.NO_CONTENT,
    "responses": problems(*_ERRORS, *body_errors("body", "it is unknown")),
    "openapi_extra": request_body(Nothing, required=False),
}
UNLIKE: dict[str, Any] = {"status_code": HTTPStatus.NO_CONTENT, "responses": problems(*_ERRORS)}
ACCEPTED_IDS = f"use 1 to {PAGE_LIMIT_MAX} ids of creations, separated by commas"
_ID = CREATION_ID.pattern
IDS: dict[str, Any] = {
    "name": "creationIds",
    "in": "query",
    "required": True,
    "schema": {
        "type": "string",
        "pattern": f"^{_ID}(?:,{_ID}){{0,{PAGE_LIMIT_MAX - 1}}}$",
        "examples": [SAMPLE_ID],
    },
}


def _creation_ids(
    creation_ids: Annotated[str | None, Query(alias="creationIds", include_in_schema=False)] = None,
) -> list[CreationId]:
    ids = (creation_ids or "").split(",")
    if len(ids) > PAGE_LIMIT_MAX or not all(map(CREATION_ID.fullmatch, ids)):
        raise WrongField(field="creationIds", reason=ACCEPTED_IDS)
    return [CreationId(each) for each in dict.fromkeys(ids)]


@router.put("/api/generate/creation/{creation_id:path}/like", **LIKE)
@router.put("/api/generate/video/{creation_id:path}/like", **LIKE)
def like(
    state: StateDep, caller: LiveCallerDep, _owner: OwnerDep, _body: NoBody, creation_id: str
) -> Response:
    """Like a published creation; a repeated request changes nothing."""
    state.phoenix.liking.like(creation_id, caller.user_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.delete("/api/generate/creation/{creation_id:path}/like", **UNLIKE)
@router.delete("/api/generate/video/{creation_id:path}/like", **UNLIKE)
def unlike(state: StateDep, caller: OwnerDep, creation_id: str) -> Response:
    """Withdraw a like of a published creation; a repeated request changes nothing."""
    state.phoenix.liking.unlike(creation_id, caller.user_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get(
    "/api/me/likes",
    response_model=Likes,
    responses=problems(*SIGNED_IN, WrongField(field="creationIds", reason=ACCEPTED_IDS)),
    openapi_extra={"parameters": [IDS]},
)
def mine(
    state: StateDep,
    caller: OwnerDep,
    creation_ids: Annotated[list[CreationId], Depends(_creation_ids)],
) -> Response:
    """Find out which of up to 50 creations you like.

    `likeCount` of a creation includes your own like after 2 minutes at most.
    """
    liked = state.phoenix.liking.liked(creation_ids, caller.user_id)
    return json_response(Likes(creation_ids=[*liked]))
