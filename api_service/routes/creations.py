"""Creations of their owner: open, list and get.

`/api/generate/video` is the older clients' address of any creation, whatever its kind. The ids in
paths may contain a slash (`a%2Fb`), so that such an id is a 404 like any unknown one.
"""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import WithJsonSchema

from api_service.bulk_bodies import DownloadView
from api_service.dependencies import (
    AppState,
    IdempotencyKeyDep,
    LiveCallerDep,
    OwnerDep,
    StateDep,
    live_caller_of,
)
from api_service.etags import etag_of, etag_response
from api_service.filters import TYPE, checked_kind, checked_status
from api_service.group_view import OpenedGroupView
from api_service.json_body import json_body
from api_service.one_hop import OneHopRoute
from api_service.openapi import (
    PAGED,
    SAMPLE_ID,
    SIGNED_IN,
    WRITES,
    body_errors,
    problems,
    request_body,
)
from api_service.paging import PageQueryDep, paginate
from api_service.requests import OpenCreation, OpenImage, OpenVideo
from api_service.responses import (
    Creations,
    CreationView,
    OneCreation,
    OpenedView,
    json_response,
)
from shared.domain import errors
from shared.domain.brief import Faults
from shared.domain.kind import Kind
from shared.domain.policy import RETRY_AFTER_S
from shared.domain.status import Status
from shared.lifecycle.opening import Opened
from shared.ports.identity import Caller
from shared.ports.store import Cursor, DraftsFilter

router = APIRouter(route_class=OneHopRoute, tags=["creations"])

DRAFT_STATUSES = [status for status in Status if status is not Status.PUBLISHED]
PAYMENT_ERRORS = (
    errors.InsufficientTokens(required=10, balance=3),
    errors.TooManyUnfinished(limit=5, retry_after_s=15),
    errors.TooManyOpened(limit=60, retry_after_s=1800),
    errors.TooManyFree(limit=10, retry_after_s=1800),
    errors.Paused(kind=Kind.VIDEO),
    errors.SpendingLimit(retry_after_s=36_000),
    errors.QueueFull(kind=Kind.VIDEO, retry_after_s=120),
    errors.NotQueued(creation_id=SAMPLE_ID),
    errors.StorageFull(),
    errors.MediaUnavailable(),
)
_KEY_ERRORS = (errors.CreationGone(), errors.KeyReused())


def _opens(body: type[OpenCreation]) -> dict[str, Any]:
    """Return the options of a route that opens creations."""
    wrong_body = body_errors("prompt", "it is blank")
    return {
        "status_code": HTTPStatus.ACCEPTED,
        "response_model": OpenedView if body is OpenVideo else OpenedView | OpenedGroupView,
        "responses": problems(*SIGNED_IN, *wrong_body, *PAYMENT_ERRORS, *WRITES, *_KEY_ERRORS),
        "openapi_extra": request_body(body),
    }


def _open(state: AppState, caller: Caller, body: OpenCreation, key: str | None) -> Response:
    brief = body.to_brief()
    opened = state.phoenix.opening.open(brief, caller=caller, idempotency_key=key)
    if brief.count == 1:
        return opened_response(state, opened)
    view = OpenedGroupView.of(opened, brief.count, state.new_links())
    return json_response(view, HTTPStatus.ACCEPTED, _headers(opened))


def opened_response(state: AppState, opened: Opened) -> Response:
    """Return 202 with a creation that was paid for now, or by an earlier equal request."""
    location = {"Location": f"/api/generate/creation/{opened.creation.creation_id}"}
    view = OpenedView.of(opened, state.new_links())
    return json_response(view, HTTPStatus.ACCEPTED, location | _headers(opened))


def _headers(opened: Opened) -> dict[str, str]:
    headers = {"Retry-After": str(RETRY_AFTER_S[opened.creation.kind])}
    return headers | ({"Idempotency-Replayed": "true"} if opened.is_replay else {})


@router.post("/api/generate/creation", **_opens(OpenCreation))
def open_creation(
    state: StateDep,
    caller: LiveCallerDep,
    body: Annotated[OpenCreation, Depends(json_body(OpenCreation, after=live_caller_of))],
    key: IdempotencyKeyDep,
) -> Response:
    """Start an image, up to four variations of one, or a video.

    Each is charged now, all or none, and refunded if it fails.
    """
    return _open(state, caller, body, key)


