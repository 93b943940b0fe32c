"""Timelines: everything that happened to a creation, in order, for operators.

Only reads. It joins the creation's history with the ledger and the acts of operators. A creation of an
older release has no history, and a deleted one only its ledger: then what is known is shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from shared.domain.brief import CREATION_ID
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import CreationNotFound
from shared.domain.failure import FailureCode
from shared.domain.history import AS_SCHEDULED, Event, Step
from shared.domain.keys import CreationId, Key, UserId
from shared.domain.ledger import (
    Actor,
    EntryType,
    LedgerEntry,
    debit_id,
    entry_key,
    grant_id,
    refund_id,
)
from shared.domain.operating import OperatorAct, Verb
from shared.lifecycle.replaying import replay_reference
from shared.lifecycle.statements import counted
from shared.ports.store import Found, Page, Store

RUNS_MAX = 50
"""How many runs are shown, the last ones."""
ACTS_MAX = 200
"""How many acts of operators are shown, the last ones."""
WHY = {
    FailureCode.POLICY_VIOLATION: "the generator refused the prompt: it breaks the content policy",
    FailureCode.SAFETY_FILTER: "the generator's safety filter blocked the result",
    FailureCode.GENERATOR_REJECTED: "the model does not accept this request",
    FailureCode.GENERATOR_RATE_LIMITED: "the generator accepted no more requests until the deadline",
    FailureCode.GENERATOR_UNAVAILABLE: "the generator was unavailable, and all retries were used",
    FailureCode.GENERATOR_BAD_OUTPUT: "the generator returned a file that is unusable",
    FailureCode.GENERATOR_SILENT: "the generator never answered the start",
    FailureCode.STORAGE_FAILED: "the result could not be stored",
    FailureCode.QUEUE_UNAVAILABLE: "the queue was unavailable, so that no job could start",
    FailureCode.DEADLINE_EXCEEDED: "it was not ready by its deadline",
    FailureCode.WORKER_LOST: "it kept getting interrupted",
    FailureCode.CANCELLED: "its owner cancelled it",
    FailureCode.INTERNAL: "of an error on our side",
}
BY_ACTOR = {
    Actor.OWNER: "its owner cancelled it",
    Actor.JOB: "a job could not finish it",
    Actor.SWEEP: "it was not ready by its deadline, or it kept getting interrupted",
    Actor.API: "the queue was unavailable, so that no job could start",
}
"""What the refund of an earlier run says without a history."""
ACTORS: Mapping[str, Actor] = {
    Step.PUBLISHED: Actor.OWNER,
    Step.UNPUBLISHED: Actor.OWNER,
    Step.REQUEUED: Actor.SWEEP,
}
"""Who took a step; all others are the job's, or have a ledger entry of the same time."""
PAID_BY: Mapping[str, EntryType] = {
    Step.OPENED: EntryType.DEBIT,
    Step.DEBITED_AGAIN: EntryType.DEBIT,
    Step.FAILED: EntryType.REFUND,
}
TASK = "task"
TASK_STEPS = frozenset({Step.OPENED, Step.DEBITED_AGAIN})
RANK = {"grant": 0, "debit": 1, "task": 2, "failed": 4, "refund": 5, "delete": 6}
"""The order of what happened at one time."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    at: datetime
    what: str
    detail: str
    actor: str


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A creation's moments, oldest first; `creation` is None if it was deleted."""

    creation_id: CreationId
    user_id: UserId
    creation: Creation | None
    moments: tuple[Moment, ...]


