"""What owners do with their creations beside publishing them: look, retry, cancel, delete."""

import logging
from dataclasses import dataclass, replace

from shared.domain.account import account_key
from shared.domain.creation import Creation
from shared.domain.errors import (
    CreationNotFound,
    IllegalTransition,
    OutcomeUnknown,
    Unavailable,
)
from shared.domain.keys import UserId
from shared.domain.ledger import Actor
from shared.domain.media import MediaDeletion
from shared.domain.operating import OperatorAct, Verb
from shared.domain.policy import Policy
from shared.lifecycle.deleting import Deleting
from shared.lifecycle.opening import Opened, Opening, log_debit
from shared.lifecycle.reading import Reading, owned
from shared.lifecycle.settling import Settling
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, unchanged, write

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Owning:
    """One's own creations; another's is as unknown as one that is not there."""

    transactions: Transactions
    reading: Reading
    opening: Opening
    settling: Settling
    deleting: Deleting
    clock: Clock
    policy: Policy

    def retry(self, creation_id: str, *, owner: UserId, debits: int | None = None) -> Opened:
        """Debit a failed creation again, on the same card, and create its task.

        `debits` is what the owner's card shows: if there have been more since, another click was
        faster, and the creation is answered as it is.

        Raises:
            CreationNotFound, IllegalTransition: nothing was written.
            Paused, SpendingLimit, QueueFull: nothing was written.
            TooManyUnfinished, TooManyFree, TooManyOpened: nothing was written.
            InsufficientTokens: nothing was written.
            StoreUnavailable, StoreContention, StorageFull, MediaUnavailable: nothing was written.
            NotQueued: the tokens are back.
            OutcomeUnknown: see its `creation_id`.
        """
        failed = self.reading.own_creation(creation_id, owner=owner)
        opened = self.debit_again(
            failed,
            debits=min(debits or failed.run_number, failed.run_number),
            actor=Actor.OWNER,
            refusal=self.opening.refusal(failed.kind),
        )
        if opened.is_replay:
            return opened
        return self.opening.with_task(opened, number=opened.creation.task_number)

    def debit_again(
        self,
        failed: Creation,
        *,
        debits: int,
        actor: Actor,
        reference: str | None = None,
        refusal: Unavailable | None = None,
    ) -> Opened:
        """Debit a failed creation for its run after `debits`; the caller creates its task.

        The ledger entry keeps the `reference`. A `refusal` is raised where a debit would follow.

        Raises:
            as `retry`
        """
        at = self.clock.now()
        account_at = account_key(failed.user_id)
        decided: Opened | None = None

        def decide(found: Found) -> Decision[Opened]:
            nonlocal decided
            now, account = owned(found.get(failed.key), failed.user_id), found.get(account_at)
            if account is None:
                raise CreationNotFound
            if now.run_number > debits:
                if found.may_have_landed and decided is not None:
                    return unchanged(decided)
                return unchanged(
                    Opened(creation=now, balance_tokens=account.balance_tokens, is_replay=True)
                )
            again = now.debited_again(policy=self.policy, at=at)
            if refusal is not None:
                raise refusal
            debited, entry = account.debited(
                again.cost_tokens,
                kind=again.kind,
                creation_id=again.creation_id,
                debit=again.run_number,
                actor=actor,
                policy=self.policy,
                at=at,
            )
            entry = replace(entry, reference=reference)
            decided = Opened(creation=again, balance_tokens=debited.balance_tokens)
            return write(again, debited, entry, result=decided)

        try:
            opened = self.transactions.run([failed.key, account_at], decide)
        except OutcomeUnknown as error:
            error.creation_id = failed.creation_id
            raise
        if not opened.is_replay:
            log_debit(opened.creation)
        return opened

    def cancel(self, creation_id: str, *, owner: UserId) -> Creation:
        """Fail and refund a pending creation that no generator was told of.

        Raises:
            CreationNotFound, IllegalTransition: nothing was written.
        """
        pending = self.reading.own_creation(creation_id, owner=owner)
        settlement = self.settling.cancel(pending)
        if not settlement.is_mine:
            raise IllegalTransition(status=owned(settlement.creation, owner).status)
        return settlement.creation or pending

    def delete(self, creation_id: str, *, owner: UserId, reason: str | None = None) -> None:
        """Remove a creation that is not in the making, and its files: at once, or by the outbox.

        With a `reason` it is an operator's act, which is recorded.

        Raises:
            CreationNotFound, IllegalTransition: nothing was written.
        """
        doomed = self.reading.own_creation(creation_id, owner=owner)
        at = self.clock.now()
        decided: MediaDeletion | None = None

        def decide(found: Found) -> Decision[MediaDeletion]:
            nonlocal decided
            if found.may_have_landed and decided is not None and not found.documents:
                return unchanged(decided)
            now = owned(found.get(doomed.key), owner)
            if now.is_unfinished:
                raise IllegalTransition(status=now.status)
            decided = MediaDeletion.now(
                f"{now.creation_id}_delete", now.every_key, at=at, policy=self.policy
            )
            acts = OperatorAct.because(reason, Verb.DELETE, now, at=at)
            return write(decided, *acts, removing=(now.key,), result=decided)

        self.deleting.carry_out_or_leave(self.transactions.run([doomed.key], decide))
        log.info("creation_deleted", extra={"creation_id": creation_id})
