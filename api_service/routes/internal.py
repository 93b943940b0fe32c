"""What only this installation's own services call."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api_service.answers import answer
from api_service.bodies import json_body
from api_service.dependencies import PhoenixDep, ServiceDep, service_of
from api_service.openapi import GRANT, has_body, problems, request_body
from api_service.schemas import GrantTokens
from api_service.views import SweepView, TransactionView
from shared.domain.errors import (
    AccountNotFound,
    IdentityUnavailable,
    ReferenceReused,
    StoreUnavailable,
    Unauthenticated,
    WrongServiceAccount,
)
from shared.domain.keys import UserId
from shared.domain.ledger import Actor

router = APIRouter(prefix="/internal", tags=["internal"])

_SERVICE_ONLY = (
    Unauthenticated(),
    WrongServiceAccount(),
    StoreUnavailable(),
    IdentityUnavailable(),
)

GrantBody = Annotated[GrantTokens, Depends(json_body(GrantTokens, after=service_of))]


@router.post("/cleanup", response_model=SweepView, responses=problems(*_SERVICE_ONLY))
def cleanup(phoenix: PhoenixDep, _service: ServiceDep) -> Response:
    """Sweep once: refund what is overdue, enqueue what was lost, delete what must go."""
    return answer(SweepView(**phoenix.sweeping.sweep()))


@router.post(
    "/tokens/grant",
    response_model=TransactionView,
    responses=problems(
        *_SERVICE_ONLY,
        *has_body("amount", "use 1 to 100000"),
        AccountNotFound(),
        ReferenceReused(),
    ),
    openapi_extra=request_body(GRANT),
)
def grant(phoenix: PhoenixDep, _service: ServiceDep, body: GrantBody) -> Response:
    """Give an account tokens, once per reference; the same grant again answers the same."""
    entry = phoenix.accounts.grant(
        UserId(body.user_id), body.amount, reference=body.reference, actor=Actor.SERVICE
    )
    return answer(TransactionView.of(entry))
