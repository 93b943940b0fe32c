"""Checks of groups at every commit: one key opens its creations once, together, or not at all."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.domain.account import Account
from shared.domain.brief import COUNT_MAX, creation_id_for
from shared.domain.creation import Creation
from shared.domain.keys import CreationId, UserId
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from tests.simulation.checks import Checks, Commit, Problem, named
from tests.simulation.store import Changes


@dataclass
class GroupChecks(Checks):
    """The keys that clients have sent, and how many creations each has opened."""

    policy: Policy
    opened: dict[CreationId, int] = field(default_factory=dict)
    """By the id of the key's first creation."""
    _numbers: dict[CreationId, tuple[CreationId, int]] = field(default_factory=dict)

    def expect(self, user: UserId, key: str) -> list[CreationId]:
        """Note a key and return the ids that it may open."""
        ids = [creation_id_for(user, key, number) for number in range(1, COUNT_MAX + 1)]
        self._numbers |= {each: (ids[0], number) for number, each in enumerate(ids, start=1)}
        return ids

    def problems(self, commit: Commit) -> Iterator[Problem]:
        return named("I9", self._problems(commit.changes))

    def _problems(self, changes: Changes) -> Iterator[str]:
        created = [
            after
            for before, after in changes.values()
            if before is None and isinstance(after, Creation)
        ]
        if created:
            yield from self._opened(created)
        for _, after in changes.values():
            if isinstance(after, Account):
                yield from self._limits(after)

    def _opened(self, created: list[Creation]) -> Iterator[str]:
        for each in created:
            if each.group_id is not None and each.creation_id not in self._numbers:
                yield f"{each.creation_id} is no id of its key"
        numbered = [
            self._numbers[id_] for each in created if (id_ := each.creation_id) in self._numbers
        ]
        if not numbered:
            return
        first_id = numbered[0][0]
        if first_id in self.opened:
            yield f"the key of {first_id} opened creations again"
        self.opened[first_id] = len(created)
        if sorted(numbered) != [(first_id, number + 1) for number in range(len(created))]:
            yield f"the key of {first_id} opened {sorted(numbered)}"
        group_id = first_id if len(created) > 1 else None
        if {each.group_id for each in created} != {group_id}:
            yield f"the creations of {first_id} are not of its group"

    def _limits(self, account: Account) -> Iterator[str]:
        for kind in Kind:
            if account.in_flight.of(kind) > self.policy.in_flight_max(kind):
                yield f"{account.user_id} has {account.in_flight} in flight"
        if account.opened_hour.count > self.policy.opened_per_hour_max:
            yield f"{account.user_id} opened {account.opened_hour.count} in an hour"
