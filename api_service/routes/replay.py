"""Routes of operators that replay failures after an outage: what would be replayed, and the replay."""

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api_service.admin_views import ReplayedView, ReplayPreviewView, ReplayView
from api_service.dependencies import StateDep
from api_service.json_body import json_body
from api_service.one_hop import OneHopRoute
from api_service.openapi import OPERATOR_ERRORS, WRITES, body_errors, problems, request_body
from api_service.operators import OperatorDep, operator_of
from api_service.replay_requests import ACCEPTED_SINCE, Failures, Replay, cursor_of
from api_service.responses import json_response

router = APIRouter(route_class=OneHopRoute, tags=["operators"])

PREVIEW_MAX = 1000
"""Failures that a preview counts: it reads them in pages of 50."""
_ERRORS = (*OPERATOR_ERRORS, *body_errors("since", ACCEPTED_SINCE))


@router.post(
    "/api/admin/replay",
    response_model=ReplayView,
    responses=problems(*_ERRORS, *WRITES),
    openapi_extra=request_body(Replay),
)
def replay(
    state: StateDep,
    operator: OperatorDep,
    body: Annotated[Replay, Depends(json_body(Replay, after=operator_of))],
) -> Response:
    """Debit failures again for their owners and run them, after an outage; each at most once.

    One request looks at `limit` failures. Repeat it with `cursor` set to its `nextCursor` until that
    is null: then each failure of the list was looked at once, those that were skipped, too.
    """
    now = state.phoenix.ports.clock.now()
    request = body.to_request(now=now, who=operator.user_id)
    results = [*state.phoenix.replaying.replay(request)]
    has_more = len(results) == request.limit
    view = ReplayView(
        results=[ReplayedView.of(each) for each in results],
        next_cursor=cursor_of(request, last=results[-1]) if has_more else None,
    )
    return json_response(view)


@router.post(
    "/api/admin/replay/preview",
    response_model=ReplayPreviewView,
    responses=problems(*_ERRORS),
    openapi_extra=request_body(Failures),
)
def preview(
    state: StateDep,
    operator: OperatorDep,
    body: Annotated[Failures, Depends(json_body(Failures, after=operator_of))],
) -> Response:
    """Count what a replay would look at; this changes nothing.

    A replay with its `cursor` looks at exactly these failures.
    """
    now = state.phoenix.ports.clock.now()
    request = body.to_request(now=now, who=operator.user_id)
    found = [*islice(state.phoenix.replaying.candidates(request), PREVIEW_MAX + 1)]
    view = ReplayPreviewView.of(
        found[:PREVIEW_MAX], is_complete=len(found) <= PREVIEW_MAX, cursor=cursor_of(request)
    )
    return json_response(view)
