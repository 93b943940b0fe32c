"""Sharing a draft: a link that its owner can revoke, and collaborators. Both only read.

A shared creation does not expire; when nobody is left to see it, its life begins again. Each read
takes the current document, so that a revoked link is closed at the next request.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from shared.domain.account import USERNAME, username_key
from shared.domain.creation import Creation
from shared.domain.errors import AccountNotFound, CreationNotFound, IllegalTransition, WrongField
from shared.domain.keys import UserId
from shared.domain.policy import Policy
from shared.domain.retention import fenced
from shared.domain.sharing import SECRET_LENGTH, Sharing, link_secret
from shared.domain.status import READY
from shared.lifecycle.reading import Reading, owned
from shared.lifecycle.transactions import Transactions
from shared.ports.clock import Clock, Ids
from shared.ports.store import Decision, Found, Page, Stored, unchanged, write

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DraftSharing:
    transactions: Transactions
    reading: Reading
    clock: Clock
    ids: Ids
    policy: Policy

    def share(
        self, creation_id: str, *, owner: UserId, shows_prompt: bool | None = None
    ) -> Creation:
        """Return the creation with its link; None leaves the prompt as hidden or shown as it is."""
        seed = self.ids.random_id(SECRET_LENGTH)

        def changed(current: Creation) -> Sharing:
            linked = current.sharing.with_link(link_secret(seed, current.updated_at))
            return linked if shows_prompt is None else replace(linked, shows_prompt=shows_prompt)

        shared = self._change(creation_id, owner, changed)
        log.info("creation_shared", extra={"creation_id": creation_id})
        return shared

    def unshare(self, creation_id: str, *, owner: UserId) -> Creation:
        """Return the creation without its link; collaborators stay."""
        revoked = self.reading.own_creation(creation_id, owner=owner).sharing.secret

        def changed(current: Creation) -> Sharing:
            is_newer = revoked is not None and current.sharing.secret != revoked
            return current.sharing if is_newer else current.sharing.without_link()

        unshared = self._change(creation_id, owner, changed)
        log.info("creation_unshared", extra={"creation_id": creation_id})
        return unshared

    def add_collaborator(self, creation_id: str, username: str, *, owner: UserId) -> Creation:
        """Let another user see the creation.

        Raises `WrongField` for the owner, `AccountNotFound`, or `TooManyCollaborators`.
        """
        if self.reading.own_creation(creation_id, owner=owner).username == username:
            raise WrongField(field="username", reason="use another person's name")
        self._check_account(username)
        return self._change(
            creation_id, owner, lambda current: current.sharing.with_collaborator(username)
        )

    def remove_collaborator(self, creation_id: str, username: str, *, owner: UserId) -> Creation:
        return self._change(
            creation_id, owner, lambda current: current.sharing.without_collaborator(username)
        )

    def by_link(self, creation_id: str, secret: str) -> Creation:
        """Return the creation that a link opens, or raise `CreationNotFound`."""
        creation = self.reading.any_creation(creation_id)
        if not creation.sharing.opens_with(secret) or creation.status not in READY:
            raise CreationNotFound
        return creation

    def shared_with(self, username: str, page: Page) -> list[Stored[Creation]]:
        """Return what a collaborator may see, newest `created_at` first."""
        return self.transactions.store.shared_with(username, page)

    def _check_account(self, username: str) -> None:
        store = self.transactions.store
        if not USERNAME.fullmatch(username) or store.get(username_key(username)) is None:
            raise AccountNotFound

    def _change(
        self, creation_id: str, owner: UserId, changed: Callable[[Creation], Sharing]
    ) -> Creation:
        """Change who sees a creation, and its expiry, in one transaction.

        A repeat changes `updated_at`: an opposite request whose commit is late finds it changed.
        """
        key = self.reading.own_creation(creation_id, owner=owner).key
        at = self.clock.now()

        def decide(found: Found) -> Decision[Creation]:
            current = owned(found.get(key), owner)
            sharing = changed(current)
            is_same = sharing == current.sharing
            if current.status not in READY:
                if is_same:
                    return unchanged(current)
                raise IllegalTransition(status=current.status)
            shared = replace(fenced(current, at=at), sharing=sharing)
            if not is_same:
                shared = shared.with_expiry(policy=self.policy, at=at)
            return write(shared, result=shared)

        return self.transactions.run([key], decide)
