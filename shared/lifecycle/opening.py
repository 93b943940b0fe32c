"""Opening a creation: the debit, the creation and its ledger entry in one transaction, then a task.

A crash between the two leaves a paid creation without a task: the sweep makes one.
"""

import logging
from dataclasses import dataclass, replace

from shared.domain.account import Account, account_key
from shared.domain.brief import CREATION_ID_LENGTH, Brief, creation_id_for
from shared.domain.creation import Creation, creation_key
from shared.domain.errors import (
    CreationGone,
    KeyReused,
    MediaUnavailable,
    NotQueued,
    OutcomeUnknown,
    QueueUnavailable,
    StorageFull,
    Unavailable,
)
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, debit_id, entry_key
from shared.domain.policy import Costs, Policy
from shared.lifecycle.accounts import Accounts
from shared.lifecycle.admission import Admission
from shared.lifecycle.settling import Settling
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock, Ids
from shared.ports.identity import Caller
from shared.ports.media_store import MediaStore
from shared.ports.store import Decision, Found, unchanged, write
from shared.ports.task_queue import TaskQueue

log = logging.getLogger(__name__)

FIRST_TASK = 1


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A paid creation as it is now, with its owner's balance."""

    creation: Creation
    balance_tokens: int
    is_replay: bool = False


@dataclass(frozen=True)
class Opening:
    """Taking tokens for a creation."""

    transactions: Transactions
    accounts: Accounts
    settling: Settling
    admission: Admission
    queue: TaskQueue
    media: MediaStore
    clock: Clock
    ids: Ids
    costs: Costs
    policy: Policy

    def open(self, brief: Brief, *, caller: Caller, idempotency_key: str | None = None) -> Opened:
        """Debit the caller, create the creation and its task; the same key again changes nothing.

        Raises:
            KeyReused, CreationGone: the key was used before.
            Paused, SpendingLimit, QueueFull: nothing was written.
            TooManyUnfinished, TooManyFree, TooManyOpened: nothing was written.
            InsufficientTokens: nothing was written.
            StoreUnavailable, StoreContention: nothing was written.
            StorageFull, MediaUnavailable: nothing was written; a replay needs no room.
            NotQueued: the tokens are back.
            OutcomeUnknown: see its `creation_id`.
        """
        if idempotency_key is None:
            creation_id = CreationId(self.ids.random_id(CREATION_ID_LENGTH))
        else:
            creation_id = creation_id_for(caller.user_id, idempotency_key)
        refusal = self.refusal(brief.kind)
        opened = self._debit_and_create(creation_id, brief, caller, refusal=refusal)
        if opened is None:
            self.accounts.make(caller)
            opened = self._debit_and_create(
                creation_id, brief, caller, refusal=refusal, is_welcomed=True
            )
        if opened is None:
            raise AssertionError("an account that was made is there")
        if opened.is_replay:
            return opened
        log_debit(opened.creation)
        return self.with_task(opened, number=FIRST_TASK)

    def refusal(self, kind: Kind) -> Unavailable | None:
        """Return why no new run of this kind may be paid now, or None.

        It is found before the transaction, which lets a replay pass.
        """
        return self.admission.refusal(kind) or self._storage_refusal(kind)

    def _storage_refusal(self, kind: Kind) -> Unavailable | None:
        """Return an error if the media store has less room than a creation may need."""
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
    ) -> Opened | None:
        """Return None if the caller has no account yet, or one that a welcome grant is due to.

        A `refusal` applies only to a creation that does not exist yet.
        """
        at = self.clock.now()
        account_at, creation_at = account_key(caller.user_id), creation_key(creation_id)
        entry_at = entry_key(debit_id(creation_id, 1))
        decided: Opened | None = None

        def decide(found: Found) -> Decision[Opened | None]:
            nonlocal decided
            account, known = found.get(account_at), found.get(creation_at)
            if account is None or (not is_welcomed and self.accounts.owes_welcome(account, caller)):
                return unchanged(None)
            if known is not None:
                is_replay = decided is None or not found.may_have_landed
                return unchanged(_known(known, account, brief, is_replay=is_replay))
            if found.get(entry_at) is not None:
                raise CreationGone
            if refusal is not None:
                raise refusal
            creation = Creation.opened(
                creation_id,
                account=account,
                brief=brief,
                costs=self.costs,
                policy=self.policy,
                at=at,
            )
            debited, entry = account.debited(
                creation.cost_tokens,
                kind=creation.kind,
                creation_id=creation_id,
                debit=creation.run_number,
                actor=Actor.OWNER,
                policy=self.policy,
                at=at,
            )
            decided = Opened(creation=creation, balance_tokens=debited.balance_tokens)
            return write(debited, creation, entry, result=decided)

        try:
            return self.transactions.run([account_at, creation_at, entry_at], decide)
        except OutcomeUnknown as error:
            error.creation_id = creation_id
            raise

    def with_task(self, opened: Opened, *, number: int) -> Opened:
        """Create the task of a debit that has just been written; without one, refund it.

        Raises:
            NotQueued: the tokens are back.
            CreationGone: there was a task after all, and its owner has deleted the result.
            OutcomeUnknown: whether they are could not be found out; the sweep goes on with it.
        """
        creation = opened.creation
        facts = {"creation_id": creation.creation_id, "kind": creation.kind}
        try:
            self.queue.enqueue(creation.creation_id, kind=creation.kind, number=number)
        except QueueUnavailable as error:
            log.warning("enqueue_failed", extra={**facts, "reason": error.reason})
            return self._without_task(opened)
        return opened

    def _without_task(self, opened: Opened) -> Opened:
        creation = opened.creation
        try:
            settlement = self.settling.fail_unqueued(creation)
        except Unavailable as error:
            raise OutcomeUnknown(creation_id=creation.creation_id, reason=str(error)) from error
        if settlement.is_refunded:
            raise NotQueued(creation_id=creation.creation_id)
        if settlement.creation is None:
            raise CreationGone
        return replace(opened, creation=settlement.creation)


def _known(creation: Creation, account: Account, brief: Brief, *, is_replay: bool) -> Opened:
    """Return what an earlier request of the same key opened; raise `KeyReused` for another brief."""
    if creation.fingerprint != brief.fingerprint:
        raise KeyReused
    return Opened(creation=creation, balance_tokens=account.balance_tokens, is_replay=is_replay)


def log_debit(creation: Creation) -> None:
    """Tell that a creation was paid, for the first time or again."""
    facts = {
        "creation_id": creation.creation_id,
        "kind": creation.kind,
        "debit": creation.run_number,
        "cost_tokens": creation.cost_tokens,
    }
    log.info("creation_opened", extra=facts)
