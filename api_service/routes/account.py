"""The caller's account and ledger."""

from functools import partial

from fastapi import APIRouter, Response

from api_service.dependencies import OwnerDep, StateDep
from api_service.ledger_views import OwnTransactionView, Transactions
from api_service.one_hop import OneHopRoute
from api_service.openapi import PAGED, SIGNED_IN, problems
from api_service.paging import PageQueryDep, paginate
from api_service.responses import AccountView, json_response
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
    """List every movement of your tokens, newest first, each with its creation as it is now."""
    list_id, reading = f"ledger {owner.user_id}", state.phoenix.reading
    listed = paginate(
        partial(reading.ledger, owner.user_id),
        query.page(list_id),
        list_id=list_id,
        sort_key=lambda entry: Cursor(entry.sequence, entry.entry_id),
    )
    entries = [each.parse() for each in listed.items]
    creations = reading.moved_for(entries, owner=owner.user_id)
    views = map(OwnTransactionView.joined, entries, creations)
    return json_response(Transactions(transactions=[*views], next_cursor=listed.next_cursor()))
