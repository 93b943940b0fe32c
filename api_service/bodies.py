"""Reading JSON bodies strictly, and only after the caller is known.

FastAPI decodes a body before it runs dependencies; here the body is read by a dependency that
depends on the caller, so that 401 and 403 come before 415 and 400.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from shared.domain.errors import NotJson, WrongField, WrongJson

BodyT = TypeVar("BodyT", bound="Body")

NAMEABLE_FIELD = re.compile(r"[A-Za-z_]{1,40}")
SNAKE_CASE = re.compile(r"[a-z]+(_[a-z]+)+")


class Body(BaseModel):
    """A request body: camelCase, snake_case accepted, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, strict=True)

    accepted: ClassVar[Mapping[str, str]] = {}
    """By field: what to use instead of a value of the wrong type."""

    @classmethod
    def more_faults(cls, values: Mapping[str, Any]) -> list[WrongField]:  # noqa: ARG003 (for models to override)
        """Return what is wrong with values that have the right type, when others do not."""
        return []


def json_body(
    model: type[BodyT], *, after: Callable[..., object]
) -> Callable[..., Awaitable[BodyT]]:
    """Return a dependency that reads a body of this model once `after` has let the caller in."""

    async def read(request: Request, _caller: Annotated[object, Depends(after)]) -> BodyT:
        return parsed(model, await request.body(), request.headers.get("content-type", ""))

    return read


def parsed(model: type[BodyT], body: bytes, content_type: str) -> BodyT:
    """Return the body as its model; an empty one equals `{}`.

    Raises:
        NotJson, WrongJson, WrongField
    """
    if body and content_type.split(";", maxsplit=1)[0].strip().lower() != "application/json":
        raise NotJson
    sent = _object(body) if body else {}
    names = {_in_camel_case(name): name for name in sent}
    if len(names) != len(sent):
        raise WrongJson(reason="a field is given twice, in camelCase and in snake_case")
    values = {camel: sent[name] for camel, name in names.items()}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = _faults(error, model, names)
    wrong = {fault.field for fault in faults}
    valid = {field: value for field, value in values.items() if field not in wrong}
    faults += [each for each in model.more_faults(valid) if each.field not in wrong]
    first, *others = faults
    raise WrongField(field=first.field, reason=first.reason, others=tuple(others))


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_without_doubles, parse_constant=_no_constant
        )
    except ValueError as error:  # not UTF-8, not JSON, or a number of thousands of digits
        raise WrongJson(reason="it cannot be decoded") from error
    except RecursionError as error:
        raise WrongJson(reason="it is nested too deeply") from error
    if not isinstance(value, dict):
        raise WrongJson(reason="it is not an object")
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise WrongJson(reason="a field is given twice")
    return fields


def _no_constant(_: str) -> float:
    raise WrongJson(reason="NaN and Infinity are not JSON")


def _in_camel_case(name: str) -> str:
    return to_camel(name) if SNAKE_CASE.fullmatch(name) else name


def _faults(
    error: ValidationError, model: type[Body], names: Mapping[str, str]
) -> list[WrongField]:
    """Return every problem; an unknown field is named as it was sent, if that is harmless."""
    return [
        _fault(each["type"], str(each["loc"][0]) if each["loc"] else "body", model, names)
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _fault(type_: str, field: str, model: type[Body], names: Mapping[str, str]) -> WrongField:
    if type_ == "extra_forbidden":
        shown = names[field] if NAMEABLE_FIELD.fullmatch(names[field]) else "a field"
        return WrongField(field=shown, reason="it is unknown")
    accepted = _REASONS.get(type_) or model.accepted.get(field) or _TYPES.get(type_)
    return WrongField(field=field, reason=accepted or "it has the wrong type")


_REASONS = {"missing": "it is missing", "string_unicode": "it contains an unpaired surrogate"}
_TYPES = {"string_type": "use a string", "int_type": "use a whole number"}