@dataclass(frozen=True)
class Timelines:
    store: Store

    def of(self, creation_id: str) -> Timeline:
        """Return a creation's timeline, or raise `CreationNotFound` if it never existed."""
        if not CREATION_ID.fullmatch(creation_id):
            raise CreationNotFound
        id_ = CreationId(creation_id)
        creation = self.store.get(creation_key(id_))
        entries = self._entries(id_, creation)
        user_id = creation.user_id if creation else next((e.user_id for e in entries), None)
        if user_id is None:
            raise CreationNotFound
        acts = [each.parse() for each in self.store.acts_of(id_, Page(ACTS_MAX))]
        history = creation.history if creation else ()
        failures = {each.at: each.detail for each in history if each.what == Step.FAILED}
        if creation and creation.error:
            failures.setdefault(creation.updated_at, creation.error.code)
        moments = [
            *chain.from_iterable(_of_event(each, entries, acts) for each in history),
            *(_of_entry(each, failures) for each in entries),
            *_of_acts(acts),
            *(_of_fields(creation) if creation and not history else ()),
        ]
        moments.sort(key=lambda each: (each.at, RANK.get(each.what, 3)))
        return Timeline(creation_id=id_, user_id=user_id, creation=creation, moments=tuple(moments))

    def _entries(self, id_: CreationId, creation: Creation | None) -> list[LedgerEntry]:
        """Return the debits and refunds, and the grant of a replay."""
        last = creation.run_number if creation else self._last_run(id_)
        runs = range(max(1, last - RUNS_MAX + 1), last + 1)
        ids = [grant_id(replay_reference(id_))]
        for run in runs:
            ids += [debit_id(id_, run), refund_id(id_, run)]
        found = self.store.found([entry_key(each) for each in ids])
        entries = [_get(found, entry_key(each)) for each in ids]
        return [each for each in entries if each is not None]

    def _last_run(self, id_: CreationId) -> int:
        """Return the number of debits of a deleted creation, which only the ledger knows."""
        first = 1
        while True:
            keys = [entry_key(debit_id(id_, run)) for run in range(first, first + RUNS_MAX)]
            count = len(self.store.found(keys).documents)
            if count < RUNS_MAX:
                return first + count - 1
            first += RUNS_MAX


def _get(found: Found, key: Key[Any]) -> Any:  # noqa: ANN401 (the key's type)
    return found.get(key)


def _of_event(
    event: Event, entries: Sequence[LedgerEntry], acts: Sequence[OperatorAct]
) -> Iterator[Moment]:
    """Yield the event, unless it is an operator's act, which says the same with its reason."""
    by_operators = {each.created_at for each in acts if each.verb is Verb.UNPUBLISH}
    if event.what == Step.UNPUBLISHED and event.at in by_operators:
        return
    actor: str = ACTORS.get(event.what, Actor.JOB)
    if event.detail.endswith(AS_SCHEDULED):
        actor = Actor.SWEEP
    if (entry_type := PAID_BY.get(event.what)) is not None:
        paid = (each for each in entries if each.entry_type is entry_type)
        actor = next((each.actor for each in paid if each.created_at == event.at), actor)
    what = TASK if event.what in TASK_STEPS else event.what
    yield Moment(at=event.at, what=what, detail=event.detail, actor=str(actor))


def _of_entry(entry: LedgerEntry, failures: Mapping[datetime, str]) -> Moment:
    tokens = counted(entry.amount_tokens, "token")
    why = _why(failures.get(entry.created_at, "")) or BY_ACTOR.get(entry.actor, "it failed")
    details = {
        EntryType.DEBIT: f"{tokens} charged",
        EntryType.GRANT: f"{tokens} granted for a replay",
        EntryType.REFUND: f"{tokens} came back because {why}",
    }
    return Moment(
        at=entry.created_at,
        what=entry.entry_type.value,
        detail=f"{details[entry.entry_type]}; balance {entry.balance_after_tokens}",
        actor=entry.actor.value,
    )


def _why(code: str) -> str | None:
    return WHY[FailureCode(code)] if code in {*FailureCode} else None


def _of_acts(acts: Sequence[OperatorAct]) -> Iterator[Moment]:
    for each in acts:
        detail = f"{each.who}: {each.reason}"
        yield Moment(
            at=each.created_at, what=each.verb.value, detail=detail, actor=Actor.OPERATOR.value
        )


def _of_fields(creation: Creation) -> Iterator[Moment]:
    """Yield what the fields of a creation without a history say."""
    at, job = creation.updated_at, Actor.JOB.value
    if creation.intent is not None:
        detail = creation.model or ""
        yield Moment(at=creation.intent.at, what=Step.INTENT.value, detail=detail, actor=job)
    if creation.published_at is not None:
        detail = f"number {creation.publication_count}"
        published = Moment(
            at=creation.published_at, what="published", detail=detail, actor=Actor.OWNER.value
        )
        yield published
    detail = f"attempt {creation.attempt} {creation.lease_owner or ''}".rstrip()
    yield Moment(at=at, what=creation.status.value, detail=detail, actor=job)
