"""What people see of a creation that its owner shares with them, and what its owner gets."""

from typing import Self

from api_service.links import Links
from api_service.responses import CreationView, MediaView, Time, View
from shared.domain.creation import Creation


class SharedView(MediaView):
    """A shared creation. Its links end within 15 minutes; `prompt` is null unless it is shown."""

    username: str
    prompt: str | None
    media_url_expires_at: Time | None
    created_at: Time

    @classmethod
    def of(cls, creation: Creation, links: Links) -> Self:
        return cls.from_creation(
            creation,
            prompt=creation.prompt if creation.sharing.shows_prompt else None,
            media_url=links.to(creation.media_key),
            thumbnail_url=links.to(creation.thumbnail_key),
            media_url_expires_at=links.expires_at if creation.media_key else None,
        )


class OneShared(View):
    creation: SharedView


class SharedWithMe(View):
    creations: list[SharedView]
    next_cursor: str | None


class ShareLink(View):
    """The link's address, which contains its secret, and the creation."""

    url: str
    creation: CreationView
