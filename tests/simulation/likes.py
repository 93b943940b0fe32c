"""People who like publications, and the checks of likes and their counts (I23, I20).

A process that was stopped for longer than the sweep looks back, and then crashes before it writes its
like again, leaves a like that nothing counts until the next one: only that is excused.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.domain.creation import Creation
from shared.domain.errors import CreationNotFound, Unavailable
from shared.domain.keys import CreationId, Key, UserId
from shared.domain.like import Like, like_key
from shared.domain.status import Status
from shared.domain.sweep_mark import SweepMark
from shared.lifecycle.like_counting import LIKES_MARK, LOOK_BACK
from shared.ports.store import Document
from tests.simulation.checks import Checks, Commit, Problem
from tests.simulation.cloud import CLOCKS_DIFFER_S
from tests.simulation.scheduler import Process
from tests.simulation.store import SimulatedStore
from tests.support.builders import POLICY

if TYPE_CHECKING:
    from tests.simulation.clients import Clients

FAN = UserId("fan")
VISITS_MAX = 5
COMES, LIKES, REPEATS = 0.2, 0.6, 0.15
"""Probabilities: that an owner and a fan come, that a visit likes, that it does so twice at once."""
SWEEP = timedelta(seconds=POLICY.sweep_every_s)
SKEW = timedelta(seconds=CLOCKS_DIFFER_S)


@dataclass
class LikeChecks(Checks):
    store: SimulatedStore
    unanswered: set[Key[Like]] = field(default_factory=set)
    """The likes of requests that ended without an answer, or with an error."""
    _late: set[Key[Like]] = field(default_factory=set)
    """The likes whose last commit was too late for the sweep."""

    def problems(self, commit: Commit) -> list[Problem]:
        pairs = commit.changes.values()
        found = [self._problem(before, after, commit.now) for before, after in pairs]
        return [each for each in found if each is not None]

    def _problem(
        self, before: Document | None, after: Document | None, now: datetime
    ) -> Problem | None:
        if isinstance(before, Like) and after is None:
            is_kept = self.store.creation(before.creation_id) is not None
            return ("I20", f"{before.like_id} was removed before its creation") if is_kept else None
        if isinstance(after, Like):
            return self._of_like(after, now)
        if isinstance(before, Creation) and isinstance(after, Creation):
            return _of_count(before, after)
        if isinstance(before, SweepMark) and isinstance(after, SweepMark):
            return _of_mark(before, after, now)
        return None

    def _of_like(self, like: Like, now: datetime) -> Problem | None:
        self._late.discard(like.key)
        if now - like.changed_at > LOOK_BACK - SWEEP:
            self._late.add(like.key)
        is_right = like.key == like_key(like.creation_id, like.user_id)
        return None if is_right else ("I23", f"{like.like_id} is of {like.creation_id}")

    def problems_at_end(self, documents: Mapping[Key[Any], Document]) -> list[Problem]:
        likes = [each for each in documents.values() if isinstance(each, Like)]
        late = self._late & self.unanswered
        excused = {each.creation_id for each in likes if each.key in late}
        found = [
            ("I20", f"{each.like_id} is of a creation that is gone")
            for each in likes
            if self.store.creation(each.creation_id) is None and each.key not in late
        ]
        liked = Counter(each.creation_id for each in likes if each.is_liked)
        for each in documents.values():
            if isinstance(each, Creation) and each.creation_id not in excused:
                id_, count = each.creation_id, each.like_count
                if liked[id_] != count:
                    found.append(("I23", f"{id_} shows {count} likes and has {liked[id_]}"))
        return found


def _of_count(before: Creation, after: Creation) -> Problem | None:
    if before.like_count == after.like_count:
        return None
    is_only_change = replace(before, like_count=after.like_count) == after
    return None if is_only_change else ("I23", f"{after.creation_id} changed with its like count")


def _of_mark(before: SweepMark, after: SweepMark, now: datetime) -> Problem | None:
    if after.duty != LIKES_MARK or before.reached_at is None or after.reached_at is None:
        return None
    resumes = after.resumes_at or after.reached_at
    is_later = after.reached_at > before.reached_at
    if after.reached_at == before.reached_at and before.resumes_at is not None:
        is_later = after.resumes_at is None or after.resumes_at > before.resumes_at
    is_right = is_later and max(after.reached_at, resumes) <= now + SKEW
    return None if is_right else ("I23", f"the mark moved to {after.reached_at} at {now}")


def expect_fans(clients: "Clients", name: str, owner: UserId, creation_id: CreationId) -> None:
    """Let the owner and a fan like and unlike a creation, while it is published and afterwards."""
    simulation = clients.simulation
    for user in (FAN, owner):
        if clients.acts(f"{name}.{user} likes", COMES):
            visitor = Visitor(clients, f"{name}.{user} likes", user, creation_id)
            simulation.spawn(visitor.name, visitor.visits, process=Process(visitor.name))


@dataclass
class Visitor:
    """A person who likes and unlikes one creation."""

    clients: "Clients"
    name: str
    user: UserId
    creation_id: CreationId
    visits_max: int = VISITS_MAX
    is_undoubted: bool = True
    """Every request so far was answered at its first try, so that nothing lands later."""

    def visits(self) -> None:
        simulation = self.clients.simulation
        for visit in range(self.visits_max):
            name = f"{self.name}.{visit}"
            simulation.sleep(30 + 500 * simulation.chance(name, "sleep"))
            if self.creation_id not in self.clients.inspector.was_published:
                continue
            is_liked = simulation.chance(name, "likes") < LIKES
            if simulation.chance(name, "repeats") < REPEATS:
                self._spawn(f"{name}.twice", is_liked=is_liked)
            self._send(name, is_liked=is_liked)

    def _spawn(self, name: str, *, is_liked: bool) -> None:
        self.is_undoubted = False
        self.clients.simulation.spawn(
            name, lambda: self._send(name, is_liked=is_liked), process=Process(name)
        )

    def _send(self, name: str, *, is_liked: bool) -> None:
        clients, liking = self.clients, self.clients.phoenix.liking
        act: Callable[[str, UserId], None] = liking.like if is_liked else liking.unlike
        tries: list[bool] = []

        def request() -> None:
            tries.append(False)
            try:
                act(self.creation_id, self.user)
            except CreationNotFound:
                tries[-1] = True
                raise
            tries[-1] = True

        answer = clients.call_with_retry(name, request)
        if tries != [True]:
            self.is_undoubted = False
        if not all(tries):
            clients.inspector.likes.unanswered.add(like_key(self.creation_id, self.user))
        self._check(name, answer, is_liked=is_liked)

    def _check(self, name: str, answer: object, *, is_liked: bool) -> None:
        clients, must = self.clients, self.clients.inspector.must
        is_expected = answer is None or isinstance(answer, CreationNotFound | Unavailable | str)
        must(is_expected, "I23", f"{name} got {answer!r}")
        creation = clients.store.creation(self.creation_id)
        if answer is None:
            clients.simulation.marks["liked" if is_liked else "unliked"] += 1
            like = clients.store.documents.get(like_key(self.creation_id, self.user))
            is_so = isinstance(like, Like) and like.is_liked
            is_right = is_so == is_liked or creation is None
            must(is_right or not self.is_undoubted, "I23", f"{name} got 204: {is_so}")
        if isinstance(answer, CreationNotFound):
            is_missing = creation is None or creation.status is not Status.PUBLISHED
            clients.simulation.marks["not_liked"] += is_missing
