"""Routes of operators: explain accounts and creations, act on them, and list the acts."""

import hashlib
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Response
from pydantic import WithJsonSchema

from api_service.admin_requests import BecauseOf, OperatorGrant, Switch
from api_service.admin_views import (
    Acts,
    ActView,
    AdminCreations,
    AdminCreationView,
    AdminTransactions,
    AdminTransactionView,
    StatementView,
    SwitchView,
    TimelineView,
)
from api_service.dependencies import AppState, StateDep
from api_service.json_body import json_body
from api_service.one_hop import OneHopRoute
from api_service.openapi import OPERATOR_ERRORS, PAGED, WRITES, body_errors, problems, request_body
from api_service.operators import KEY_PARAMETER, OperatorDep, RequiredKeyDep, operator_of
from api_service.paging import Listed, PageQuery, PageQueryDep, paginate
from api_service.requests import ACCEPTED_KINDS
from api_service.responses import OneCreation, SweepView, json_response
from api_service.routes.actions import creation_response
from api_service.stats_view import WRONG_HOURS, HoursDep, StatsView
from shared.adapters.local.data_folder import EXECUTIONS, LOGS
from shared.domain import errors
from shared.domain.account import account_key
from shared.domain.creation import Creation
from shared.domain.errors import KeyReused, PhoenixError, ReferenceReused, WrongField
from shared.domain.keys import UserId
from shared.domain.kind import Kind
from shared.domain.ledger import LedgerEntry
from shared.ports.store import Cursor
from shared.settings import GCPBackend

router = APIRouter(route_class=OneHopRoute, tags=["operators"])

LOGS_PAGE = "https://console.cloud.google.com/logs/query"


def _reads(*more: PhoenixError) -> dict[str, Any]:
    return {"responses": problems(*OPERATOR_ERRORS, *more)}


def _writes(body: type[Any] | None, *more: PhoenixError, **extra: Any) -> dict[str, Any]:  # noqa: ANN401 (FastAPI's own arguments)
    """Return the options of a route that acts, with a body that is required."""
    wrong_body = body_errors("reason", "use 1 to 500 characters") if body else ()
    description = request_body(body) if body else {}
    return {
        "responses": problems(*OPERATOR_ERRORS, *WRITES, *wrong_body, *more),
        "openapi_extra": description | extra,
    }


# Numbers


@router.get("/api/admin/stats", response_model=StatsView, **_reads(WRONG_HOURS))
def stats(state: StateDep, _: OperatorDep, hours: HoursDep) -> Response:
    """Get the numbers of the last hours; the newest outcomes follow within two minutes."""
    numbers = state.phoenix.statistics.of(hours)
    paused = {kind: state.phoenix.operating.is_paused(kind) for kind in Kind}
    return json_response(StatsView.of(numbers, paused))


# Accounts


def _known(state: AppState, user_id: str) -> UserId:
    """Return the id of an account, or raise `AccountNotFound`, also for a username."""
    key = account_key(UserId(user_id))
    if not key.can_exist or state.phoenix.ports.store.get(key) is None:
        raise errors.AccountNotFound
    return UserId(user_id)


def _ledger(state: AppState, user_id: UserId, query: PageQuery) -> Listed[LedgerEntry]:
    list_id = f"admin ledger {user_id}"
    return paginate(
        partial(state.phoenix.reading.ledger, user_id),
        query.page(list_id),
        list_id=list_id,
        sort_key=lambda entry: Cursor(entry.sequence, entry.entry_id),
    )


def _creations(state: AppState, user_id: UserId, query: PageQuery) -> Listed[Creation]:
    list_id = f"admin creations {user_id}"
    return paginate(
        partial(state.phoenix.ports.store.created_by, user_id),
        query.page(list_id),
        list_id=list_id,
        sort_key=lambda creation: Cursor(creation.created_at, creation.creation_id),
    )


@router.get(
    "/api/admin/accounts/{user_id:path}/ledger",
    response_model=AdminTransactions,
    **_reads(errors.AccountNotFound(), *PAGED),
)
def ledger(state: StateDep, _: OperatorDep, query: PageQueryDep, user_id: str) -> Response:
    """List every movement of an account's tokens, newest first."""
    listed = _ledger(state, _known(state, user_id), query)
    return json_response(state.views.page("transactions", listed, AdminTransactionView.of))


@router.get(
    "/api/admin/accounts/{user_id:path}/creations",
    response_model=AdminCreations,
    **_reads(errors.AccountNotFound(), *PAGED),
)
def creations(state: StateDep, _: OperatorDep, query: PageQueryDep, user_id: str) -> Response:
    """List an account's creations in every state, newest first."""
    listed = _creations(state, _known(state, user_id), query)
    view = partial(state.views.page, "creations", listed, AdminCreationView.of)
    return json_response(view(state.new_links()))


@router.get(
    "/api/admin/accounts/{who:path}",
    response_model=StatementView,
    **_reads(errors.AccountNotFound(), errors.StoreContention()),
)
def account(state: StateDep, _: OperatorDep, who: str) -> Response:
    """Explain the account of a username, an email address or a user id."""
    statement = state.phoenix.statements.of(who)
    user_id, links, first = statement.account.user_id, state.new_links(), PageQuery()
    entries, made = _ledger(state, user_id, first), _creations(state, user_id, first)
    view = StatementView.of(
        statement,
        AdminTransactions(
            transactions=[AdminTransactionView.of(each.parse()) for each in entries.items],
            next_cursor=entries.next_cursor(),
        ),
        AdminCreations(
            creations=[AdminCreationView.of(each.parse(), links) for each in made.items],
            next_cursor=made.next_cursor(),
        ),
    )
    return json_response(view)


