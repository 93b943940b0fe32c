"""An owner who opens groups: racing requests, replays after deletions, other counts."""

from typing import Any

from shared.domain.brief import COUNT_MAX
from shared.domain.errors import (
    CreationGone,
    KeyReused,
    NotQueued,
    StoreContention,
)
from shared.domain.keys import CreationId, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import debit_id, refund_id
from shared.domain.status import Status
from shared.lifecycle.opening import Opened
from tests.simulation.clients import PROMPT, REFUSED, Clients
from tests.support.builders import a_brief

GUS = UserId("gus")
GROUPS_MAX = 4
RACES, CANCELS, FOLLOWS, DELETES, OTHER_COUNT = 0.4, 0.3, 0.5, 0.6, 0.5
SETTLED_WITHIN_S = 1800.0


class GroupClients:
    def __init__(self, clients: Clients) -> None:
        self.clients, self.simulation, self.store = clients, clients.simulation, clients.store
        self.must = clients.inspector.must

    def journeys(self) -> None:
        """Open up to four groups, mostly large ones, act on single variations, and repeat the requests."""
        for number in range(1 + int(self.simulation.chance(GUS, "groups") * GROUPS_MAX)):
            self._journey(f"{GUS}.{number}", f"group {number}")

    def _journey(self, name: str, key: str) -> None:
        clients = self.clients
        count = 1 + int(self.simulation.chance(name, "count") ** 0.5 * COUNT_MAX)
        ids = clients.inspector.groups.expect(GUS, key)
        if clients.acts(f"{name}.race", RACES):
            clients._spawn(f"{name}.race", lambda: self._open(f"{name}.race", key, count))
        self._open(name, key, count)
        if clients.acts(f"{name}.cancel", CANCELS):
            self._cancel(f"{name}.cancel", ids[count - 1])
        if clients.acts(f"{name}.follow", FOLLOWS):
            follower = f"{name}.follower"
            clients._spawn(follower, lambda: clients._poll_and_act(follower, GUS, ids[0]))
        self.simulation.sleep(SETTLED_WITHIN_S * self.simulation.chance(name, "sleep"))
        for number, creation_id in enumerate(ids[:count]):
            if clients.acts(f"{name}.delete {number}", DELETES):
                self._delete(f"{name}.delete {number}", creation_id)
        self._open(f"{name}.late", key, count)
        if clients.acts(f"{name}.other count", OTHER_COUNT):
            self._open(f"{name}.other", key, count % COUNT_MAX + 1)

    def _cancel(self, name: str, creation_id: CreationId) -> None:
        known = self.store.creation(creation_id)
        if known is not None:
            self.clients._cancel(name, known)

    def _delete(self, name: str, creation_id: CreationId) -> None:
        known = self.store.creation(creation_id)
        if known is not None and known.status in (Status.DRAFT, Status.FAILED):
            self.clients._delete(name, known)

    def _open(self, name: str, key: str, count: int) -> None:
        """Open a group, or replay its request, and check the response."""
        groups = self.clients.inspector.groups
        ids = groups.expect(GUS, key)
        opened_before = 0

        def request() -> Opened:
            nonlocal opened_before
            opened_before = groups.opened.get(ids[0], 0)
            opening = self.clients.phoenix.opening
            caller = self.clients.welcomes.caller(GUS)
            brief = a_brief(Kind.IMAGE, PROMPT, count=count)
            return opening.open(brief, caller=caller, idempotency_key=key)

        answer = self.clients.call_with_retry(name, request)
        if opened_before not in (0, count):
            self._check_other(name, answer, ids)
        else:
            self._check(name, answer, ids[:count], was_opened=bool(opened_before))

    def _check_other(self, name: str, answer: Any, ids: list[CreationId]) -> None:
        """Check the response to another count than the key's."""
        is_wrong = isinstance(answer, Opened | NotQueued | REFUSED)
        self.must(not is_wrong, "I9", f"{name} got {type(answer)} for another count")
        if isinstance(answer, CreationGone):
            self.must(not self._left(ids), "I9", f"{name} got 410 while variations are left")

    def _left(self, ids: list[CreationId]) -> list[CreationId]:
        return [each for each in ids if self.store.creation(each) is not None]

    def _check(self, name: str, answer: Any, ids: list[CreationId], *, was_opened: bool) -> None:
        must, has_entry = self.must, self.store.has_entry
        if isinstance(answer, Opened):
            shown = [each.creation_id for each in answer.creations]
            must(shown == [each for each in ids if each in shown], "I9", f"{name} got {shown}")
            must({*self._left(ids)} <= {*shown}, "I9", f"{name} got only {shown}")
            must(all(has_entry(debit_id(each, 1)) for each in ids), "I10", f"{name} without debits")
            failed = [each for each in answer.creations if each.refunded]
            refunds = [has_entry(refund_id(each.creation_id, each.run_number)) for each in failed]
            must(all(refunds), "I10", f"{name} shows a refund that was not made")
            in_part = bool(failed) and not answer.is_replay
            self.simulation.marks["group_in_part"] += in_part
            self.simulation.marks["group_opened"] += not answer.is_replay and len(ids) > 1
            self.simulation.marks["group_replayed_in_part"] += len(shown) < len(ids)
        elif isinstance(answer, NotQueued):
            refunds = [has_entry(refund_id(each, 1)) for each in ids]
            must(all(refunds), "I10", f"{name} is not refunded: {refunds}")
        elif isinstance(answer, CreationGone):
            must(was_opened or has_entry(debit_id(ids[0], 1)), "I9", f"{name} got 410")
            must(not self._left(ids), "I9", f"{name} got 410 while variations are left")
        elif isinstance(answer, REFUSED):
            must(not was_opened, "I10", f"{name} got {answer!r} for a replay")
        elif isinstance(answer, StoreContention | KeyReused):
            must(not was_opened, "I9", f"{name} got {answer!r} for a replay")
