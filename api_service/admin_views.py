"""Response bodies of the operators' routes."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, Self

from api_service.errors import error_text
from api_service.ledger_views import TransactionView
from api_service.links import Links
from api_service.responses import CreationView, PerKind, Time, View
from shared.domain.creation import Creation
from shared.domain.kind import Kind
from shared.domain.ledger import EntryType
from shared.domain.operating import OperatorAct, Verb
from shared.lifecycle.replaying import Replayed
from shared.lifecycle.statements import Statement
from shared.lifecycle.timelines import Timeline


class AdminTransactionView(TransactionView):
    """One movement, and who caused it."""

    actor: str


class AdminTransactions(View):
    transactions: list[AdminTransactionView]
    next_cursor: str | None


class AdminCreationView(CreationView):
    """A creation as operators see it: with its owner."""

    user_id: str
    username: str

    @classmethod
    def of(cls, creation: Creation, links: Links) -> Self:
        owners = CreationView.of(creation, links)
        return cls(**vars(owners), user_id=creation.user_id, username=creation.username)


class AdminCreations(View):
    creations: list[AdminCreationView]
    next_cursor: str | None


class ViolationView(View):
    invariant: str
    document: str
    what: str


class StatementView(View):
    """An account, everything that explains its balance, and the first pages of its lists."""

    user_id: str
    username: str
    token_balance: int
    granted: int
    paid: int
    returned: int
    in_flight: PerKind
    welcomed: bool
    created_at: Time
    is_right: bool
    verdict: str
    violations: list[ViolationView]
    message: str
    ledger: AdminTransactions
    creations: AdminCreations

    @classmethod
    def of(cls, statement: Statement, ledger: AdminTransactions, creations: AdminCreations) -> Self:
        return cls.from_document(
            statement.account,
            token_balance=statement.account.balance_tokens,
            granted=statement.tokens_of(EntryType.GRANT),
            paid=statement.tokens_of(EntryType.DEBIT),
            returned=statement.tokens_of(EntryType.REFUND),
            is_right=statement.is_right,
            verdict=statement.verdict,
            violations=[ViolationView(**vars(each)) for each in statement.violations],
            message=statement.message,
            ledger=ledger,
            creations=creations,
        )


class MomentView(View):
    at: Time
    what: str
    detail: str
    actor: str


class TimelineView(View):
    """A creation's facts, null if it was deleted, and what happened to it, oldest first."""

    creation_id: str
    user_id: str
    creation: AdminCreationView | None
    timeline: list[MomentView]
    logs_url: str | None
    logs_hint: str | None

    @classmethod
    def of(
        cls, timeline: Timeline, links: Links, *, logs_url: str | None, logs_hint: str | None
    ) -> Self:
        creation = timeline.creation
        return cls(
            creation_id=timeline.creation_id,
            user_id=timeline.user_id,
            creation=AdminCreationView.of(creation, links) if creation else None,
            timeline=[MomentView(**vars(each)) for each in timeline.moments],
            logs_url=logs_url,
            logs_hint=logs_hint,
        )


class ReplayedView(View):
    """What became of one failure; `code` and `reason` say why it was skipped."""

    creation_id: str
    user_id: str
    type: Kind
    failed_at: Time
    outcome: Literal["replayed", "skipped"]
    cost: int
    granted: int
    code: str | None
    reason: str | None

    @classmethod
    def of(cls, replayed: Replayed) -> Self:
        error = replayed.error
        return cls.from_document(
            replayed,
            type=replayed.kind,
            outcome="skipped" if error else "replayed",
            cost=replayed.tokens,
            granted=replayed.granted_tokens,
            code=error.code if error else None,
            reason=error_text(error) if error else None,
        )


class ReplayView(View):
    """Results, oldest failure first.

    `nextCursor` continues after the last one if `limit` ended the list, else it is null.
    """

    results: list[ReplayedView]
    next_cursor: str | None


class ReplayPreviewView(View):
    """What a replay with this `cursor` would look at.

    `isComplete` is false if there are more than 1,000 failures: then these are the oldest 1,000.
    """

    count: int
    cost: int
    count_by_type: PerKind
    is_complete: bool
    cursor: str

    @classmethod
    def of(cls, found: Sequence[Creation], *, is_complete: bool, cursor: str) -> Self:
        kinds = Counter(each.kind for each in found)
        return cls(
            count=len(found),
            cost=sum(each.cost_tokens for each in found),
            count_by_type=PerKind(image=kinds[Kind.IMAGE], video=kinds[Kind.VIDEO]),
            is_complete=is_complete,
            cursor=cursor,
        )


class SwitchView(View):
    type: Kind
    is_paused: bool


class ActView(View):
    """An operator's act. `who` is a user id, or `cli`."""

    id: str
    verb: Verb
    who: str
    creation_id: str | None
    user_id: str | None
    type: Kind | None
    tokens: int | None
    reason: str
    created_at: Time

    @classmethod
    def of(cls, act: OperatorAct) -> Self:
        return cls.from_document(act, id=act.act_id, type=act.kind)


class Acts(View):
    acts: list[ActView]
    next_cursor: str | None
