"""Opening: debit a creation's first or next run, then create its task.

Creation, balance and ledger entry change in one transaction. A crash before the task leaves a paid
creation without one: the sweep creates it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.domain.account import Account, account_key
from shared.domain.brief import CREATION_ID_LENGTH, Brief, creation_id_for
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import (
    CreationGone,
    CreationNotFound,
    KeyReused,
    MediaUnavailable,
    NotQueued,
    OutcomeUnknown,
    QueueUnavailable,
    StorageFull,
    Unavailable,
)
from shared.domain.keys import CreationId, Key, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, debit_id, entry_key
from shared.domain.policy import Costs, Policy
from shared.domain.status import Status
from shared.lifecycle.accounts import Accounts
from shared.lifecycle.admission import Admission
from shared.lifecycle.failing import Failing, Refund
from shared.lifecycle.reading import Reading, owned
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock, Ids
from shared.ports.identity import Caller
from shared.ports.media_store import MediaStore
from shared.ports.store import Decision, Found, unchanged, write
from shared.ports.task_queue import TaskQueue

log = logging.getLogger(__name__)


class _NoAccountYet(Exception):
    """The caller has no account, or one that is due a welcome grant."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A paid creation with its owner's balance; a replay changed nothing."""

    creation: Creation
    balance_tokens: int
    is_replay: bool = False


@dataclass(frozen=True)
class Opening:
    transactions: Transactions
    reading: Reading
    accounts: Accounts
    failing: Failing
    admission: Admission
    queue: TaskQueue
    media: MediaStore
    clock: Clock
    ids: Ids
    costs: Costs
    policy: Policy

    def open(self, brief: Brief, *, caller: Caller, idempotency_key: str | None = None) -> Opened:
        """Debit the caller and create a creation with its task; a known key changes nothing.

        Raises:
            KeyReused, CreationGone: the key was used before.
            Paused, SpendingLimit, QueueFull, StorageFull, MediaUnavailable: nothing was written.
            TooManyUnfinished, TooManyFree, TooManyOpened, InsufficientTokens: nothing was written.
            StoreUnavailable, StoreContention: nothing was written.
            NotQueued: the tokens were refunded.
            OutcomeUnknown: see its `creation_id`.
        """
        if idempotency_key is None:
            creation_id = CreationId(self.ids.random_id(CREATION_ID_LENGTH))
        else:
            creation_id = creation_id_for(caller.user_id, idempotency_key)
        refusal = self._refusal(brief.kind)
        try:
            opened = self._debit_and_create(creation_id, brief, caller, refusal=refusal)
        except _NoAccountYet:
            self.accounts.create(caller)
            opened = self._debit_and_create(
                creation_id, brief, caller, refusal=refusal, is_welcomed=True
            )
        return opened if opened.is_replay else self._with_task(opened)

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
        return opened if opened.is_replay else self._with_task(opened)

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

    def _refusal(self, kind: Kind) -> Unavailable | None:
        """Return why no new run of this kind may be paid now, or None.

        It is read before the transaction, which applies it to a debit and not to a replay.
        """
        if (refusal := self.admission.refusal(kind)) is not None:
            return refusal
        try:
            if self.media.has_room(self.policy.room_bytes(kind)):
                return None
        except MediaUnavailable as error:
            return error
        log.error("storage_full", extra={"kind": kind})
        return StorageFull()

    def _debit_and_create(
        self,
        creation_id: CreationId,
        brief: Brief,
        caller: Caller,
        *,
        refusal: Unavailable | None,
        is_welcomed: bool = False,
    ) -> Opened:
        at = self.clock.now()
        user_key, key = account_key(caller.user_id), creation_key(creation_id)
        debit_key = entry_key(debit_id(creation_id, 1))

        def decide(found: Found) -> Decision[Opened]:
            account, known = found.get(user_key), found.get(key)
            if account is None or (not is_welcomed and self.accounts.owes_welcome(account, caller)):
                raise _NoAccountYet
            if known is not None:
                if known.fingerprint != brief.fingerprint:
                    raise KeyReused
                return _replay(known, account)
            if found.get(debit_key) is not None:
                raise CreationGone
            if refusal is not None:
                raise refusal
            costs, policy = self.costs, self.policy
            creation = Creation.opened(
                creation_id, account=account, brief=brief, costs=costs, policy=policy, at=at
            )
            return self._debit(account, creation, actor=Actor.OWNER, at=at)

        return self._run([user_key, key, debit_key], decide, key=key)

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
                return _replay(current, account)
            again = current.debited_again(policy=self.policy, at=at)
            if refusal is not None:
                raise refusal
            return self._debit(account, again, actor=actor, reference=reference, at=at)

        return self._run([failed.key, user_key], decide, key=failed.key)

    def _debit(
        self,
        account: Account,
        creation: Creation,
        *,
        actor: Actor,
        reference: str | None = None,
        at: datetime,
    ) -> Decision[Opened]:
        """Write the creation as paid by this account."""
        id_, kind, run = creation.creation_id, creation.kind, creation.run_number
        tokens, policy = creation.cost_tokens, self.policy
        debited, entry = account.debited(
            tokens, kind=kind, creation_id=id_, debit=run, actor=actor, policy=policy, at=at
        )
        opened = Opened(creation=creation, balance_tokens=debited.balance_tokens)
        return write(debited, creation, replace(entry, reference=reference), result=opened)

    def _run(
        self,
        reading: Sequence[Key[Any]],
        decide: Callable[[Found], Decision[Opened]],
        *,
        key: Key[Creation],
    ) -> Opened:
        """Commit a debit, and log it unless it is a replay."""
        try:
            opened = self.transactions.run(
                reading, decide, landed=lambda found, sent: found.get(key) == sent.creation
            )
        except OutcomeUnknown as error:
            error.creation_id = CreationId(key.id)
            raise
        if not opened.is_replay:
            creation = opened.creation
            facts = {"creation_id": creation.creation_id, "kind": creation.kind}
            debit = {"debit": creation.run_number, "cost_tokens": creation.cost_tokens}
            log.info("creation_opened", extra={**facts, **debit})
        return opened

    def _with_task(self, opened: Opened) -> Opened:
        """Create the task of a new debit, or refund the debit.

        Raises:
            NotQueued: the tokens were refunded.
            CreationGone: a task existed after all, and the owner has deleted the result.
            OutcomeUnknown: the refund's outcome is unknown; the sweep takes care of the creation.
        """
        id_, kind = opened.creation.creation_id, opened.creation.kind
        try:
            self.queue.enqueue(id_, kind=kind, number=opened.creation.task_number)
        except QueueUnavailable as error:
            facts = {"creation_id": id_, "kind": kind, "reason": error.reason}
            log.warning("enqueue_failed", extra=facts)
        else:
            return opened
        try:
            settlement = self.failing.fail_unqueued(opened.creation)
        except Unavailable as error:
            raise OutcomeUnknown(creation_id=id_, reason=str(error)) from error
        if settlement.refund is not Refund.NOT_DUE:
            raise NotQueued(creation_id=id_)
        if settlement.creation is None:
            raise CreationGone
        return replace(opened, creation=settlement.creation)


def _replay(creation: Creation, account: Account) -> Decision[Opened]:
    balance_tokens = account.balance_tokens
    return unchanged(Opened(creation=creation, balance_tokens=balance_tokens, is_replay=True))
