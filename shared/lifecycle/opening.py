"""Opening: debit creations' first or next run, then create their tasks.

Creations, balance and ledger entries change in one transaction. A crash before the tasks leaves paid
creations without one: the sweep creates them. Variations that one request opens are a group, whose
id is the first one's; each then goes its own way.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from shared.domain.account import Account, account_key
from shared.domain.brief import COUNT_MAX, CREATION_ID_LENGTH, Brief, creation_id_for
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import (
    CreationGone,
    CreationNotFound,
    KeyReused,
    MediaUnavailable,
    OutcomeUnknown,
    StorageFull,
    Unavailable,
)
from shared.domain.keys import CreationId, Key, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, debit_id, entry_key
from shared.domain.operating import OperatorAct, Reason, Verb
from shared.domain.policy import Costs, Policy
from shared.domain.status import Status
from shared.lifecycle.accounts import Accounts
from shared.lifecycle.admission import Admission
from shared.lifecycle.reading import Reading, owned
from shared.lifecycle.task_creation import TaskCreation
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock, Ids
from shared.ports.identity import Caller
from shared.ports.media_store import MediaStore
from shared.ports.store import Decision, Found, unchanged, write

log = logging.getLogger(__name__)


class _NoAccountYet(Exception):
    """The caller has no account, or one that is due a welcome grant."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What one request paid for, with its owner's balance; a replay changed nothing."""

    creations: tuple[Creation, ...]
    """One, or the variations of a group that are left, in order."""
    balance_tokens: int
    is_replay: bool = False

    @property
    def creation(self) -> Creation:
        return self.creations[0]


