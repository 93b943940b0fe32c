"""Routes for this installation's own services."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api_service.dependencies import StateDep, service_of
from api_service.json_body import json_body
from api_service.ledger_views import TransactionView
from api_service.one_hop import OneHopRoute
from api_service.openapi import body_errors, problems, request_body
from api_service.requests import GrantTokens
from api_service.responses import SweepView, json_response
from shared.domain import errors
from shared.domain.keys import UserId
from shared.domain.ledger import Actor

router = APIRouter(route_class=OneHopRoute, tags=["internal"], dependencies=[Depends(service_of)])

_ERRORS = (
    errors.Unauthenticated(),
    errors.WrongServiceAccount(),
    errors.StoreUnavailable(),
    errors.IdentityUnavailable(),
)
_WRONG_BODY = body_errors("amount", "use 1 to 100000")


@router.post("/internal/cleanup", response_model=SweepView, responses=problems(*_ERRORS))
def cleanup(state: StateDep) -> Response:
    """Sweep once: refund what is overdue, enqueue lost tasks, delete orphaned files."""
    return json_response(SweepView(**state.phoenix.sweeping.sweep()))


@router.post(
    "/internal/tokens/grant",
    response_model=TransactionView,
    responses=problems(*_ERRORS, *_WRONG_BODY, errors.AccountNotFound(), errors.ReferenceReused()),
    openapi_extra=request_body(GrantTokens),
)
def grant(
    state: StateDep,
    body: Annotated[GrantTokens, Depends(json_body(GrantTokens, after=service_of))],
) -> Response:
    """Grant tokens to an account, once per reference; a repeated grant returns the first one."""
    entry = state.phoenix.accounts.grant(
        UserId(body.user_id), body.amount, reference=body.reference, actor=Actor.SERVICE
    )
    return json_response(TransactionView.of(entry))
