"""Public lists: the feed and the profiles."""

from functools import partial

from fastapi import APIRouter, Request, Response

from api_service.dependencies import AppState, StateDep
from api_service.one_hop import OneHopRoute
from api_service.openapi import PAGED, problems
from api_service.paging import PageQueryDep, paginate
from api_service.responses import Publications, PublicationView
from shared.domain.errors import AccountNotFound, StoreUnavailable
from shared.ports.store import Cursor, Page

router = APIRouter(route_class=OneHopRoute, tags=["feed"])


def _load(state: AppState, username: str | None, page: Page, list_id: str) -> bytes:
    reading, links = state.phoenix.reading, state.new_links()
    listed = paginate(
        reading.feed if username is None else partial(reading.profile, username),
        page,
        list_id=list_id,
        sort_key=lambda each: Cursor(each.published_at or each.created_at, each.creation_id),
    )
    return state.views.page("creations", listed, PublicationView.of, links)


@router.get(
    "/api/feed", response_model=Publications, responses=problems(StoreUnavailable(), *PAGED)
)
async def feed(request: Request, state: StateDep, query: PageQueryDep) -> Response:
    """List published creations, newest first.

    The response may be 5 seconds old. A shared cache may keep an anonymous one 35 seconds longer.
    """
    page = query.page("feed")
    load = partial(_load, state, None, page, "feed")
    return await state.page_cache.respond(request, ("feed", page), load)


@router.get(
    "/api/profiles/{username}",
    response_model=Publications,
    responses=problems(StoreUnavailable(), AccountNotFound(), *PAGED),
)
async def profile(
    request: Request, state: StateDep, username: str, query: PageQueryDep
) -> Response:
    """List one user's published creations, newest first.

    The response may be 5 seconds old. A shared cache may keep an anonymous one 35 seconds longer.
    """
    list_id = f"profile {username}"
    page = query.page(list_id)
    load = partial(_load, state, username, page, list_id)
    return await state.page_cache.respond(request, (list_id, page), load)
