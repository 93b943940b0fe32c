"""Owners who share a draft, people who read it, and checks of what they see.

`SharingChecks` knows when each link was revoked and each collaborator removed: a read that began later
must not show the creation.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from api_service.shared_responses import SharedView
from shared.domain.account import UsernameClaim
from shared.domain.creation import Creation
from shared.domain.errors import CreationNotFound, IllegalTransition, TooManyCollaborators
from shared.domain.keys import CreationId, UserId
from shared.domain.status import Status
from shared.ports.store import Page
from tests.simulation.checks import Checks, Commit, Problem
from tests.simulation.scheduler import Simulation
from tests.simulation.store import SimulatedStore
from tests.support.builders import NOON, an_account

if TYPE_CHECKING:
    from tests.simulation.clients import Clients

INVITED_MAX = 10
READERS = tuple(f"reader-{number}" for number in range(INVITED_MAX + 1))
INVITES_EVERYONE, INVITES, REVOKES, REMOVES, SHOWS_PROMPT = 0.15, 0.5, 0.6, 0.6, 0.3
"""Probabilities."""
READ_AGAIN_WITHIN_S = 60.0
SKEW_S = 20.0
LINKS: Any = SimpleNamespace(to=lambda key: key, expires_at=NOON)


@dataclass
class SharingChecks(Checks):
    """What was closed in one history, and when."""

    simulation: Simulation
    report: Callable[[str, str], None]
    life: timedelta
    _closed_s: dict[tuple[CreationId, str], float] = field(default_factory=dict)
    """By creation, and secret or username."""

    def problems(self, commit: Commit) -> Iterator[Problem]:
        for before, after in commit.creations():
            yield from self._problems(before, after)

    def _problems(self, before: Creation | None, after: Creation | None) -> Iterator[Problem]:
        had, has = _openings(before), _openings(after)
        creation_id = (after or before).creation_id  # type: ignore[union-attr]  # one is there
        for each in had - has:
            self._closed_s[creation_id, each] = self.simulation.now_s
        for each in has - had:
            was_closed = self._closed_s.pop((creation_id, each), None) is not None
            if was_closed and each not in READERS:
                yield "I8", f"{creation_id} has a link again that was revoked"
        if after is not None and (had or has):
            yield from self._state(after, had)

    def _state(self, after: Creation, had: set[str]) -> Iterator[Problem]:
        name, is_shared = after.creation_id, after.sharing.is_shared
        if is_shared and after.status not in (Status.DRAFT, Status.PUBLISHED):
            yield "I8", f"{name} is shared and {after.status}"
        if is_shared and after.expires_at is not None:
            yield "I12", f"{name} is shared and expires at {after.expires_at}"
        if len(set(after.sharing.collaborators)) > INVITED_MAX:
            yield "I12", f"{name} has more than {INVITED_MAX} collaborators"
        ends = had and not is_shared and after.status is Status.DRAFT
        may_expire = not after.is_kept and after.schedule is None and self.life > timedelta()
        if ends and after.expires_at != (after.updated_at + self.life if may_expire else None):
            yield "I12", f"{name} is shared no more and expires at {after.expires_at}"

    def read(self, creation: Creation, opening: str, *, began_s: float) -> None:
        """Check what a reader received for a request sent at `began_s`."""
        name = creation.creation_id
        closed_s = self._closed_s.get((name, opening))
        if closed_s is not None and closed_s < began_s:
            self.report("I8", f"{name} was read {began_s - closed_s:.1f} s after it was closed")
        if opening not in _openings(creation):
            self.report("I8", f"{name} was read and is not shared")
        prompt = SharedView.of(creation, LINKS).prompt
        if prompt is not None and not creation.sharing.shows_prompt:
            self.report("I8", f"{name} was read with its prompt")
        self.simulation.marks["shared_read"] += 1


def _openings(creation: Creation | None) -> set[str]:
    """Return the secret and the usernames that open a creation."""
    if creation is None:
        return set()
    secret = creation.sharing.secret
    return {*creation.sharing.collaborators, *([secret] if secret else [])}


def sign_up(store: SimulatedStore, reader: str) -> None:
    """Store a reader's account, unless it is there."""
    account = an_account(reader, tokens=0, welcomed=True)
    if account.key not in store.documents:
        claim = UsernameClaim(username=reader, user_id=account.user_id)
        store.begin_with([account, claim])


