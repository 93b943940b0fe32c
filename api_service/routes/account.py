"""The caller's own account."""

from fastapi import APIRouter, Response

from api_service.answers import answer, problems
from api_service.dependencies import OwnerDep, PhoenixDep
from api_service.views import AccountView
from shared.domain.errors import (
    AccountDisabled,
    IdentityUnavailable,
    StoreUnavailable,
    Unauthenticated,
)

router = APIRouter(tags=["account"])


@router.get(
    "/api/me",
    response_model=AccountView,
    responses=problems(
        Unauthenticated(), AccountDisabled(), StoreUnavailable(), IdentityUnavailable()
    ),
)
def me(phoenix: PhoenixDep, owner: OwnerDep) -> Response:
    """Show one's own balance and what is in the making."""
    account = phoenix.accounts.of(owner)
    return answer(AccountView.of(account, phoenix.settings.costs))
