"""What everybody may see: the feed and the profiles."""

from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Response

from api_service.answers import answer
from api_service.cursors import AskedPageDep, listed
from api_service.dependencies import PhoenixDep
from api_service.openapi import PAGED, problems
from api_service.views import Publications, PublicationView
from shared.domain.account import username_key
from shared.domain.creation import Creation
from shared.domain.errors import AccountNotFound, StoreUnavailable
from shared.ports.store import Cursor, Page

router = APIRouter(tags=["feed"])


def _shown(
    phoenix: PhoenixDep, read: Callable[[Page], list[Creation]], page: Page, *, of: str
) -> Response:
    creations, next_cursor = listed(
        read, page, of=of, place=lambda c: Cursor(c.published_at or c.created_at, c.creation_id)
    )
    view = Publications(
        creations=[PublicationView.of(creation, phoenix.ports.media) for creation in creations],
        next_cursor=next_cursor,
    )
    return answer(view)


@router.get(
    "/api/feed", response_model=Publications, responses=problems(StoreUnavailable(), *PAGED)
)
def feed(phoenix: PhoenixDep, asked: AskedPageDep) -> Response:
    """List what is published, newest first."""
    page = asked.of("feed")
    return _shown(phoenix, phoenix.ports.store.feed, page, of="feed")


@router.get(
    "/api/profiles/{username}",
    response_model=Publications,
    responses=problems(StoreUnavailable(), AccountNotFound(), *PAGED),
)
def profile(phoenix: PhoenixDep, username: str, asked: AskedPageDep) -> Response:
    """List what one user has published, newest first."""
    this_list = f"profile {username}"
    page = asked.of(this_list)
    if phoenix.ports.store.get(username_key(username)) is None:
        raise AccountNotFound
    return _shown(phoenix, partial(phoenix.ports.store.published_by, username), page, of=this_list)
