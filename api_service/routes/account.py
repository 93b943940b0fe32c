"""The caller's own account and ledger."""

from functools import partial

from fastapi import APIRouter, Response

from api_service.answers import answer
from api_service.cursors import AskedPageDep, listed
from api_service.dependencies import OwnerDep, PhoenixDep
from api_service.openapi import PAGED, SIGNED_IN, problems
from api_service.views import AccountView, Transactions, TransactionView
from shared.ports.store import Cursor

router = APIRouter(tags=["account"])


@router.get("/api/me", response_model=AccountView, responses=problems(*SIGNED_IN))
def me(phoenix: PhoenixDep, owner: OwnerDep) -> Response:
    """Show one's own balance and what is in the making."""
    account = phoenix.accounts.of(owner)
    return answer(AccountView.of(account, phoenix.settings.costs))


@router.get(
    "/api/me/transactions", response_model=Transactions, responses=problems(*SIGNED_IN, *PAGED)
)
def transactions(phoenix: PhoenixDep, owner: OwnerDep, asked: AskedPageDep) -> Response:
    """List every movement of one's own tokens, newest first."""
    this_list = f"ledger {owner.user_id}"
    page = asked.of(this_list)
    entries, next_cursor = listed(
        partial(phoenix.ports.store.ledger, owner.user_id),
        page,
        of=this_list,
        place=lambda e: Cursor(e.sequence, e.entry_id),
    )
    view = Transactions(
        transactions=[TransactionView.of(entry) for entry in entries], next_cursor=next_cursor
    )
    return answer(view)
