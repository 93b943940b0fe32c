"""Actions on one creation: publish now or later, unpublish, retry, cancel, keep, delete."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from api_service.dependencies import (
    AppState,
    CallerDep,
    LiveCallerDep,
    StateDep,
    live_caller_of,
)
from api_service.json_body import Body, json_body
from api_service.one_hop import OneHopRoute
from api_service.openapi import SIGNED_IN, WRITES, body_errors, problems, request_body
from api_service.requests import NoBody, Nothing, Publish, Retry
from api_service.responses import CreationView, OneCreation, OpenedView, json_response
from api_service.routes.creations import PAYMENT_ERRORS, opened_response
from shared.domain import errors
from shared.domain.creation import Creation
from shared.domain.errors import PhoenixError

router = APIRouter(route_class=OneHopRoute, tags=["creations"])

_ERRORS = (
    *SIGNED_IN,
    *WRITES,
    errors.CreationNotFound(),
    errors.IllegalTransition(status="pending"),
)


def _action(body: type[Body], *more: PhoenixError, **options: Any) -> dict[str, Any]:  # noqa: ANN401 (FastAPI's own arguments)
    """Return the options of a route with an optional body."""
    return {
        "response_model": OneCreation,
        "responses": problems(*_ERRORS, *body_errors("body", "it is unknown"), *more),
        "openapi_extra": request_body(body, required=False),
        **options,
    }


PUBLISH = _action(Publish, errors.MediaUnavailable(), errors.MediaRefused(), errors.MediaMissing())
PUBLISH["responses"][202] = {"model": OneCreation, "description": "Scheduled"}
RETRY = _action(Retry, *PAYMENT_ERRORS, status_code=HTTPStatus.ACCEPTED, response_model=OpenedView)
CANCEL = _action(Nothing, errors.AlreadyStarted())
WITHOUT_FIELDS = _action(Nothing)
DELETE: dict[str, Any] = {"status_code": HTTPStatus.NO_CONTENT, "responses": problems(*_ERRORS)}
STOP_KEEPING: dict[str, Any] = {"response_model": OneCreation, "responses": problems(*_ERRORS)}
UNSCHEDULE: dict[str, Any] = {
    "response_model": OneCreation,
    "responses": problems(*SIGNED_IN, *WRITES, errors.CreationNotFound()),
}


def creation_response(
    state: AppState, creation: Creation, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    view = CreationView.of(creation, state.new_links())
    return json_response(OneCreation(creation=view), status)


@router.post("/api/generate/creation/{creation_id:path}/publish", **PUBLISH)
@router.post("/api/generate/video/{creation_id:path}/publish", **PUBLISH)
def publish(
    state: StateDep,
    owner: LiveCallerDep,
    body: Annotated[Publish, Depends(json_body(Publish, after=live_caller_of))],
    creation_id: str,
) -> Response:
    """Publish a draft now or later, or change the caption of a published creation."""
    publishing, (caption, publish_at) = state.phoenix.publishing, body.checked()
    if publish_at is not None:
        scheduled = state.phoenix.scheduling.schedule(
            creation_id, owner=owner.user_id, publish_at=publish_at, caption=caption
        )
        return creation_response(state, scheduled, HTTPStatus.ACCEPTED)
    with state.page_cache.invalidating():
        published = publishing.publish(creation_id, owner=owner.user_id, caption=caption)
    return creation_response(state, published)


@router.post("/api/generate/creation/{creation_id:path}/unpublish", **WITHOUT_FIELDS)
@router.post("/api/generate/video/{creation_id:path}/unpublish", **WITHOUT_FIELDS)
def unpublish(state: StateDep, owner: CallerDep, _body: NoBody, creation_id: str) -> Response:
    """Move a published creation back to drafts, and delete its public copy."""
    with state.page_cache.invalidating():
        draft = state.phoenix.publishing.unpublish(creation_id, owner=owner.user_id)
    return creation_response(state, draft)


@router.post("/api/generate/creation/{creation_id:path}/retry", **RETRY)
@router.post("/api/generate/video/{creation_id:path}/retry", **RETRY)
def retry(
    state: StateDep,
    owner: LiveCallerDep,
    body: Annotated[Retry, Depends(json_body(Retry, after=live_caller_of))],
    creation_id: str,
) -> Response:
    """Retry a failed creation under the same id; it is charged again."""
    opened = state.phoenix.opening.retry(creation_id, owner=owner.user_id, run_number=body.debits)
    return opened_response(state, opened)


@router.post("/api/generate/creation/{creation_id:path}/cancel", **CANCEL)
@router.post("/api/generate/video/{creation_id:path}/cancel", **CANCEL)
def cancel(state: StateDep, owner: CallerDep, _body: NoBody, creation_id: str) -> Response:
    """Cancel a creation that is pending or processing before its generation starts.

    Its tokens are refunded. `isCancellable` says whether it can be cancelled.
    """
    cancelled = state.phoenix.failing.cancel(creation_id, owner=owner.user_id)
    return creation_response(state, cancelled)


@router.delete("/api/generate/creation/{creation_id:path}/schedule", **UNSCHEDULE)
@router.delete("/api/generate/video/{creation_id:path}/schedule", **UNSCHEDULE)
def unschedule(state: StateDep, owner: CallerDep, creation_id: str) -> Response:
    """Withdraw the schedule of a draft; without one, nothing changes."""
    draft = state.phoenix.scheduling.unschedule(creation_id, owner=owner.user_id)
    return creation_response(state, draft)


@router.put("/api/generate/creation/{creation_id:path}/keep", **WITHOUT_FIELDS)
@router.put("/api/generate/video/{creation_id:path}/keep", **WITHOUT_FIELDS)
def keep(state: StateDep, owner: CallerDep, _body: NoBody, creation_id: str) -> Response:
    """Keep a creation that is not in progress: it never expires."""
    kept = state.phoenix.keeping.keep(creation_id, owner=owner.user_id)
    return creation_response(state, kept)


@router.delete("/api/generate/creation/{creation_id:path}/keep", **STOP_KEEPING)
@router.delete("/api/generate/video/{creation_id:path}/keep", **STOP_KEEPING)
def stop_keeping(state: StateDep, owner: CallerDep, creation_id: str) -> Response:
    """Let a kept creation expire again; its time begins now."""
    creation = state.phoenix.keeping.stop_keeping(creation_id, owner=owner.user_id)
    return creation_response(state, creation)


@router.delete("/api/generate/creation/{creation_id:path}", **DELETE)
@router.delete("/api/generate/video/{creation_id:path}", **DELETE)
def delete(state: StateDep, owner: LiveCallerDep, creation_id: str) -> Response:
    """Delete a creation that is not in progress, with its files."""
    with state.page_cache.invalidating():
        state.phoenix.media_cleanup.delete_creation(creation_id, owner=owner.user_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)
