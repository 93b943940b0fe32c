"""What an owner does to one creation: publish, unpublish, retry, cancel, delete."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from api_service.answers import answer
from api_service.bodies import json_body
from api_service.dependencies import (
    CallerDep,
    LinksDep,
    LiveCallerDep,
    PhoenixDep,
    PublicPagesDep,
    caller_of,
    live_caller_of,
)
from api_service.openapi import (
    NOTHING,
    PUBLISH,
    RETRY,
    SIGNED_IN,
    WRITES,
    has_body,
    problems,
    request_body,
)
from api_service.routes.creations import CREATION, CREATION_ALIAS, PAYING, accepted
from api_service.schemas import Nothing, Publish, Retry
from api_service.views import CreationView, OneCreation, OpenedView
from shared.domain.creation import Creation
from shared.domain.errors import (
    CreationNotFound,
    IllegalTransition,
    MediaMissing,
    MediaRefused,
    MediaUnavailable,
    PhoenixError,
)

router = APIRouter(tags=["creations"])

PublishBody = Annotated[Publish, Depends(json_body(Publish, after=live_caller_of))]
RetryBody = Annotated[Retry, Depends(json_body(Retry, after=live_caller_of))]
NoBody = Annotated[Nothing, Depends(json_body(Nothing, after=caller_of))]

_REFUSALS = (*SIGNED_IN, *WRITES, CreationNotFound(), IllegalTransition(status="pending"))


def _action(
    name: str,
    body: dict[str, Any],
    *errors: PhoenixError,
    status: HTTPStatus = HTTPStatus.OK,
    view: type[BaseModel] = OneCreation,
) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """Put a route under both addresses of a creation."""

    def add(route: Callable[..., Response]) -> Callable[..., Response]:
        for address in (CREATION, CREATION_ALIAS):
            router.add_api_route(
                f"{address}/{name}",
                route,
                methods=["POST"],
                status_code=status,
                response_model=view,
                responses=problems(*_REFUSALS, *has_body("body", "it is unknown"), *errors),
                openapi_extra=request_body(body, required=False),
            )
        return route

    return add


def _shown(creation: Creation, links: LinksDep) -> Response:
    return answer(OneCreation(creation=CreationView.of(creation, links)))


@_action("publish", PUBLISH, MediaUnavailable(), MediaRefused(), MediaMissing())
def publish(
    phoenix: PhoenixDep,
    owner: LiveCallerDep,
    links: LinksDep,
    pages: PublicPagesDep,
    body: PublishBody,
    creation_id: str,
) -> Response:
    """Put a draft into the feed; of a published one, a given caption replaces the old."""
    caption = body.checked_caption()
    with pages.changing():
        published = phoenix.publishing.publish(creation_id, owner=owner.user_id, caption=caption)
    return _shown(published, links)


@_action("unpublish", NOTHING)
def unpublish(
    phoenix: PhoenixDep,
    owner: CallerDep,
    links: LinksDep,
    pages: PublicPagesDep,
    _body: NoBody,
    creation_id: str,
) -> Response:
    """Take a published creation out of the feed: a draft again, its public copy closed at once."""
    with pages.changing():
        draft = phoenix.publishing.unpublish(creation_id, owner=owner.user_id)
    return _shown(draft, links)


@_action("retry", RETRY, *PAYING, status=HTTPStatus.ACCEPTED, view=OpenedView)
def retry(
    phoenix: PhoenixDep, owner: LiveCallerDep, links: LinksDep, body: RetryBody, creation_id: str
) -> Response:
    """Try a failed creation again on the same card: it is debited again."""
    opened = phoenix.opening.retry(creation_id, owner=owner.user_id, run_number=body.debits)
    return accepted(opened, links)


@_action("cancel", NOTHING)
def cancel(
    phoenix: PhoenixDep, owner: CallerDep, links: LinksDep, _body: NoBody, creation_id: str
) -> Response:
    """Give up a creation that still waits: its tokens come back."""
    return _shown(phoenix.failing.cancel(creation_id, owner=owner.user_id), links)


@router.delete(CREATION, status_code=HTTPStatus.NO_CONTENT, responses=problems(*_REFUSALS))
@router.delete(CREATION_ALIAS, status_code=HTTPStatus.NO_CONTENT, responses=problems(*_REFUSALS))
def delete(
    phoenix: PhoenixDep, owner: LiveCallerDep, pages: PublicPagesDep, creation_id: str
) -> Response:
    """Remove a creation that is not in the making, with its files."""
    with pages.changing():
        phoenix.media_cleanup.delete_creation(creation_id, owner=owner.user_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)
