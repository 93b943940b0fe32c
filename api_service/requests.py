"""Request bodies, and their JSON schemas as OpenAPI shows them.

Pydantic checks types; the domain checks values, so that the API and the command line give the same
reasons. The schemas state the domain's rules with the domain's constants.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from fastapi import Depends
from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from api_service.dependencies import caller_of
from api_service.json_body import Body, json_body
from shared.domain import brief
from shared.domain.account import RESERVED_USERNAMES, USERNAME, checked_username
from shared.domain.brief import BIDI_CONTROLS, ORIENTATIONS, AspectRatio, Brief, Faults
from shared.domain.errors import WrongField
from shared.domain.kind import Kind
from shared.domain.ledger import GRANT_TOKENS_MAX, REFERENCE_LENGTH_MAX, check_grant
from shared.domain.schedule import ACCEPTED_PUBLISH_AT, RFC_3339, parsed_publish_at

ACCEPTED_KINDS = f"use {' or '.join(Kind)}"
_CONTROLS = r"\u0000-\u0008\u000b-\u001f\u007f-\u009f"
_SPACES = r"\t\n \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_MARGIN = rf"(?:[{_SPACES}{BIDI_CONTROLS}]|\r\n)*"


def text_pattern(length_max: int) -> str:
    """Return the pattern of a text of 1 to `length_max` characters after normalisation."""
    character = rf"[^{_SPACES}{_CONTROLS}{BIDI_CONTROLS}]"
    any_character = rf"[{BIDI_CONTROLS}]*(?:[^{_CONTROLS}{BIDI_CONTROLS}]|\r\n)"
    rest = rf"(?:(?:{any_character}){{0,{length_max - 2}}}[{BIDI_CONTROLS}]*{character})?"
    return rf"{_MARGIN}{character}{rest}{_MARGIN}"


def _enum(values: Iterable[Any]) -> WithJsonSchema:
    return WithJsonSchema({"enum": [*values, None]})


def to_whole(value: object) -> object:
    """Accept 8.0 as 8, as JSON does; strict validation refuses every other float."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_AGREEING_RATIOS: list[Any] = [
    {"properties": {"orientation": {"type": "null"}}},
    *(
        {"properties": {"orientation": {"const": name}, "aspectRatio": {"enum": [ratio, None]}}}
        for name, ratio in ORIENTATIONS.items()
    ),
]
Whole = Annotated[int, BeforeValidator(to_whole)]
Prompt = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "description": f"What to generate: 1 to {brief.PROMPT_LENGTH_MAX} characters after trimming. "
            "CRLF becomes LF, and bidirectional control characters are removed.",
            "pattern": f"^{text_pattern(brief.PROMPT_LENGTH_MAX)}$",
        }
    ),
]


class OpenCreation(Body):
    """What to generate. `orientation` is another way to give a video's aspect ratio."""

    kind: ClassVar[Kind | None] = None  # set where the address opens one kind only
    accepted: ClassVar[Mapping[str, str]] = {
        "type": ACCEPTED_KINDS,
        "aspectRatio": f"use one of {', '.join(AspectRatio)}",
        "orientation": brief.ACCEPTED_ORIENTATION,
        "duration": brief.ACCEPTED_DURATION,
        "count": brief.ACCEPTED_COUNT,
    }

    type: Literal["image", "video"] | None = None
    prompt: Prompt
    aspect_ratio: str | None = None
    orientation: str | None = None
    duration: Whole | None = None
    count: Whole | None = None

    def to_brief(self) -> Brief:
        """Return the brief, or raise `WrongField` with every wrong field."""
        return self.check(self.model_dump(by_alias=True))

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Brief:
        faults = Faults()
        kind = faults.collect(lambda: cls._kind(values.get("type")))
        optional = values if kind else {}  # the kind decides which values are accepted
        valid = faults.collect(
            lambda: Brief.of(
                kind or Kind.IMAGE,
                prompt=values.get("prompt", "-"),
                aspect_ratio=optional.get("aspectRatio"),
                orientation=optional.get("orientation"),
                duration_s=optional.get("duration"),
                count=optional.get("count"),
            )
        )
        faults.raise_if_any()
        assert valid is not None
        return valid

    @classmethod
    def _kind(cls, type_: str | None) -> Kind:
        if cls.kind is None and type_ is None:
            raise WrongField(field="type", reason=ACCEPTED_KINDS)
        if cls.kind is not None and type_ not in (None, cls.kind):
            raise WrongField(field="type", reason=f"this address creates {cls.kind}s only")
        return cls.kind or Kind(str(type_))

    @classmethod
    def openapi_schema(cls) -> dict[str, Any]:
        if cls.kind is not None:
            return cls.model_json_schema()
        one_of = []
        for model in (OpenImage, OpenVideo):
            schema = model.model_json_schema()
            schema["properties"]["type"] = {"const": str(model.kind)}
            one_of.append({**schema, "required": ["type", "prompt"]})
        examples = [
            {"type": "image", "prompt": "A fox in the snow", "aspectRatio": "1:1"},
            {"type": "image", "prompt": "A fox in the snow", "count": 4},
            {"type": "video", "prompt": "A fox runs", "orientation": "portrait", "duration": 6},
        ]
        return {"oneOf": one_of, "examples": examples}


