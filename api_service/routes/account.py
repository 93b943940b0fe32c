"""The caller's account and ledger."""

from functools import partial

from fastapi import APIRouter, Response

from api_service.dependencies import OwnerDep, StateDep
from api_service.one_hop import OneHopRoute
from api_service.openapi import PAGED, SIGNED_IN, problems
from api_service.paging import PageQueryDep, paginate
from api_service.responses import AccountView, Transactions, TransactionView, json_response
from shared.ports.store import Cursor

router = APIRouter(route_class=OneHopRoute, tags=["account"])


@router.get("/api/me", response_model=AccountView, responses=problems(*SIGNED_IN))
def me(state: StateDep, owner: OwnerDep) -> Response:
    """Get your balance and your counts of creations in progress."""
    account = state.phoenix.accounts.of(owner)
    return json_response(AccountView.of(account, state.phoenix.settings.costs))


@router.get(
    "/api/me/transactions", response_model=Transactions, responses=problems(*SIGNED_IN, *PAGED)
)
def transactions(state: StateDep, owner: OwnerDep, query: PageQueryDep) -> Response:
    """List every movement of your tokens, newest first."""
    list_id = f"ledger {owner.user_id}"
    listed = paginate(
        partial(state.phoenix.reading.ledger, owner.user_id),
        query.page(list_id),
        list_id=list_id,
        sort_key=lambda entry: Cursor(entry.sequence, entry.entry_id),
    )
    return json_response(state.views.page("transactions", listed, TransactionView.of))
