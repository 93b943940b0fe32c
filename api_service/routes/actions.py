"""Actions on one creation: publish, unpublish, retry, cancel, delete."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from api_service.dependencies import (
    AppState,
    CallerDep,
    LiveCallerDep,
    StateDep,
    caller_of,
    live_caller_of,
)
from api_service.json_body import Body, json_body
from api_service.one_hop import OneHopRoute
from api_service.openapi import SIGNED_IN, WRITES, body_errors, problems, request_body
from api_service.requests import Nothing, Publish, Retry
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
RETRY = _action(Retry, *PAYMENT_ERRORS, status_code=HTTPStatus.ACCEPTED, response_model=OpenedView)
WITHOUT_FIELDS = _action(Nothing)
DELETE: dict[str, Any] = {"status_code": HTTPStatus.NO_CONTENT, "responses": problems(*_ERRORS)}
NoBody = Annotated[Nothing, Depends(json_body(Nothing, after=caller_of))]


def _creation_response(state: AppState, creation: Creation) -> Response:
    view = CreationView.of(creation, state.new_links())
    return json_response(OneCreation(creation=view))


@router.post("/api/generate/creation/{creation_id:path}/publish", **PUBLISH)
@router.post("/api/generate/video/{creation_id:path}/publish", **PUBLISH)
def publish(
    state: StateDep,
    owner: LiveCallerDep,
    body: Annotated[Publish, Depends(json_body(Publish, after=live_caller_of))],
    creation_id: str,
) -> Response:
    """Publish a draft, or change the caption of a published creation."""
    publishing, caption = state.phoenix.publishing, body.checked_caption()
    with state.page_cache.invalidating():
        published = publishing.publish(creation_id, owner=owner.user_id, caption=caption)
    return _creation_response(state, published)


@router.post("/api/generate/creation/{creation_id:path}/unpublish", **WITHOUT_FIELDS)
@router.post("/api/generate/video/{creation_id:path}/unpublish", **WITHOUT_FIELDS)
def unpublish(state: StateDep, owner: CallerDep, _body: NoBody, creation_id: str) -> Response:
    """Move a published creation back to drafts, and delete its public copy."""
    with state.page_cache.invalidating():
        draft = state.phoenix.publishing.unpublish(creation_id, owner=owner.user_id)
    return _creation_response(state, draft)


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


@router.post("/api/generate/creation/{creation_id:path}/cancel", **WITHOUT_FIELDS)
@router.post("/api/generate/video/{creation_id:path}/cancel", **WITHOUT_FIELDS)
def cancel(state: StateDep, owner: CallerDep, _body: NoBody, creation_id: str) -> Response:
    """Cancel a pending creation; its tokens are refunded."""
    cancelled = state.phoenix.failing.cancel(creation_id, owner=owner.user_id)
    return _creation_response(state, cancelled)


@router.delete("/api/generate/creation/{creation_id:path}", **DELETE)
@router.delete("/api/generate/video/{creation_id:path}", **DELETE)
def delete(state: StateDep, owner: LiveCallerDep, creation_id: str) -> Response:
    """Delete a creation that is not in progress, with its files."""
    with state.page_cache.invalidating():
        state.phoenix.media_cleanup.delete_creation(creation_id, owner=owner.user_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)