@router.post("/api/generate/video", **_opens(OpenVideo))
def open_video(
    state: StateDep,
    caller: LiveCallerDep,
    body: Annotated[OpenVideo, Depends(json_body(OpenVideo, after=live_caller_of))],
    key: IdempotencyKeyDep,
) -> Response:
    """Start a video. It is charged now and refunded if it fails."""
    return _open(state, caller, body, key)


@router.post("/api/image/generate", **_opens(OpenImage))
def open_image(
    state: StateDep,
    caller: LiveCallerDep,
    body: Annotated[OpenImage, Depends(json_body(OpenImage, after=live_caller_of))],
    key: IdempotencyKeyDep,
) -> Response:
    """Start an image, or up to four variations of one.

    Each is charged now, all or none, and refunded if it fails.
    """
    return _open(state, caller, body, key)


def drafts_filter(
    query: PageQueryDep,
    status: Annotated[str | None, WithJsonSchema({"enum": DRAFT_STATUSES})] = None,
    type: Annotated[str | None, TYPE] = None,  # noqa: A002 (the parameter's name on the wire)
) -> DraftsFilter:
    """Return the filter, or raise `WrongField` with every wrong parameter, including `limit`."""
    faults = Faults()
    checked = faults.collect(lambda: checked_status(status, DRAFT_STATUSES))
    kind = faults.collect(lambda: checked_kind(type))
    if faults.found:
        faults.collect(query.checked_limit)
    faults.raise_if_any()
    return DraftsFilter(status=checked, kind=kind)


@router.get(
    "/api/generate/drafts", response_model=Creations, responses=problems(*SIGNED_IN, *PAGED)
)
def drafts(
    request: Request,
    state: StateDep,
    owner: OwnerDep,
    which: Annotated[DraftsFilter, Depends(drafts_filter)],
    query: PageQueryDep,
) -> Response:
    """List your unpublished creations, newest first."""
    list_id = f"drafts {owner.user_id} {which.status} {which.kind}"
    listed = paginate(
        partial(state.phoenix.reading.drafts, owner.user_id, which),
        query.page(list_id),
        list_id=list_id,
        sort_key=lambda creation: Cursor(creation.created_at, creation.creation_id),
    )
    links = state.new_links()
    etag = etag_of(links.version, *listed.versions)
    page = partial(state.views.page, "creations", listed, CreationView.of, links)
    return etag_response(request, etag, page)


_GET: dict[str, Any] = {
    "response_model": OneCreation,
    "responses": problems(*SIGNED_IN, errors.CreationNotFound()),
}


_DOWNLOAD: dict[str, Any] = {
    "response_model": DownloadView,
    "responses": problems(
        *SIGNED_IN, errors.CreationNotFound(), errors.IllegalTransition(status="pending")
    ),
}


@router.get("/api/generate/creation/{creation_id:path}/download", **_DOWNLOAD)
@router.get("/api/generate/video/{creation_id:path}/download", **_DOWNLOAD)
def download(state: StateDep, owner: OwnerDep, creation_id: str) -> Response:
    """Get a link that saves the file of one of your creations, under a name from its prompt."""
    file, links = (
        state.phoenix.downloads.file_of(creation_id, owner=owner.user_id),
        state.new_links(),
    )
    view = DownloadView(
        download_url=links.to_file(file), size_bytes=file.size_bytes, expires_at=links.expires_at
    )
    return json_response(view)


@router.get("/api/generate/creation/{creation_id:path}", **_GET)
@router.get("/api/generate/video/{creation_id:path}", **_GET)
def one(request: Request, state: StateDep, owner: OwnerDep, creation_id: str) -> Response:
    """Get one of your creations."""
    stored = state.phoenix.reading.own_shown(creation_id, owner=owner.user_id)
    creation, links = stored.parse(), state.new_links()
    retry_after = {"Retry-After": str(RETRY_AFTER_S[creation.kind])}
    headers = retry_after if creation.is_unfinished else None
    etag = etag_of(links.version, stored.version)
    one = partial(state.views.one, "creation", stored, CreationView.of, links)
    return etag_response(request, etag, one, headers)
