"""Request bodies: pydantic stops here, what is asked for becomes a brief."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from api_service.bodies import Body
from shared.domain.account import checked_username
from shared.domain.brief import (
    ACCEPTED_DURATION,
    ACCEPTED_ORIENTATION,
    CAPTION_LENGTH_MAX,
    AspectRatio,
    Brief,
    Faults,
    checked_text,
)
from shared.domain.errors import WrongField
from shared.domain.kind import Kind
from shared.domain.ledger import check_grant

ACCEPTED_KINDS = f"use {' or '.join(Kind)}"
_SOME_PROMPT = "-"
_SOME_USERNAME = "ada"


def _whole(value: object) -> object:
    """Let 8.0 be 8, as JSON does; strictness refuses everything else that is no integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]


class OpenCreation(Body):
    """What to make. `orientation` is another way to say a video's aspect ratio."""

    kind: ClassVar[Kind | None] = None
    """What the address makes, if it makes one kind only."""
    accepted: ClassVar[Mapping[str, str]] = {
        "type": ACCEPTED_KINDS,
        "prompt": "use a string",
        "aspectRatio": f"use one of {', '.join(AspectRatio)}",
        "orientation": ACCEPTED_ORIENTATION,
        "duration": ACCEPTED_DURATION,
    }

    type: Literal["image", "video"] | None = None
    prompt: str
    aspect_ratio: str | None = None
    orientation: str | None = None
    duration: Whole | None = None

    def to_brief(self) -> Brief:
        """Return the brief.

        Raises:
            WrongField
        """
        faults = Faults()
        brief = self._brief(self.model_dump(by_alias=True), faults)
        faults.raise_if_any()
        return brief

    @classmethod
    def more_faults(cls, values: Mapping[str, Any]) -> list[WrongField]:
        """See `Body.more_faults`."""
        faults = Faults()
        cls._brief(values, faults)
        return faults.found

    @classmethod
    def _brief(cls, values: Mapping[str, Any], faults: Faults) -> Brief:
        """Return the brief of these values; one with faults is of no use."""
        kind = faults.collect(partial(cls._kind, values.get("type")))
        asked = {
            "prompt": values.get("prompt", _SOME_PROMPT),
            "aspect_ratio": values.get("aspectRatio"),
            "orientation": values.get("orientation"),
            "duration_s": values.get("duration"),
        }
        if kind is None:  # what else is accepted depends on the kind
            asked = {"prompt": asked["prompt"]}
        some = Brief.of(Kind.IMAGE, prompt=_SOME_PROMPT)
        return faults.collect(lambda: Brief.of(kind or Kind.IMAGE, **asked)) or some

    @classmethod
    def _kind(cls, type_: str | None) -> Kind:
        if cls.kind is None and type_ is None:
            raise WrongField(field="type", reason=ACCEPTED_KINDS)
        if cls.kind is not None and type_ not in (None, cls.kind):
            raise WrongField(field="type", reason=f"this address makes {cls.kind}s")
        return cls.kind or Kind(str(type_))


class OpenImage(OpenCreation):
    """What to make at the address of images."""

    kind = Kind.IMAGE


class OpenVideo(OpenCreation):
    """What to make at the address of videos."""

    kind = Kind.VIDEO


class Publish(Body):
    """What stands below a publication; without it, an earlier caption stays."""

    accepted: ClassVar[Mapping[str, str]] = {"caption": "use a string"}

    caption: str | None = None

    def checked_caption(self) -> str | None:
        """Return the caption trimmed; raises `WrongField`."""
        return None if self.caption is None else self._checked(self.caption)

    @classmethod
    def more_faults(cls, values: Mapping[str, Any]) -> list[WrongField]:
        """See `Body.more_faults`."""
        faults = Faults()
        faults.collect(lambda: cls._checked(values.get("caption") or ""))
        return faults.found

    @staticmethod
    def _checked(caption: str) -> str:
        return checked_text(
            caption, field="caption", length_max=CAPTION_LENGTH_MAX, may_be_blank=True
        )


class Retry(Body):
    """How often the creation was debited as far as the client knows, so that two clicks are one."""

    accepted: ClassVar[Mapping[str, str]] = {"debits": "use a whole number from 1 on"}

    debits: Annotated[Whole, Field(ge=1)] | None = None


class Nothing(Body):
    """A body without fields; it may be left out."""


class SignIn(Body):
    """The name to sign in with, on one machine."""

    username: str

    @classmethod
    def more_faults(cls, values: Mapping[str, Any]) -> list[WrongField]:
        """See `Body.more_faults`."""
        faults = Faults()
        faults.collect(lambda: checked_username(values.get("username", _SOME_USERNAME)))
        return faults.found


class GrantTokens(Body):
    """Tokens for one account, once per reference."""

    user_id: str
    amount: Whole
    reference: str

    @classmethod
    def more_faults(cls, values: Mapping[str, Any]) -> list[WrongField]:
        """See `Body.more_faults`."""
        faults = Faults()
        faults.collect(lambda: check_grant(values.get("amount", 1), values.get("reference", "-")))
        return faults.found
