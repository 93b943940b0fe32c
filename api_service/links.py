"""Links to media files: signed ones to private files, permanent ones to public copies."""

from datetime import UTC, datetime
from functools import cached_property

from shared.domain.policy import Policy
from shared.ports.clock import Clock
from shared.ports.media_store import MediaStore


class Links:
    """Signed links stay the same for half an hour, so that browsers cache the files."""

    def __init__(self, media: MediaStore, clock: Clock, policy: Policy) -> None:
        window_s = policy.link_window_s
        window_start_s = clock.now().timestamp() // window_s * window_s
        self._media = media
        self.expires_at = datetime.fromtimestamp(window_start_s + policy.link_life_s, UTC)

    @cached_property
    def version(self) -> str:
        """A sample link: it changes exactly when the other signed links change."""
        return self._media.private_link("links", expires_at=self.expires_at)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Links) and self.version == other.version

    def __hash__(self) -> int:
        return hash(self.version)

    def to(self, key: str | None) -> str | None:
        """Return the signed link to a private file."""
        return None if key is None else self._media.private_link(key, expires_at=self.expires_at)

    def to_public(self, key: str | None) -> str | None:
        return None if key is None else self._media.public_link(key)