def owner_actions(clients: "Clients") -> list[Callable[..., Any]]:
    """Return every use case that only the owner may call, for a stranger to try."""
    sharing = clients.phoenix.sharing
    return [
        sharing.share,
        sharing.unshare,
        partial(_with_username, sharing.add_collaborator),
        partial(_with_username, sharing.remove_collaborator),
    ]


def _with_username(use_case: Callable[..., Any], creation_id: str, *, owner: UserId) -> Any:
    return use_case(creation_id, READERS[0], owner=owner)


def share(clients: "Clients", name: str, known: Creation) -> None:
    """Share a creation, read it, and perhaps take everything back."""
    draw = partial(clients.simulation.chance, name)
    sharing, id_, owner = clients.phoenix.sharing, known.creation_id, known.user_id
    shows = True if draw("shows") < SHOWS_PROMPT else None
    answer = clients.call_with_retry(
        f"{name}.link", lambda: sharing.share(id_, owner=owner, shows_prompt=shows)
    )
    if not isinstance(answer, Creation):
        is_failed = known.status is Status.FAILED and isinstance(answer, IllegalTransition)
        clients.simulation.marks["share_refused"] += is_failed
        return
    must, secret = clients.inspector.must, answer.sharing.secret
    must(secret is not None, "I10", f"{name} got 200 without a link")
    _read_link(clients, f"{name}.read", answer)
    if draw("invites") < INVITES:
        _invite(clients, name, known)
    if draw("revokes") < REVOKES:
        revoked = clients.call_with_retry(
            f"{name}.revoke", lambda: sharing.unshare(id_, owner=owner)
        )
        if isinstance(revoked, Creation):
            current = clients.store.creation(id_)
            is_closed = current is None or current.sharing.secret != secret
            must(is_closed, "I8", f"{name} got 200 and the link is open")
    clients.simulation.sleep(READ_AGAIN_WITHIN_S * draw("again"))
    _read_link(clients, f"{name}.later", answer)


def _invite(clients: "Clients", name: str, known: Creation) -> None:
    draw = partial(clients.simulation.chance, name)
    sharing, id_, owner = clients.phoenix.sharing, known.creation_id, known.user_id
    everyone = draw("invites everyone") < INVITES_EVERYONE
    invited = READERS if everyone else READERS[: 1 + int(2 * draw("how many"))]
    for reader in invited:
        sign_up(clients.store, reader)
        answer = clients.call_with_retry(
            f"{name}.{reader}", partial(sharing.add_collaborator, id_, reader, owner=owner)
        )
        clients.simulation.marks["too_many_collaborators"] += isinstance(
            answer, TooManyCollaborators
        )
    _read_list(clients, f"{name}.list", READERS[0])
    if draw("removes") < REMOVES:
        removed = clients.call_with_retry(
            f"{name}.remove", partial(sharing.remove_collaborator, id_, READERS[0], owner=owner)
        )
        if isinstance(removed, Creation):
            is_gone = READERS[0] not in removed.sharing.collaborators
            clients.inspector.must(is_gone, "I8", f"{name} got 200 and the reader is there")
        _read_list(clients, f"{name}.list again", READERS[0])


def _read_link(clients: "Clients", name: str, shared: Creation) -> None:
    began_s, secret = clients.simulation.now_s, str(shared.sharing.secret)
    by_link = clients.phoenix.sharing.by_link
    answer = clients.call_with_retry(name, lambda: by_link(shared.creation_id, secret), tries_max=1)
    if isinstance(answer, Creation):
        clients.inspector.sharing.read(answer, secret, began_s=began_s)
    clients.simulation.marks["shared_not_found"] += isinstance(answer, CreationNotFound)


def _read_list(clients: "Clients", name: str, username: str) -> None:
    began_s, shared_with = clients.simulation.now_s, clients.phoenix.sharing.shared_with
    answer = clients.call_with_retry(name, lambda: shared_with(username, Page(50)), tries_max=1)
    for stored in answer if isinstance(answer, list) else ():
        clients.inspector.sharing.read(stored.parse(), username, began_s=began_s)
