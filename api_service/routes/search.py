"""The caller's creations, published ones too, by words of their prompts and captions."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import WithJsonSchema

from api_service.dependencies import OwnerDep, StateDep
from api_service.etags import etag_of, etag_response
from api_service.filters import TYPE, checked_kind, checked_status
from api_service.one_hop import OneHopRoute
from api_service.openapi import PAGED, SIGNED_IN, problems
from api_service.paging import Listed, PageQueryDep
from api_service.requests import text_pattern
from api_service.responses import Creations, CreationView
from shared.domain.brief import Faults
from shared.domain.errors import WrongField
from shared.domain.search import ACCEPTED_SEARCH, SEARCH_LENGTH_MAX, Search, searched_words
from shared.domain.status import Status
from shared.ports.store import Cursor

router = APIRouter(route_class=OneHopRoute, tags=["creations"])

STATUSES = list(Status)
_Q = WithJsonSchema(
    {
        "type": "string",
        "description": "Words that all occur in the prompt or the caption, also within longer words. "
        "Case and compatibility characters make no difference, accents do.",
        "pattern": f"^{text_pattern(SEARCH_LENGTH_MAX)}$",
        "examples": ["fox snow"],
    }
)


def _search(
    query: PageQueryDep,
    q: Annotated[str | None, _Q] = None,
    status: Annotated[str | None, WithJsonSchema({"enum": STATUSES})] = None,
    type: Annotated[str | None, TYPE] = None,  # noqa: A002 (the parameter's name on the wire)
) -> Search:
    """Return the search, or raise `WrongField` with every wrong parameter, including `limit`."""
    faults = Faults()
    words = faults.collect(lambda: () if q is None else searched_words(q))
    checked = faults.collect(lambda: checked_status(status, STATUSES))
    kind = faults.collect(lambda: checked_kind(type))
    if faults.found:
        faults.collect(query.checked_limit)
    faults.raise_if_any()
    return Search(words=words or (), status=checked, kind=kind)


@router.get(
    "/api/me/creations",
    response_model=Creations,
    responses=problems(*SIGNED_IN, *PAGED, WrongField(field="q", reason=ACCEPTED_SEARCH)),
)
def search(
    request: Request,
    state: StateDep,
    owner: OwnerDep,
    search: Annotated[Search, Depends(_search)],
    query: PageQueryDep,
) -> Response:
    """List your creations, published ones too, newest first, or search them.

    A search reads up to 500 creations. It can end before the page is full, even with an empty page:
    the list continues as long as `nextCursor` is not null.
    """
    list_id = f"creations {owner.user_id} {search.status} {search.kind} {' '.join(search.words)}"
    results = state.phoenix.searching.search(owner.user_id, search, query.page(list_id))
    listed = Listed(
        list_id,
        results.found,
        results.last,
        lambda creation: Cursor(creation.created_at, creation.creation_id),
    )
    links = state.new_links()
    etag = etag_of(links.version, *listed.versions)
    page = partial(state.views.page, "creations", listed, CreationView.of, links)
    return etag_response(request, etag, page)
