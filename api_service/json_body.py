"""Strict parsing of JSON bodies, after the caller was authenticated.

FastAPI parses a body before it runs dependencies. Here one dependency reads it, on the event loop
after the token's signature was checked, and another one parses it, in the request's thread after
`after`: 401 and 403 take precedence over 415 and 400.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from api_service.errors import NotJson, WrongJson
from shared.domain.brief import Faults
from shared.domain.errors import WrongField

BodyT = TypeVar("BodyT", bound="Body")

SAFE_NAME = re.compile(r"[A-Za-z_]{1,40}")
SNAKE_CASE = re.compile(r"[a-z]+(_[a-z]+)+")
_REASONS = {"missing": "it is missing", "string_unicode": "it contains an unpaired surrogate"}
_TYPE_REASONS = {"string_type": "use a string", "int_type": "use a whole number"}


class Body(BaseModel):
    """A request body: camelCase, snake_case accepted, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, strict=True)

    accepted: ClassVar[Mapping[str, str]] = {}
    """By field: the reason to give for a value of the wrong type."""

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> object:
        """Check values of the right type while other fields are wrong; raise `WrongField`."""

    @classmethod
    def openapi_schema(cls) -> dict[str, Any]:
        return cls.model_json_schema()


def json_body(model: type[BodyT], *, after: Callable[..., object]) -> Callable[..., BodyT]:
    """Return a dependency that parses a body of this model once `after` has accepted the caller."""

    def parsed(
        request: Request,
        _caller: Annotated[object, Depends(after)],
        body: Annotated[bytes, Depends(_content)],
    ) -> BodyT:
        return parse(model, body, request.headers.get("content-type", ""))

    return parsed


async def _content(request: Request) -> bytes:
    return await request.body()


def parse(model: type[BodyT], body: bytes, content_type: str) -> BodyT:
    """Return the body as its model; an empty one equals `{}`. A `WrongField` has all the others."""
    if body and content_type.split(";", maxsplit=1)[0].strip().lower() != "application/json":
        raise NotJson
    sent = _load_object(body) if body else {}
    names = {to_camel(name) if SNAKE_CASE.fullmatch(name) else name: name for name in sent}
    if len(names) != len(sent):
        raise WrongJson(reason="field given twice (camelCase and snake_case)")
    values = {camel: sent[name] for camel, name in names.items()}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _every_fault(error, model, values, names) from None


def _load_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant
        )
    except ValueError as error:  # not UTF-8, not JSON, or a number of thousands of digits
        raise WrongJson(reason="it cannot be decoded") from error
    except RecursionError as error:
        raise WrongJson(reason="it is nested too deeply") from error
    if not isinstance(value, dict):
        raise WrongJson(reason="it is not an object")
    return value


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise WrongJson(reason="field given twice")
    return fields


def _refuse_constant(_: str) -> float:
    raise WrongJson(reason="NaN and Infinity are not JSON")


def _every_fault(
    error: ValidationError, model: type[Body], values: Mapping[str, Any], names: Mapping[str, str]
) -> WrongField:
    """Return the first fault with the others: pydantic's, then those of values of the right type."""
    faults = [
        _fault(each["type"], str(each["loc"][0]) if each["loc"] else "body", model, names)
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    wrong = {fault.field for fault in faults}
    checked, right = Faults(), {name: values[name] for name in values if name not in wrong}
    checked.collect(lambda: model.check(right))
    first, *others = faults + [each for each in checked.found if each.field not in wrong]
    return WrongField(field=first.field, reason=first.reason, others=tuple(others))


def _fault(error_type: str, field: str, model: type[Body], names: Mapping[str, str]) -> WrongField:
    if error_type == "extra_forbidden":
        name = names[field] if SAFE_NAME.fullmatch(names[field]) else "a field"
        return WrongField(field=name, reason="it is unknown")
    reason = _REASONS.get(error_type) or model.accepted.get(field) or _TYPE_REASONS.get(error_type)
    return WrongField(field=field, reason=reason or "it has the wrong type")
