"""Single publications for everyone: a page that chats and search engines can show, and its JSON.

Unknown, unpublished or another user's: always the same 404.
"""

from functools import partial

from fastapi import APIRouter, Request, Response

from api_service.dependencies import AppState, StateDep
from api_service.errors import PageNotFound
from api_service.one_hop import READ, OneHopRoute
from api_service.openapi import problems
from api_service.rendered_pages import publication_page
from api_service.responses import PublicationView, View
from api_service.static_files import Template
from shared.domain.errors import CreationNotFound, StoreUnavailable

router = APIRouter(route_class=OneHopRoute, tags=["feed"])

HTML = {"Content-Type": "text/html; charset=utf-8"}


class OnePublication(View):
    creation: PublicationView


def _load(state: AppState, username: str, creation_id: str) -> bytes:
    stored = state.phoenix.reading.publication(creation_id, username=username)
    return state.views.one("creation", stored, PublicationView.of, state.new_links())


def _load_page(state: AppState, template: Template, username: str, creation_id: str) -> bytes:
    try:
        stored = state.phoenix.reading.publication(creation_id, username=username)
    except CreationNotFound as error:
        raise PageNotFound from error
    creation, links = stored.parse(), state.new_links()
    view = PublicationView.of(creation, links)
    return publication_page(template, view, url=links.to_publication(creation))


@router.get(
    "/api/profiles/{username}/{creation_id:path}",
    response_model=OnePublication,
    responses=problems(StoreUnavailable(), CreationNotFound()),
)
async def publication(
    request: Request, state: StateDep, username: str, creation_id: str
) -> Response:
    """Get one published creation.

    The response may be 5 seconds old. A shared cache may keep an anonymous one 35 seconds longer.
    """
    load = partial(_load, state, username, creation_id)
    return await state.page_cache.respond(request, ("publication", username, creation_id), load)


@router.api_route("/soho/{username}/{creation_id}", methods=READ, include_in_schema=False)
async def page(request: Request, state: StateDep, username: str, creation_id: str) -> Response:
    template = state.static_files.template("publication", request)
    load = partial(_load_page, state, template, username, creation_id)
    key = ("publication page", template.language.code, username, creation_id)
    return await state.page_cache.respond(request, key, load, {**template.headers, **HTML})
