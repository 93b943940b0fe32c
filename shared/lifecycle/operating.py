"""Operator actions: grant, sweep, pause and resume a kind, unpublish and delete.

Replays are in `replaying.py`, reruns in `opening.py`. Each act on an account or a creation is
recorded in the transaction that changes it: no reason is lost, and no act is recorded that did not
happen. A sweep is recorded before it begins.
"""

import logging
from dataclasses import dataclass

from shared.domain.creation import Creation
from shared.domain.keys import UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, LedgerEntry, check_grant
from shared.domain.operating import (
    ACT_ID_LENGTH,
    CLI,
    OperatorAct,
    Reason,
    Switch,
    Verb,
    switch_key,
)
from shared.domain.status import Status
from shared.lifecycle.accounts import Accounts
from shared.lifecycle.media_cleanup import MediaCleanup
from shared.lifecycle.publishing import Publishing
from shared.lifecycle.reading import Reading
from shared.lifecycle.sweeping import Sweeping
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock, Ids
from shared.ports.store import Decision, Found, Page, Stored, unchanged, write

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Operating:
    """Use cases of operators; who may call them is decided before.

    `who` is the operator's user id. Each raises `WrongField` for its reason, and
    `CreationNotFound` or `IllegalTransition`.
    """

    transactions: Transactions
    reading: Reading
    cleanup: MediaCleanup
    publishing: Publishing
    accounts: Accounts
    sweeping: Sweeping
    clock: Clock
    ids: Ids

    def switch(self, kind: Kind, *, is_paused: bool, who: str = CLI) -> None:
        """Pause or resume a kind; each process notices when it next reads its gauges."""
        at = self.clock.now()
        switch = Switch(kind=kind, is_paused=is_paused, changed_at=at)
        verb = Verb.PAUSE if is_paused else Verb.RESUME
        act = OperatorAct(act_id=self._act_id(), verb=verb, who=who, kind=kind, created_at=at)

        def decide(found: Found) -> Decision[None]:
            if found.get(act.key) is not None:
                return unchanged(None)
            return write(switch, act, result=None)

        self.transactions.run([switch.key, act.key], decide)
        log.warning("paused" if is_paused else "resumed", extra={"kind": kind})

    def is_paused(self, kind: Kind) -> bool:
        switch = self.transactions.store.get(switch_key(kind))
        return switch is not None and switch.is_paused

    def sweep(self, *, who: str = CLI) -> dict[str, int]:
        """Sweep now, as the schedule does; raise as `Sweeping.sweep`."""
        self.record(Verb.SWEEP, Reason("", who))
        return self.sweeping.sweep()

    def grant(
        self, user_id: UserId, tokens: int, *, reference: str, reason: str, who: str = CLI
    ) -> LedgerEntry:
        """Grant tokens once per reference; raise as `Accounts.grant`."""
        check_grant(tokens, reference)
        checked = Reason(reason, who).checked()
        entry = self.accounts.grant(
            user_id, tokens, reference=reference, actor=Actor.OPERATOR, reason=checked
        )
        facts = {"user_id": user_id, "tokens": tokens, "verb": Verb.GRANT}
        log.warning("operator_action", extra={**facts, "reason": checked.text, "who": who})
        return entry

    def unpublish(self, creation_id: str, *, reason: str, who: str = CLI) -> Creation:
        """Make a published creation its owner's draft again; a draft loses its schedule.

        Either loses its link and its collaborators; its owner may share and publish it again.
        """
        checked, known = Reason(reason, who).checked(), self.reading.any_creation(creation_id)
        draft = self.publishing.unpublish(creation_id, owner=known.user_id, reason=checked)
        is_private = known.schedule is None and not known.sharing.is_shared
        if known.status is Status.PUBLISHED or not is_private:
            _log_act(Verb.UNPUBLISH, known, checked)
        return draft

    def delete(self, creation_id: str, *, reason: str, who: str = CLI) -> None:
        """Remove a settled creation with its files; the ledger keeps its entries."""
        checked, known = Reason(reason, who).checked(), self.reading.any_creation(creation_id)
        self.cleanup.delete_creation(creation_id, owner=known.user_id, reason=checked)
        _log_act(Verb.DELETE, known, checked)

    def acts(self, page: Page) -> list[Stored[OperatorAct]]:
        return self.transactions.store.acts(page)

    def record(self, verb: Verb, reason: Reason) -> OperatorAct:
        """Record an act that changes nothing by itself."""
        act = OperatorAct(
            act_id=self._act_id(),
            verb=verb,
            who=reason.who,
            reason=reason.text,
            created_at=self.clock.now(),
        )

        def decide(found: Found) -> Decision[None]:
            known = found.get(act.key)
            return unchanged(None) if known is not None else write(act, result=None)

        self.transactions.run([act.key], decide)
        log.warning(
            "operator_action", extra={"verb": verb, "reason": reason.text, "who": reason.who}
        )
        return act

    def _act_id(self) -> str:
        return self.ids.random_id(ACT_ID_LENGTH)


def _log_act(verb: Verb, creation: Creation, reason: Reason) -> None:
    facts = {"creation_id": creation.creation_id, "kind": creation.kind, "who": reason.who}
    log.warning("operator_action", extra={**facts, "verb": verb, "reason": reason.text})
