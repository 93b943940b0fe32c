"""Who besides its owner may see a draft: everyone who has its link, and its collaborators."""

import hashlib
import hmac
from base64 import b32encode
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.errors import TooManyCollaborators

SECRET_LENGTH = 26
"""Characters of 5 bits each: 130 bits."""
COLLABORATORS_MAX = 10


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """`secret` is part of the link; `collaborators` are usernames, which never change."""

    secret: str | None = None
    collaborators: tuple[str, ...] = ()
    shows_prompt: bool = False

    @property
    def is_shared(self) -> bool:
        return self.secret is not None or bool(self.collaborators)

    def opens_with(self, secret: str) -> bool:
        """Return whether this is the link's secret, in the same time for every wrong one."""
        expected = (self.secret or "").encode()
        return hmac.compare_digest(expected, secret.encode()) and self.secret is not None

    def with_link(self, secret: str) -> "Sharing":
        """Return it with a link; an existing link stays."""
        return replace(self, secret=self.secret or secret)

    def without_link(self) -> "Sharing":
        return replace(self, secret=None)._checked_prompt()

    def with_collaborator(self, username: str) -> "Sharing":
        if username in self.collaborators:
            return self
        if len(self.collaborators) >= COLLABORATORS_MAX:
            raise TooManyCollaborators(limit=COLLABORATORS_MAX)
        return replace(self, collaborators=(*self.collaborators, username))

    def without_collaborator(self, username: str) -> "Sharing":
        left = tuple(each for each in self.collaborators if each != username)
        return replace(self, collaborators=left)._checked_prompt()

    def _checked_prompt(self) -> "Sharing":
        """Hide the prompt when nobody is left to show it to: the next link begins without it."""
        return replace(self, shows_prompt=self.shows_prompt and self.is_shared)


def link_secret(seed: str, changed_at: datetime) -> str:
    """Return the secret for a link of a creation that last changed then.

    A decision that runs again after an unknown outcome uses the same seed: if its first link was made
    and removed meanwhile, the second one must have another secret.
    """
    digest = hashlib.sha256(f"{seed} {changed_at.isoformat()}".encode()).digest()
    return b32encode(digest).decode().lower()[:SECRET_LENGTH]
