"""Links: signed ones to private files, permanent ones to public copies, and those of pages."""

from datetime import UTC, datetime, timedelta
from functools import cached_property

from shared.domain.creation import Creation
from shared.domain.download import Download
from shared.domain.policy import Policy
from shared.lifecycle.downloads import ArchiveEntry
from shared.ports.clock import Clock
from shared.ports.media_store import MediaStore

DOWNLOADS_PATH = "/api/downloads/"


class Links:
    """Signed links stay the same for half an hour, so that browsers cache the files."""

    def __init__(self, media: MediaStore, clock: Clock, policy: Policy, base_url: str) -> None:
        window_s = policy.link_window_s
        window_start_s = clock.now().timestamp() // window_s * window_s
        self._media, self._base_url = media, base_url
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

    def to_shared(self, creation: Creation) -> str | None:
        """Return the address of a shared draft's page, which contains its secret."""
        secret = creation.sharing.secret
        return secret and f"{self._base_url}/shared/{creation.creation_id}/{secret}"

    def to_publication(self, creation: Creation) -> str:
        """Return the address of a publication's page."""
        return f"{self._base_url}/soho/{creation.username}/{creation.creation_id}"

    def to_download(self, download: Download) -> str:
        return f"{self._base_url}{DOWNLOADS_PATH}{download.secret}"

    def to_file(self, entry: ArchiveEntry) -> str:
        """Return the signed link that saves a private file by its name."""
        return self._media.private_link(
            entry.key or "", expires_at=self.expires_at, filename=entry.filename
        )

    def to_public(self, key: str | None) -> str | None:
        return None if key is None else self._media.public_link(key)


class ShortLinks(Links):
    """Signed links for readers of a shared creation: they outlive its sharing only briefly."""

    def __init__(self, media: MediaStore, clock: Clock, policy: Policy, base_url: str) -> None:
        super().__init__(media, clock, policy, base_url)
        life = timedelta(seconds=policy.shared_link_life_s)
        self.expires_at = clock.now().replace(microsecond=0) + life
