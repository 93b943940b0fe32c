"""What everybody may see: the feed and the profiles."""

from fastapi import APIRouter, Response

from api_service.answers import answer
from api_service.cursors import AskedPageDep, next_cursor
from api_service.dependencies import PhoenixDep
from api_service.openapi import PAGED, problems
from api_service.views import Publications, PublicationView
from shared.domain.account import username_key
from shared.domain.creation import Creation
from shared.domain.errors import AccountNotFound, StoreUnavailable
from shared.ports.store import Cursor, Page

router = APIRouter(tags=["feed"])


def _shown(phoenix: PhoenixDep, found: list[Creation], page: Page, *, of: str) -> Response:
    view = Publications(
        creations=[PublicationView.of(creation, phoenix.ports.media) for creation in found],
        next_cursor=next_cursor(
            found,
            page,
            of=of,
            place=lambda c: Cursor(c.published_at or c.created_at, c.creation_id),
        ),
    )
    return answer(view)


@router.get(
    "/api/feed", response_model=Publications, responses=problems(StoreUnavailable(), *PAGED)
)
def feed(phoenix: PhoenixDep, asked: AskedPageDep) -> Response:
    """List what is published, newest first."""
    page = asked.of("feed")
    return _shown(phoenix, phoenix.ports.store.feed(page), page, of="feed")


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
    found = phoenix.ports.store.published_by(username, page)
    return _shown(phoenix, found, page, of=this_list)
