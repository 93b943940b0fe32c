"""Sharing: the owner's link and collaborators, and what they see. Nobody else changes anything."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from api_service.dependencies import (
    AppState,
    CallerDep,
    LiveCallerDep,
    OwnerDep,
    StateDep,
    live_caller_of,
)
from api_service.errors import PageNotFound
from api_service.json_body import json_body
from api_service.one_hop import READ, OneHopRoute
from api_service.openapi import PAGED, SIGNED_IN, WRITES, body_errors, problems, request_body
from api_service.paging import PageQueryDep, paginate
from api_service.rendered_pages import shared_page
from api_service.requests import NoBody, Nothing, Share
from api_service.responses import CreationView, OneCreation, json_response
from api_service.routes.actions import creation_response
from api_service.shared_responses import OneShared, SharedView, SharedWithMe, ShareLink
from shared.domain import errors
from shared.domain.errors import CreationNotFound, PhoenixError, WrongField
from shared.domain.sharing import COLLABORATORS_MAX
from shared.ports.store import Cursor

router = APIRouter(route_class=OneHopRoute, tags=["sharing"])

UNCACHED = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}
_CHANGES = (*SIGNED_IN, *WRITES, errors.CreationNotFound())
_NOT_READY = errors.IllegalTransition(status="pending")


def _options(*more: PhoenixError, **options: Any) -> dict[str, Any]:  # noqa: ANN401 (FastAPI's own arguments)
    return {"response_model": OneCreation, "responses": problems(*_CHANGES, *more), **options}


SHARE = _options(
    _NOT_READY,
    *body_errors("showsPrompt", "use true or false"),
    response_model=ShareLink,
    openapi_extra=request_body(Share, required=False),
)
REMOVAL = _options()
INVITATION = _options(
    _NOT_READY,
    errors.TooManyCollaborators(limit=COLLABORATORS_MAX),
    errors.AccountNotFound(),
    WrongField(field="username", reason="use another person's name"),
    *body_errors("body", "it is unknown"),
    openapi_extra=request_body(Nothing, required=False),
)


@router.post("/api/generate/creation/{creation_id:path}/share", **SHARE)
@router.post("/api/generate/video/{creation_id:path}/share", **SHARE)
def share(
    state: StateDep,
    owner: LiveCallerDep,
    body: Annotated[Share, Depends(json_body(Share, after=live_caller_of))],
    creation_id: str,
) -> Response:
    """Get the link with which everyone who has it sees the creation. A repeat returns the same."""
    sharing, shows_prompt = state.phoenix.sharing, body.shows_prompt
    shared = sharing.share(creation_id, owner=owner.user_id, shows_prompt=shows_prompt)
    links = state.new_links()
    view = CreationView.of(shared, links)
    return json_response(ShareLink(url=str(links.to_shared(shared)), creation=view))


@router.delete("/api/generate/creation/{creation_id:path}/share", **REMOVAL)
@router.delete("/api/generate/video/{creation_id:path}/share", **REMOVAL)
def unshare(state: StateDep, owner: CallerDep, creation_id: str) -> Response:
    """Revoke the link at once. Collaborators still see the creation."""
    return creation_response(state, state.phoenix.sharing.unshare(creation_id, owner=owner.user_id))


@router.put("/api/generate/creation/{creation_id:path}/collaborators/{username}", **INVITATION)
@router.put("/api/generate/video/{creation_id:path}/collaborators/{username}", **INVITATION)
def add_collaborator(
    state: StateDep, owner: LiveCallerDep, _body: NoBody, creation_id: str, username: str
) -> Response:
    """Let another user see the creation."""
    add = state.phoenix.sharing.add_collaborator
    return creation_response(state, add(creation_id, username, owner=owner.user_id))


@router.delete("/api/generate/creation/{creation_id:path}/collaborators/{username}", **REMOVAL)
@router.delete("/api/generate/video/{creation_id:path}/collaborators/{username}", **REMOVAL)
def remove_collaborator(
    state: StateDep, owner: CallerDep, creation_id: str, username: str
) -> Response:
    """Close the creation to a user at once."""
    remove = state.phoenix.sharing.remove_collaborator
    return creation_response(state, remove(creation_id, username, owner=owner.user_id))


@router.get(
    "/api/generate/shared", response_model=SharedWithMe, responses=problems(*SIGNED_IN, *PAGED)
)
def shared_with_me(state: StateDep, owner: OwnerDep, query: PageQueryDep) -> Response:
    """List what other users share with you, newest first."""
    list_id = f"shared {owner.user_id}"
    page = query.page(list_id)
    username = state.phoenix.accounts.of(owner).username
    listed = paginate(
        partial(state.phoenix.sharing.shared_with, username),
        page,
        list_id=list_id,
        sort_key=lambda creation: Cursor(creation.created_at, creation.creation_id),
    )
    links = state.new_short_links()
    views = [SharedView.of(each.parse(), links) for each in listed.items]
    view = SharedWithMe(creations=views, next_cursor=listed.next_cursor())
    return json_response(view, headers=UNCACHED)


def _by_link(state: AppState, creation_id: str, secret: str) -> SharedView:
    """Return what the link shows. No refusal differs from that of an address that does not exist."""
    try:
        creation = state.phoenix.sharing.by_link(creation_id, secret)
    except CreationNotFound as error:
        raise PageNotFound from error
    return SharedView.of(creation, state.new_short_links())


@router.get(
    "/api/shared/{creation_id:path}/{secret}",
    response_model=OneShared,
    responses=problems(PageNotFound(), errors.StoreUnavailable()),
)
def shared(state: StateDep, creation_id: str, secret: str) -> Response:
    """Get a creation by its link."""
    view = OneShared(creation=_by_link(state, creation_id, secret))
    return json_response(view, headers=UNCACHED)


@router.api_route("/shared/{creation_id}/{secret}", methods=READ, include_in_schema=False)
def page(request: Request, state: StateDep, creation_id: str, secret: str) -> Response:
    view = _by_link(state, creation_id, secret)
    template = state.static_files.template("shared", request)
    return Response(
        shared_page(template, view),
        HTTPStatus.OK,
        {**template.headers, **UNCACHED},
        media_type="text/html; charset=utf-8",
    )
