"""Opening creations, and an owner's view of them."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api_service.answers import answer, problems, tagged_answer
from api_service.bodies import json_body
from api_service.cursors import AskedPageDep, next_cursor
from api_service.dependencies import (
    IdempotencyKeyDep,
    LinksDep,
    LiveCallerDep,
    OwnerDep,
    PhoenixDep,
    live_caller_of,
)
from api_service.limits import BODY_BYTES_MAX
from api_service.schemas import OpenCreation
from api_service.views import Creations, CreationView, OneCreation, OpenedView
from shared.domain.brief import CREATION_ID
from shared.domain.creation import Creation, Status, creation_key
from shared.domain.errors import (
    AccountDisabled,
    BodyTooLarge,
    CreationGone,
    CreationNotFound,
    IdentityUnavailable,
    InsufficientTokens,
    KeyReused,
    NotJson,
    NotQueued,
    OutcomeUnknown,
    StoreContention,
    StoreUnavailable,
    TooManyOpened,
    TooManyUnfinished,
    Unauthenticated,
    WrongField,
    WrongJson,
)
from shared.domain.keys import CreationId
from shared.domain.policy import RETRY_AFTER_S, Kind
from shared.ports.store import Cursor, DraftsFilter

router = APIRouter(tags=["creations"])

ONE = ("/api/generate/creation/{creation_id}", "/api/generate/video/{creation_id}")
DRAFT_STATUSES = {status.value: status for status in Status if status is not Status.PUBLISHED}

_SAMPLE_ID = "mfrggzdfmztwq2lknnwg23tpoa"
_SIGNED_IN = (
    Unauthenticated(),
    AccountDisabled(),
    StoreUnavailable(),
    IdentityUnavailable(),
)
_BODY = (
    WrongField(field="prompt", reason="it is blank"),
    WrongJson(reason="it cannot be decoded"),
    BodyTooLarge(limit_bytes=BODY_BYTES_MAX),
    NotJson(),
)
_OPENING = (
    *_SIGNED_IN,
    *_BODY,
    InsufficientTokens(required=10, balance=3),
    CreationGone(),
    KeyReused(),
    TooManyUnfinished(limit=5, retry_after_s=15),
    TooManyOpened(limit=60, retry_after_s=1800),
    StoreContention(),
    NotQueued(creation_id=_SAMPLE_ID),
    OutcomeUnknown(creation_id=_SAMPLE_ID),
)

OpenBody = Annotated[OpenCreation, Depends(json_body(OpenCreation, after=live_caller_of))]


def _opens(kind: Kind | None) -> Callable[..., Response]:
    """Return the route that opens a creation of one kind, or of the body's kind."""

    def open_creation(
        phoenix: PhoenixDep,
        caller: LiveCallerDep,
        body: OpenBody,
        key: IdempotencyKeyDep,
        links: LinksDep,
    ) -> Response:
        """Start an image or a video: the tokens are taken now and come back if it fails."""
        opened = phoenix.opening.open(body.to_brief(kind), caller=caller, idempotency_key=key)
        headers = {
            "Location": f"/api/generate/creation/{opened.creation.creation_id}",
            "Retry-After": str(RETRY_AFTER_S[opened.creation.kind]),
        }
        if opened.is_replay:
            headers["Idempotency-Replayed"] = "true"
        return answer(OpenedView.of(opened, links), HTTPStatus.ACCEPTED, headers)

    return open_creation


for _path, _kind in (
    ("/api/generate/creation", None),
    ("/api/generate/video", Kind.VIDEO),
    ("/api/image/generate", Kind.IMAGE),
):
    router.add_api_route(
        _path,
        _opens(_kind),
        methods=["POST"],
        name=f"open_{_kind or 'creation'}",
        status_code=HTTPStatus.ACCEPTED,
        response_model=OpenedView,
        responses=problems(*_OPENING),
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": OpenCreation.model_json_schema()}},
            }
        },
    )


def drafts_filter(
    status: str | None = None,
    type: str | None = None,  # noqa: A002 (the parameter's name on the wire)
) -> DraftsFilter:
    """Return which creations to list; raises `WrongField`."""
    if status is not None and status not in DRAFT_STATUSES:
        raise WrongField(field="status", reason=f"use one of {', '.join(DRAFT_STATUSES)}")
    if type is not None and type not in set(Kind):
        raise WrongField(field="type", reason="use image or video")
    return DraftsFilter(
        status=DRAFT_STATUSES[status] if status else None, kind=Kind(type) if type else None
    )


@router.get(
    "/api/generate/drafts",
    response_model=Creations,
    responses=problems(*_SIGNED_IN, WrongField(field="limit", reason="use 1 to 50")),
)
def drafts(
    request: Request,
    phoenix: PhoenixDep,
    owner: OwnerDep,
    links: LinksDep,
    which: Annotated[DraftsFilter, Depends(drafts_filter)],
    asked: AskedPageDep,
) -> Response:
    """List one's own unpublished creations, newest first."""
    this_list = f"drafts {owner.user_id} {which.status} {which.kind}"
    page = asked.of(this_list)
    creations = phoenix.ports.store.drafts(owner.user_id, which, page)
    view = Creations(
        creations=[CreationView.of(creation, links) for creation in creations],
        next_cursor=next_cursor(
            creations, page, of=this_list, place=lambda c: Cursor(c.created_at, c.creation_id)
        ),
    )
    return tagged_answer(view, request)


@router.get(ONE[0], response_model=OneCreation, responses=problems(*_SIGNED_IN, CreationNotFound()))
@router.get(ONE[1], response_model=OneCreation, responses=problems(*_SIGNED_IN, CreationNotFound()))
def one(
    request: Request, phoenix: PhoenixDep, owner: OwnerDep, links: LinksDep, creation_id: str
) -> Response:
    """Show one of one's own creations."""
    creation = _own(phoenix, owner.user_id, creation_id)
    headers = {}
    if creation.is_unfinished:
        headers["Retry-After"] = str(RETRY_AFTER_S[creation.kind])
    view = OneCreation(creation=CreationView.of(creation, links))
    return tagged_answer(view, request, headers)


def _own(phoenix: PhoenixDep, user_id: str, creation_id: str) -> Creation:
    """Return the caller's creation; another's is as unknown as one that is not there."""
    creation = None
    if CREATION_ID.fullmatch(creation_id):
        creation = phoenix.ports.store.get(creation_key(CreationId(creation_id)))
    if creation is None or creation.user_id != user_id:
        raise CreationNotFound
    return creation
