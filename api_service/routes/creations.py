"""Opening creations, and an owner's view of them."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import WithJsonSchema

from api_service.answers import answer, tagged_answer
from api_service.bodies import json_body
from api_service.cursors import AskedPageDep, listed
from api_service.dependencies import (
    IdempotencyKeyDep,
    LinksDep,
    LiveCallerDep,
    OwnerDep,
    PhoenixDep,
    live_caller_of,
)
from api_service.openapi import (
    OPEN_CREATION,
    OPEN_IMAGE,
    OPEN_VIDEO,
    PAGED,
    SAMPLE_ID,
    SIGNED_IN,
    WRITES,
    has_body,
    problems,
    request_body,
)
from api_service.schemas import ACCEPTED_KINDS, OpenCreation, OpenImage, OpenVideo
from api_service.views import Creations, CreationView, OneCreation, OpenedView
from shared.domain.brief import Faults
from shared.domain.errors import (
    CreationGone,
    CreationNotFound,
    InsufficientTokens,
    KeyReused,
    MediaUnavailable,
    NotQueued,
    Paused,
    QueueFull,
    SpendingLimit,
    StorageFull,
    TooManyFree,
    TooManyOpened,
    TooManyUnfinished,
    WrongField,
)
from shared.domain.kind import Kind
from shared.domain.policy import RETRY_AFTER_S
from shared.domain.status import Status
from shared.lifecycle.opening import Opened
from shared.ports.store import Cursor, DraftsFilter

router = APIRouter(tags=["creations"])

CREATIONS = "/api/generate/creation"
CREATION = f"{CREATIONS}/{{creation_id:path}}"
"""An id may come with a slash in it (`a%2Fb`): that creation is as unknown as any other."""
CREATION_ALIAS = "/api/generate/video/{creation_id:path}"
"""The older clients' address of any creation, whatever its kind."""
DRAFT_STATUSES = {status.value: status for status in Status if status is not Status.PUBLISHED}

PAYING = (
    InsufficientTokens(required=10, balance=3),
    TooManyUnfinished(limit=5, retry_after_s=15),
    TooManyOpened(limit=60, retry_after_s=1800),
    TooManyFree(limit=10, retry_after_s=1800),
    Paused(kind=Kind.VIDEO),
    SpendingLimit(retry_after_s=36_000),
    QueueFull(kind=Kind.VIDEO, retry_after_s=120),
    NotQueued(creation_id=SAMPLE_ID),
    StorageFull(),
    MediaUnavailable(),
)


def accepted(opened: Opened, links: LinksDep) -> Response:
    """Return the 202 of a creation that was paid, now or before."""
    creation = opened.creation
    headers = {
        "Location": f"{CREATIONS}/{creation.creation_id}",
        "Retry-After": str(RETRY_AFTER_S[creation.kind]),
    }
    if opened.is_replay:
        headers["Idempotency-Replayed"] = "true"
    return answer(OpenedView.of(opened, links), HTTPStatus.ACCEPTED, headers)


def _opens(model: type[OpenCreation]) -> Callable[..., Response]:
    """Return the route that opens a creation from this body."""

    def open_creation(
        phoenix: PhoenixDep,
        caller: LiveCallerDep,
        body: Annotated[OpenCreation, Depends(json_body(model, after=live_caller_of))],
        key: IdempotencyKeyDep,
        links: LinksDep,
    ) -> Response:
        """Start an image or a video: the tokens are taken now and come back if it fails."""
        return accepted(
            phoenix.opening.open(body.to_brief(), caller=caller, idempotency_key=key), links
        )

    return open_creation


for _path, _model, _body in (
    (CREATIONS, OpenCreation, OPEN_CREATION),
    ("/api/generate/video", OpenVideo, OPEN_VIDEO),
    ("/api/image/generate", OpenImage, OPEN_IMAGE),
):
    router.add_api_route(
        _path,
        _opens(_model),
        methods=["POST"],
        name=f"open_{_model.kind or 'creation'}",
        status_code=HTTPStatus.ACCEPTED,
        response_model=OpenedView,
        responses=problems(
            *SIGNED_IN,
            *has_body("prompt", "it is blank"),
            *PAYING,
            *WRITES,
            CreationGone(),
            KeyReused(),
        ),
        openapi_extra=request_body(_body),
    )


async def drafts_filter(
    asked: AskedPageDep,
    status: Annotated[str | None, WithJsonSchema({"enum": list(DRAFT_STATUSES)})] = None,
    type: Annotated[str | None, WithJsonSchema({"enum": list(Kind)})] = None,  # noqa: A002 (the parameter's name on the wire)
) -> DraftsFilter:
    """Return which creations to list.

    Raises:
        WrongField: of all wrong parameters at once; `limit` is here for that reason only.
    """
    faults = Faults()
    if status is not None and status not in DRAFT_STATUSES:
        faults.add(WrongField(field="status", reason=f"use one of {', '.join(DRAFT_STATUSES)}"))
    if type is not None and type not in set(Kind):
        faults.add(WrongField(field="type", reason=ACCEPTED_KINDS))
    if faults.found:
        faults.collect(lambda: asked.checked_limit)
    faults.raise_if_any()
    return DraftsFilter(
        status=DRAFT_STATUSES[status] if status else None, kind=Kind(type) if type else None
    )


@router.get(
    "/api/generate/drafts", response_model=Creations, responses=problems(*SIGNED_IN, *PAGED)
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
    creations, next_cursor = listed(
        partial(phoenix.ports.store.drafts, owner.user_id, which),
        page,
        of=this_list,
        place=lambda c: Cursor(c.created_at, c.creation_id),
    )
    view = Creations(
        creations=[CreationView.of(creation, links) for creation in creations],
        next_cursor=next_cursor,
    )
    return tagged_answer(view, request)


@router.get(
    CREATION, response_model=OneCreation, responses=problems(*SIGNED_IN, CreationNotFound())
)
@router.get(
    CREATION_ALIAS, response_model=OneCreation, responses=problems(*SIGNED_IN, CreationNotFound())
)
def one(
    request: Request, phoenix: PhoenixDep, owner: OwnerDep, links: LinksDep, creation_id: str
) -> Response:
    """Show one of one's own creations."""
    creation = phoenix.reading.own_creation(creation_id, owner=owner.user_id)
    headers = {}
    if creation.is_unfinished:
        headers["Retry-After"] = str(RETRY_AFTER_S[creation.kind])
    view = OneCreation(creation=CreationView.of(creation, links))
    return tagged_answer(view, request, headers)