# Creations


@router.get(
    "/api/admin/creations/{creation_id:path}",
    response_model=TimelineView,
    **_reads(errors.CreationNotFound()),
)
def creation(state: StateDep, _: OperatorDep, creation_id: str) -> Response:
    """Return everything that happened to a creation, oldest first."""
    timeline = state.phoenix.timelines.of(creation_id)
    url, hint = _logs(state, timeline.creation_id)
    view = TimelineView.of(timeline, state.new_links(), logs_url=url, logs_hint=hint)
    return json_response(view)


def _logs(state: AppState, creation_id: str) -> tuple[str | None, str | None]:
    """Return where the log lines of a creation are: an address in the cloud, else a command."""
    backend = state.phoenix.settings.backend
    if isinstance(backend, GCPBackend):
        query = quote(f'jsonPayload.creation_id="{creation_id}"', safe="")
        return f"{LOGS_PAGE};query={query}?project={backend.project}", None
    files = f"{backend.data / LOGS} {backend.data / EXECUTIONS / LOGS}"
    return None, f"grep -rh {creation_id} {files}"


_ON_CREATION = (errors.CreationNotFound(), errors.IllegalTransition(status="pending"))
BecauseDep = Annotated[BecauseOf, Depends(json_body(BecauseOf, after=operator_of))]


@router.post(
    "/api/admin/creations/{creation_id:path}/unpublish",
    response_model=OneCreation,
    **_writes(BecauseOf, *_ON_CREATION),
)
def unpublish(
    state: StateDep, operator: OperatorDep, body: BecauseDep, creation_id: str
) -> Response:
    """Take a publication down, and end a draft's sharing and schedule; its owner keeps the draft."""
    operating = state.phoenix.operating
    with state.page_cache.invalidating():
        draft = operating.unpublish(creation_id, reason=body.reason, who=operator.user_id)
    return creation_response(state, draft)


@router.post(
    "/api/admin/creations/{creation_id:path}/delete",
    status_code=HTTPStatus.NO_CONTENT,
    **_writes(BecauseOf, *_ON_CREATION),
)
def delete(state: StateDep, operator: OperatorDep, body: BecauseDep, creation_id: str) -> Response:
    """Delete a creation that is not in progress, with its files."""
    operating = state.phoenix.operating
    with state.page_cache.invalidating():
        operating.delete(creation_id, reason=body.reason, who=operator.user_id)
    return Response(status_code=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})


# Acts


@router.post(
    "/api/admin/grants",
    response_model=AdminTransactionView,
    **_writes(
        OperatorGrant, errors.AccountNotFound(), errors.KeyReused(), parameters=[KEY_PARAMETER]
    ),
)
def grant(
    state: StateDep,
    operator: OperatorDep,
    body: Annotated[OperatorGrant, Depends(json_body(OperatorGrant, after=operator_of))],
    key: RequiredKeyDep,
) -> Response:
    """Grant tokens to an account, once per Idempotency-Key."""
    digest = hashlib.sha256(f"{operator.user_id} {key}".encode()).hexdigest()
    try:
        entry = state.phoenix.operating.grant(
            UserId(body.user_id),
            body.amount,
            reference=f"operator {digest[:32]}",
            reason=body.reason,
            who=operator.user_id,
        )
    except ReferenceReused as error:
        raise KeyReused from error
    return json_response(AdminTransactionView.of(entry))


@router.post("/api/admin/sweep", response_model=SweepView, **_writes(None))
def sweep(state: StateDep, operator: OperatorDep) -> Response:
    """Sweep now, as the schedule does every minute."""
    return json_response(SweepView(**state.phoenix.operating.sweep(who=operator.user_id)))


@router.post(
    "/api/admin/switches/{kind}",
    response_model=SwitchView,
    **_writes(Switch),
)
def switch(
    state: StateDep,
    operator: OperatorDep,
    body: Annotated[Switch, Depends(json_body(Switch, after=operator_of))],
    kind: Annotated[str, WithJsonSchema({"enum": [*Kind]})],
) -> Response:
    """Pause or resume new creations of a kind; paid ones continue."""
    if kind not in {*Kind}:
        raise WrongField(field="kind", reason=ACCEPTED_KINDS)
    paused = body.is_paused
    state.phoenix.operating.switch(Kind(kind), is_paused=paused, who=operator.user_id)
    return json_response(SwitchView(type=Kind(kind), is_paused=paused))


@router.get("/api/admin/acts", response_model=Acts, **_reads(*PAGED))
def acts(state: StateDep, _: OperatorDep, query: PageQueryDep) -> Response:
    """List the acts of operators, newest first."""
    list_id = "admin acts"
    listed = paginate(
        state.phoenix.operating.acts,
        query.page(list_id),
        list_id=list_id,
        sort_key=lambda act: Cursor(act.created_at, act.act_id),
    )
    return json_response(state.views.page("acts", listed, ActView.of))
