"""Downloads: links to an archive of some of an owner's drafts, for a short time."""

from dataclasses import dataclass
from datetime import datetime

from shared.domain.keys import Collection, CreationId, Key, UserId


@dataclass(frozen=True, kw_only=True)
class Download:
    """What one unguessable link streams, until `expires_at`."""

    secret: str
    user_id: UserId
    creation_ids: tuple[CreationId, ...]
    expires_at: datetime

    @property
    def key(self) -> Key["Download"]:
        return download_key(self.secret)


def download_key(secret: str) -> Key[Download]:
    return Key(Collection.DOWNLOADS, secret)
