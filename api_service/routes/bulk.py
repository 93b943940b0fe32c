"""Many creations at once: publish, delete, and download as one archive."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api_service.archive import ArchiveResponse, archive_of
from api_service.bulk_bodies import ACCEPTED_IDS, BulkAction, BulkView, DownloadView, ItemView, Zip
from api_service.dependencies import LiveCallerDep, StateDep, live_caller_of
from api_service.errors import TooManyDownloads, TooManyOwnDownloads
from api_service.json_body import json_body
from api_service.one_hop import OneHopRoute
from api_service.openapi import SIGNED_IN, WRITES, body_errors, problems, request_body
from api_service.responses import json_response
from api_service.threads import Threads
from shared.domain import errors
from shared.lifecycle.downloads import ARCHIVE_BYTES_MAX

BULK_REQUESTS_MAX = 16
"""How many bulk requests a process works on at once; each may take 45 s, and others wait."""


class _BulkRoute(OneHopRoute):
    """A route that takes none of the threads of other requests."""

    threads = Threads(BULK_REQUESTS_MAX)


router = APIRouter(route_class=OneHopRoute, tags=["creations"])

_IDS = body_errors("creationIds", ACCEPTED_IDS)


def bulk(
    state: StateDep,
    owner: LiveCallerDep,
    body: Annotated[BulkAction, Depends(json_body(BulkAction, after=live_caller_of))],
) -> Response:
    """Publish or delete up to 50 of your creations, each with its own result."""
    caption, use_case = body.checked_caption(), state.phoenix.bulk
    with state.page_cache.invalidating():
        if body.action == "publish":
            results = use_case.publish(body.creation_ids, owner=owner.user_id, caption=caption)
        else:
            results = use_case.delete(body.creation_ids, owner=owner.user_id)
    return json_response(BulkView(results=[ItemView.from_document(each) for each in results]))


router.add_api_route(
    "/api/generate/drafts/bulk",
    bulk,
    methods=["POST"],
    response_model=BulkView,
    responses=problems(*SIGNED_IN, *_IDS),
    openapi_extra=request_body(BulkAction),
    route_class_override=_BulkRoute,
)


@router.post(
    "/api/generate/drafts/zip",
    response_model=DownloadView,
    responses=problems(
        *SIGNED_IN,
        *_IDS,
        *WRITES,
        errors.CreationNotFound(),
        errors.IllegalTransition(status="pending"),
        errors.ArchiveTooLarge(size_bytes=2 * ARCHIVE_BYTES_MAX, limit_bytes=ARCHIVE_BYTES_MAX),
    ),
    openapi_extra=request_body(Zip),
)
def create_download(
    state: StateDep,
    owner: LiveCallerDep,
    body: Annotated[Zip, Depends(json_body(Zip, after=live_caller_of))],
) -> Response:
    """Create a link that downloads the files of up to 50 of your creations, for ten minutes."""
    created, size_bytes = state.phoenix.downloads.create(body.creation_ids, owner=owner.user_id)
    url = state.new_links().to_download(created)
    view = DownloadView(download_url=url, size_bytes=size_bytes, expires_at=created.expires_at)
    return json_response(view)


@router.get(
    "/api/downloads/{secret}",
    response_class=Response,
    responses={
        200: {
            "description": "A zip archive, chunked. The file of a creation that no longer exists is "
            "replaced by a text that says so.",
            "content": {ArchiveResponse.media_type: {"schema": {"type": "string"}}},
        },
        **problems(
            errors.DownloadNotFound(),
            errors.StoreUnavailable(),
            errors.MediaUnavailable(),
            errors.MediaRefused(),
            TooManyDownloads(limit=16),
            TooManyOwnDownloads(limit=3),
        ),
    },
)
def download(state: StateDep, secret: str) -> Response:
    """Download the files of a link as one zip archive."""
    opened, entries = state.phoenix.downloads.open(secret)
    blocks = archive_of(entries, state.phoenix.ports.media)
    filename = f"phoenix_{state.phoenix.ports.clock.now():%Y-%m-%d}.zip"
    return ArchiveResponse(state.download_slots, opened.user_id, blocks, filename=filename)