class OpenImage(OpenCreation):
    kind = Kind.IMAGE

    type: Annotated[Literal["image", "video"] | None, _enum(["image"])] = None
    aspect_ratio: Annotated[str | None, _enum(brief.ASPECT_RATIOS[Kind.IMAGE])] = None
    orientation: SkipJsonSchema[str | None] = None
    duration: SkipJsonSchema[Whole | None] = None
    count: Annotated[Whole | None, _enum(range(1, brief.COUNT_MAX + 1))] = Field(
        None, description="how many variations to create, each for the price of one; 1 by default"
    )


class OpenVideo(OpenCreation):
    """What to generate. `orientation` is another way to give the aspect ratio."""

    kind = Kind.VIDEO
    model_config = ConfigDict(json_schema_extra={"anyOf": _AGREEING_RATIOS})

    type: Annotated[Literal["image", "video"] | None, _enum(["video"])] = None
    aspect_ratio: Annotated[str | None, _enum(brief.ASPECT_RATIOS[Kind.VIDEO])] = None
    orientation: Annotated[str | None, _enum(ORIENTATIONS)] = None
    duration: Annotated[Whole | None, _enum(brief.DURATIONS_S)] = Field(None, description="seconds")
    count: SkipJsonSchema[Whole | None] = None


class Publish(Body):
    """Publish request. Omit `caption` to keep the existing one, and `publishAt` to publish now."""

    accepted: ClassVar[Mapping[str, str]] = {"publishAt": ACCEPTED_PUBLISH_AT}

    caption: str | None = Field(
        None,
        json_schema_extra={
            "pattern": rf"^(?:(?:[{_SPACES}]|\r\n)*|{text_pattern(brief.CAPTION_LENGTH_MAX)})$",
            "examples": ["First snow!"],
        },
    )

    publish_at: str | None = Field(
        None,
        description="RFC 3339 with an offset, 1 minute to 90 days ahead; the response is a 202",
        json_schema_extra={
            "format": "date-time",
            "pattern": f"^{RFC_3339.pattern}$",
            "examples": ["2030-01-31T18:00:00Z"],
        },
    )

    def checked(self) -> tuple[str | None, datetime | None]:
        """Return the caption normalised and the time; raise `WrongField` with every wrong field."""
        caption, publish_at = self.check({"caption": self.caption, "publishAt": self.publish_at})
        return None if self.caption is None else caption, publish_at

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> tuple[str | None, datetime | None]:
        length_max, text = brief.CAPTION_LENGTH_MAX, values.get("caption") or ""
        faults, time = Faults(), values.get("publishAt")
        caption = faults.collect(
            lambda: brief.checked_text(
                text, field="caption", length_max=length_max, may_be_blank=True
            )
        )
        publish_at = faults.collect(lambda: parsed_publish_at(time) if time is not None else None)
        faults.raise_if_any()
        return caption, publish_at


class Retry(Body):
    """Retry request. `debits` is the count that the client shows: a second click has no effect."""

    accepted: ClassVar[Mapping[str, str]] = {"debits": "use a whole number from 1 on"}

    debits: Annotated[int, Field(ge=1), BeforeValidator(to_whole)] | None = None


class Share(Body):
    """Share request. Omit `showsPrompt` to keep it as it is: hidden at first."""

    accepted: ClassVar[Mapping[str, str]] = {"showsPrompt": "use true or false"}

    shows_prompt: bool | None = None


class Nothing(Body):
    """A body without fields; it may be omitted."""


NoBody = Annotated[Nothing, Depends(json_body(Nothing, after=caller_of))]


class SignIn(Body):
    """The name to sign in with, in local mode."""

    username: str = Field(
        json_schema_extra={
            "pattern": f"^{USERNAME.pattern}$",
            "not": {"enum": [*sorted(RESERVED_USERNAMES)]},
            "examples": ["ada"],
        }
    )

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        checked_username(values.get("username", "ada"))


class GrantTokens(Body):
    """Tokens for one account, granted once per reference."""

    user_id: str = Field(examples=["ada"])
    amount: Whole = Field(json_schema_extra={"minimum": 1, "maximum": GRANT_TOKENS_MAX})
    reference: str = Field(json_schema_extra={"minLength": 1, "maxLength": REFERENCE_LENGTH_MAX})

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> None:
        check_grant(values.get("amount", 1), values.get("reference", "-"))
