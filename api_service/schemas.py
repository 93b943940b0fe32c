"""Request bodies: pydantic stops here, what is asked for becomes a brief."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from api_service.bodies import Body
from shared.domain.brief import (
    CAPTION_LENGTH_MAX,
    Brief,
    checked_text,
)
from shared.domain.errors import WrongField
from shared.domain.policy import Kind


def _whole(value: object) -> object:
    """Let 8.0 be 8, as JSON does; strictness refuses everything else that is no integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]


class OpenCreation(Body):
    """What to make. `orientation` is another way to say a video's aspect ratio."""

    type: Literal["image", "video"] | None = None
    prompt: str
    aspect_ratio: str | None = None
    orientation: str | None = None
    duration: Whole | None = None

    def to_brief(self, kind: Kind | None = None) -> Brief:
        """Return the brief; the address may have given the kind.

        Raises:
            WrongField
        """
        if kind is None and self.type is None:
            raise WrongField(field="type", reason="it is missing")
        if kind is not None and self.type not in (None, kind):
            raise WrongField(field="type", reason=f"this address makes {kind}s")
        return Brief.of(
            kind or Kind(str(self.type)),
            prompt=self.prompt,
            aspect_ratio=self.aspect_ratio,
            orientation=self.orientation,
            duration_s=self.duration,
        )


class Publish(Body):
    """What stands below a publication; without it, an earlier caption stays."""

    caption: str | None = None

    def checked_caption(self) -> str | None:
        """Return the caption trimmed; raises `WrongField`."""
        if self.caption is None:
            return None
        return checked_text(
            self.caption, field="caption", length_max=CAPTION_LENGTH_MAX, may_be_blank=True
        )


class Retry(Body):
    """How often the creation was debited as far as the client knows, so that two clicks are one."""

    debits: Annotated[Whole, Field(ge=1)] | None = None


class Nothing(Body):
    """A body without fields; it may be left out."""


class SignIn(Body):
    """The name to sign in with, on one machine."""

    username: str


class GrantTokens(Body):
    """Tokens for one account, once per reference."""

    user_id: str
    amount: Whole
    reference: str