@dataclass(frozen=True)
class Opening:
    transactions: Transactions
    reading: Reading
    accounts: Accounts
    admission: Admission
    tasks: TaskCreation
    media: MediaStore
    clock: Clock
    ids: Ids
    costs: Costs
    policy: Policy

    def open(self, brief: Brief, *, caller: Caller, idempotency_key: str | None = None) -> Opened:
        """Debit the caller and create `brief.count` creations with their tasks, all or none.

        A known key changes nothing.

        Raises:
            KeyReused, CreationGone: the key was used before.
            Paused, SpendingLimit, QueueFull, StorageFull, MediaUnavailable: nothing was written.
            TooManyUnfinished, TooManyFree, TooManyOpened, InsufficientTokens: nothing was written.
            StoreUnavailable, StoreContention: nothing was written.
            NotQueued: all tokens were refunded.
            OutcomeUnknown: see its `creation_id`, which is the first one's.
        """
        ids = [self._new_id(caller, idempotency_key, n + 1) for n in range(brief.count)]
        refusal = self._refusal(brief.kind, count=brief.count)
        try:
            opened = self._welcome_and_debit(ids, brief, caller, refusal=refusal)
        except CreationGone:
            self._check_larger_group(caller, idempotency_key, brief.count)
            raise
        return opened if opened.is_replay else self._with_tasks(opened)

    def retry(self, creation_id: str, *, owner: UserId, run_number: int | None = None) -> Opened:
        """Debit a failed creation for its next run and create its task.

        `run_number` is the failed run that the owner saw: if a later one has begun, another click
        was faster, and the creation is returned unchanged. Raises `CreationNotFound`,
        `IllegalTransition`, or as `open`.
        """
        failed = self.reading.own_creation(creation_id, owner=owner)
        opened = self._debit_again(
            failed,
            run_number=min(run_number or failed.run_number, failed.run_number),
            actor=Actor.OWNER,
            refusal=self._refusal(failed.kind),
        )
        return opened if opened.is_replay else self._with_tasks(opened)

    def rerun(self, creation_id: CreationId, *, execution: str) -> Opened | None:
        """Debit a failed creation for an operator, once per execution; no task is needed.

        The debit's ledger entry names the execution. A restart of it finds that entry and returns
        None, even if its run has been refunded since. Raises as `retry`.
        """
        store = self.transactions.store
        creation = store.get(creation_key(creation_id))
        if creation is None or creation.status is not Status.FAILED:
            return None
        runs = range(1, creation.run_number + 1)
        entries = (store.get(entry_key(debit_id(creation_id, run))) for run in runs)
        if any(entry is not None and entry.reference == execution for entry in entries):
            return None
        return self._debit_again(
            creation, run_number=creation.run_number, actor=Actor.OPERATOR, reference=execution
        )

    def replay(self, kind: Kind, debit: Callable[[Unavailable | None], Opened]) -> Opened:
        """Commit a debit that another use case decides, and create its task.

        `debit` gets the reason why nothing new of this kind may be paid now, if there is one.
        Raises what `debit` does, or as `retry` without a task.
        """
        opened = debit(self._refusal(kind))
        return opened if opened.is_replay else self._with_tasks(opened)

    def _new_id(self, caller: Caller, idempotency_key: str | None, number: int) -> CreationId:
        if idempotency_key is None:
            return CreationId(self.ids.random_id(CREATION_ID_LENGTH))
        return creation_id_for(caller.user_id, idempotency_key, number)

    def _check_larger_group(self, caller: Caller, idempotency_key: str | None, count: int) -> None:
        """Raise `KeyReused` if variations are left that only a larger count names."""
        if idempotency_key is not None and count < COUNT_MAX:
            numbers = range(count + 1, COUNT_MAX + 1)
            others = [creation_id_for(caller.user_id, idempotency_key, n) for n in numbers]
            if self.transactions.store.found([*map(creation_key, others)]).documents:
                raise KeyReused

    def _refusal(self, kind: Kind, *, count: int = 1) -> Unavailable | None:
        """Return why no new runs of this kind may be paid now, or None.

        It is read before the transaction, which applies it to a debit and not to a replay.
        """
        if (refusal := self.admission.refusal(kind)) is not None:
            return refusal
        try:
            if self.media.has_room(count * self.policy.room_bytes(kind)):
                return None
        except MediaUnavailable as error:
            return error
        log.error("storage_full", extra={"kind": kind})
        return StorageFull()

    def _welcome_and_debit(
        self, ids: Sequence[CreationId], brief: Brief, caller: Caller, *,
        refusal: Unavailable | None,
    ) -> Opened:  # fmt: skip
        try:
            return self._debit_and_create(ids, brief, caller, refusal=refusal)
        except _NoAccountYet:
            self.accounts.create(caller)
        return self._debit_and_create(ids, brief, caller, refusal=refusal, is_welcomed=True)

    def _debit_and_create(
        self,
        ids: Sequence[CreationId],
        brief: Brief,
        caller: Caller,
        *,
        refusal: Unavailable | None,
        is_welcomed: bool = False,
    ) -> Opened:
        at = self.clock.now()
        user_key, keys = account_key(caller.user_id), [*map(creation_key, ids)]
        debit_key = entry_key(debit_id(ids[0], 1))

        def decide(found: Found) -> Decision[Opened]:
            account, known = found.get(user_key), [*filter(None, map(found.get, keys))]
            if account is None or (not is_welcomed and self.accounts.owes_welcome(account, caller)):
                raise _NoAccountYet
            if known:
                if any(each.fingerprint != brief.fingerprint for each in known):
                    raise KeyReused
                return _replay(known, account)
            if found.get(debit_key) is not None:
                raise CreationGone
            if refusal is not None:
                raise refusal
            costs, policy = self.costs, self.policy
            group_id = ids[0] if len(ids) > 1 else None
            opened = partial(
                Creation.opened, account=account, brief=brief, costs=costs, policy=policy, at=at
            )
            creations = [opened(each, group_id=group_id) for each in ids]
            return self._debit(account, creations, actor=Actor.OWNER, at=at)

        return self._run([user_key, *keys, debit_key], decide, key=keys[0])

    def _debit_again(
        self,
        failed: Creation,
        *,
        run_number: int,
        actor: Actor,
        reference: str | None = None,
        refusal: Unavailable | None = None,
    ) -> Opened:
        """Debit the run after `run_number`; a `refusal` is raised where a debit would follow."""
        at = self.clock.now()
        user_key = account_key(failed.user_id)

        def decide(found: Found) -> Decision[Opened]:
            current, account = owned(found.get(failed.key), failed.user_id), found.get(user_key)
            if account is None:
                raise CreationNotFound
            if current.run_number > run_number:
                return _replay([current], account)
            again = current.debited_again(policy=self.policy, at=at)
            if refusal is not None:
                raise refusal
            return self._debit(account, [again], actor=actor, reference=reference, at=at)

        return self._run([failed.key, user_key], decide, key=failed.key)

    def _debit(
        self,
        account: Account,
        creations: Sequence[Creation],
        *,
        actor: Actor,
        reference: str | None = None,
        at: datetime,
    ) -> Decision[Opened]:
        """Write the creations, which differ only in their ids, as paid by this account."""
        first = creations[0]
        debited, entries = account.debited_for_each(
            [each.creation_id for each in creations],
            first.cost_tokens,
            kind=first.kind,
            debit=first.run_number,
            actor=actor,
            policy=self.policy,
            at=at,
        )
        named = [replace(entry, reference=reference) for entry in entries]
        opened = Opened(creations=tuple(creations), balance_tokens=debited.balance_tokens)
        reason = Reason(f"execution {reference}")
        acts = [OperatorAct.of_debit(Verb.RERUN, first, entries[0], reason)]
        is_rerun = actor is Actor.OPERATOR
        return write(debited, *creations, *named, *(acts if is_rerun else ()), result=opened)

    def _run(
        self,
        reading: Sequence[Key[Any]],
        decide: Callable[[Found], Decision[Opened]],
        *,
        key: Key[Creation],
    ) -> Opened:
        """Commit debits, and log them unless it is a replay. `key` is the first creation's."""

        def landed(found: Found, sent: Opened) -> bool:
            return any(found.get(each.key) == each for each in sent.creations)

        try:
            opened = self.transactions.run(reading, decide, landed=landed)
        except OutcomeUnknown as error:
            error.creation_id = CreationId(key.id)
            raise
        for creation in () if opened.is_replay else opened.creations:
            facts = {"creation_id": creation.creation_id, "kind": creation.kind}
            debit = {"debit": creation.run_number, "cost_tokens": creation.cost_tokens}
            log.info("creation_opened", extra={**facts, **debit})
        return opened

    def _with_tasks(self, opened: Opened) -> Opened:
        queued = self.tasks.create(opened.creations)
        balance_tokens = opened.balance_tokens + queued.refunded_tokens
        return replace(opened, creations=queued.creations, balance_tokens=balance_tokens)


def _replay(known: Sequence[Creation], account: Account) -> Decision[Opened]:
    balance_tokens = account.balance_tokens
    return unchanged(Opened(creations=tuple(known), balance_tokens=balance_tokens, is_replay=True))
