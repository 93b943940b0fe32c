"""What everybody may see: the feed and the profiles."""

from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Request, Response

from api_service.cursors import AskedPageDep, listed
from api_service.dependencies import PhoenixDep, PublicPagesDep
from api_service.openapi import PAGED, problems
from api_service.views import Publications, PublicationView
from shared.domain.account import username_key
from shared.domain.creation import Creation
from shared.domain.errors import AccountNotFound, StoreUnavailable
from shared.ports.store import Cursor, Page
from shared.wiring import Phoenix

router = APIRouter(tags=["feed"])


def _content(
    phoenix: Phoenix, read: Callable[[Page], list[Creation]], page: Page, *, of: str
) -> bytes:
    creations, next_cursor = listed(
        read, page, of=of, place=lambda c: Cursor(c.published_at or c.created_at, c.creation_id)
    )
    view = Publications(
        creations=[PublicationView.of(creation, phoenix.ports.media) for creation in creations],
        next_cursor=next_cursor,
    )
    return view.model_dump_json(by_alias=True).encode()


def _profile_content(phoenix: Phoenix, username: str, page: Page, *, of: str) -> bytes:
    store = phoenix.ports.store
    if store.get(username_key(username)) is None:
        raise AccountNotFound
    return _content(phoenix, partial(store.published_by, username), page, of=of)


@router.get(
    "/api/feed", response_model=Publications, responses=problems(StoreUnavailable(), *PAGED)
)
async def feed(
    request: Request, phoenix: PhoenixDep, pages: PublicPagesDep, asked: AskedPageDep
) -> Response:
    """List what is published, newest first; an answer may be a few seconds old."""
    page = asked.of("feed")
    load = partial(_content, phoenix, phoenix.ports.store.feed, page, of="feed")
    return await pages.answer(request, ("feed", page), load)


@router.get(
    "/api/profiles/{username}",
    response_model=Publications,
    responses=problems(StoreUnavailable(), AccountNotFound(), *PAGED),
)
async def profile(
    request: Request,
    phoenix: PhoenixDep,
    pages: PublicPagesDep,
    username: str,
    asked: AskedPageDep,
) -> Response:
    """List what one user has published, newest first; an answer may be a few seconds old."""
    this_list = f"profile {username}"
    page = asked.of(this_list)
    load = partial(_profile_content, phoenix, username, page, of=this_list)
    return await pages.answer(request, (this_list, page), load)
