"""Claims: who may take a creation's lease."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.creation import Creation, creation_key
from shared.domain.errors import NotClaimable
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.policy import Policy
from shared.domain.status import Status
from shared.lifecycle.claim import Claim
from shared.lifecycle.failing import Failing
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock
from shared.ports.store import Decision, Found, write


@dataclass(frozen=True)
class Claims:
    transactions: Transactions
    failing: Failing
    clock: Clock
    policy: Policy

    def claim(self, creation_id: CreationId, *, kind: Kind, lease_owner: LeaseOwner) -> "Claim":
        """Take the creation's lease, or raise `NotClaimable`.

        Each call is a claim of its own: one process works on many creations under one lease owner,
        and a second call for a creation that this owner holds is refused.
        """
        at, key = self.clock.now(), creation_key(creation_id)

        def landed(found: Found, sent: tuple[Creation, bool]) -> bool:
            current, (claimed, _) = found.get(key), sent
            return current is not None and current.is_held_by(lease_owner, attempt=claimed.attempt)

        def decide(found: Found) -> Decision[tuple[Creation, bool]]:
            current = found.get(key)
            if current is None:
                raise NotClaimable(creation_id=creation_id, reason="it is unknown")
            for obstacle in self._obstacles(current, kind=kind, lease_owner=lease_owner, at=at):
                raise NotClaimable(creation_id=creation_id, reason=obstacle)
            claimed = current.claimed(lease_owner, policy=self.policy, at=at)
            is_taken_over = current.status is Status.PROCESSING
            return write(claimed, result=(claimed, is_taken_over))

        claimed, is_taken_over = self.transactions.run([key], decide, landed=landed)
        return self.of(claimed, is_taken_over=is_taken_over)

    def of(self, claimed: Creation, *, is_taken_over: bool = False) -> "Claim":
        """Return the claim that this creation's last attempt holds."""
        return Claim(
            claimed,
            self.transactions,
            self.failing,
            self.clock,
            self.policy,
            is_taken_over=is_taken_over,
        )

    def _obstacles(
        self, current: Creation, *, kind: Kind, lease_owner: LeaseOwner, at: datetime
    ) -> Iterator[str]:
        """Yield each reason why this lease owner may not claim the creation."""
        if current.kind is not kind:
            yield f"it is of kind {current.kind}"
        if not current.is_unfinished:
            yield f"it is {current.status}"
        early = timedelta(seconds=self.policy.retry_early_s)
        if current.retry_at is not None and at < current.retry_at - early:
            yield "its retry is not due yet"
        is_successor = current.lease_owner is not None and lease_owner.succeeds(current.lease_owner)
        skew = timedelta(seconds=self.policy.clock_skew_s)
        if current.is_leased(at - skew) and not is_successor:
            yield "another attempt holds it"
        if not current.has_attempts_left(self.policy):
            yield "its attempts are used up"
        if not current.has_time_to_run(at, policy=self.policy):
            yield "its deadline is too near"
