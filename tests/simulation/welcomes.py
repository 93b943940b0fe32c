"""Verified addresses of one history, and checks that every welcome grant was due.

In some histories an address is verified late, two owners share one, an account was welcomed by an
earlier release, or the daily limit is reached before the history begins.
"""

from dataclasses import dataclass, field

from shared.domain.account import Account, UsernameClaim
from shared.domain.keys import UserId
from shared.domain.ledger import Actor, LedgerEntry
from shared.domain.policy import Policy
from shared.domain.welcome import SHARDS, WelcomeShard
from shared.ports.identity import Caller
from shared.ports.store import Document
from tests.simulation.scheduler import Simulation
from tests.support.builders import ADA, BEN, NOON, a_caller, an_account

VERIFIED_WITHIN_S = 1800
LATE, SHARED, LEGACY, FULL = 0.15, 0.3, 0.1, 0.03
"""Probabilities."""


@dataclass
class Welcomes:
    """The addresses of one history and the welcome granted to each."""

    simulation: Simulation
    policy: Policy
    late_share: float = LATE
    """Share of owners whose address is verified later."""
    granted: dict[str, UserId] = field(default_factory=dict)

    def _happens(self, what: str, likelihood: float) -> bool:
        return self.simulation.chance("welcome", what) < likelihood

    def caller(self, user: UserId) -> Caller:
        """Return the caller that the user's current token identifies."""
        if not self.is_verified(user):
            return a_caller(user, is_verified=False, verified_contact=None)
        return a_caller(user, verified_contact=self._spelling(user))

    def is_verified(self, user: UserId) -> bool:
        """Return whether the user has verified the address by now."""
        if not self._happens(f"{user} clicks the address", self.late_share):
            return True
        at_s = VERIFIED_WITHIN_S * self.simulation.chance("welcome", f"{user} is verified")
        return self.simulation.now_s >= at_s

    def _spelling(self, user: UserId) -> str:
        if user == BEN and self._happens("one address", SHARED):
            return "Ada+ben@Example.com"
        return f"{user}@example.com"

    def _address(self, user: UserId) -> str:
        """Return the normalised address."""
        return self._spelling(user).lower().replace("+ben", "")

    def documents(self, tokens: int) -> list[Document]:
        """Return the initial documents of the history."""
        documents: list[Document] = []
        if self._happens("a full day", FULL):
            shard = WelcomeShard.of(ADA, at=NOON)
            documents.append(
                WelcomeShard(shard_id=shard.shard_id, day=shard.day, count=self._per_shard)
            )
        if self._happens("ada was welcomed before", LEGACY):
            account, entry = an_account(tokens=0).granted(
                tokens, entry_id=f"{ADA}_grant_welcome", reference=None, actor=Actor.API, at=NOON
            )
            documents += [account, entry, UsernameClaim(username=account.username, user_id=ADA)]
        return documents

    @property
    def _per_shard(self) -> int:
        return self.policy.welcome_grants_per_day_max // SHARDS

    def problems(self, changes: list[tuple[Document | None, Document | None]]) -> list[str]:
        """Return the violations of one commit."""
        problems = []
        shards = [(before, after) for before, after in changes if isinstance(after, WelcomeShard)]
        welcomes = [
            after
            for _, after in changes
            if isinstance(after, LedgerEntry) and after.entry_id.startswith("welcome_")
        ]
        for before, after in shards:
            counted = before.count if isinstance(before, WelcomeShard) else 0
            if after.count != counted + len(welcomes) or after.count > self._per_shard:
                problems.append(f"shard {after.shard_id} counts {after.count} after {counted}")
        for entry in welcomes:
            user = entry.user_id
            owner = self.granted.setdefault(self._address(user), user)
            if owner != user:
                problems.append(f"{user} has the welcome of {owner}'s address")
            if not self.is_verified(user):
                problems.append(f"{user} is welcomed without a verified address")
            if not shards:
                problems.append(f"the welcome of {user} is not counted")
            if not any(isinstance(each, Account) and each.welcomed for _, each in changes):
                problems.append(f"{user} is not marked as welcomed")
        return problems
