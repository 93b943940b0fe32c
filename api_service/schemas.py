"""Request bodies: pydantic stops here, what is asked for becomes a brief."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from api_service.bodies import Body
from shared.domain.brief import (
    CAPTION_LENGTH_MAX,
    DURATIONS_S,
    PROMPT_LENGTH_MAX,
    AspectRatio,
    Brief,
    checked_text,
)
from shared.domain.errors import WrongField
from shared.domain.ledger import GRANT_TOKENS_MAX, REFERENCE_LENGTH_MAX
from shared.domain.policy import Kind


def _whole(value: object) -> object:
    """Let 8.0 be 8, as JSON does; strictness refuses everything else that is no integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]


class OpenCreation(Body):
    """What to make. `orientation` is another way to say a video's aspect ratio."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"type": "image", "prompt": "A fox in the snow", "aspectRatio": "1:1"},
                {"type": "video", "prompt": "A fox runs", "orientation": "portrait", "duration": 6},
            ]
        }
    )

    type: Literal["image", "video"] | None = None
    prompt: str = Field(description=f"1 to {PROMPT_LENGTH_MAX} characters after trimming")
    aspect_ratio: str | None = Field(None, json_schema_extra={"enum": [*AspectRatio, None]})
    orientation: str | None = Field(
        None, json_schema_extra={"enum": ["landscape", "portrait", None]}
    )
    duration: Whole | None = Field(
        None, description="seconds, videos only", json_schema_extra={"enum": [*DURATIONS_S, None]}
    )

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

    caption: str | None = Field(
        None, description=f"0 to {CAPTION_LENGTH_MAX} characters", examples=["First snow!"]
    )

    def checked_caption(self) -> str | None:
        """Return the caption trimmed; raises `WrongField`."""
        if self.caption is None:
            return None
        return checked_text(
            self.caption, field="caption", length_max=CAPTION_LENGTH_MAX, may_be_blank=True
        )


class Retry(Body):
    """How often the creation was debited as far as the client knows, so that two clicks are one."""

    debits: Whole | None = Field(None, examples=[1])


class Nothing(Body):
    """A body without fields; it may be left out."""


class SignIn(Body):
    """The name to sign in with, on one machine."""

    username: str = Field(examples=["ada"])


class GrantTokens(Body):
    """Tokens for one account, once per reference."""

    user_id: str = Field(examples=["ada"])
    amount: Whole = Field(description=f"1 to {GRANT_TOKENS_MAX}")
    reference: str = Field(description=f"1 to {REFERENCE_LENGTH_MAX} characters, used only once")
