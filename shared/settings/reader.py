"""Dataclasses whose fields are environment variables; reading them collects every fault."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, TypeVar

from shared.settings.values import bare

ValueT = TypeVar("ValueT")
REQUIRED: Any = object()
UNREADABLE: Any = ""
"""The value of a required variable that is missing or invalid, while the rest is read."""


@dataclass(frozen=True)
class Variable:
    """One environment variable; `parse` also takes the earlier fields in `given`, by name."""

    name: str
    parse: Callable[..., object]
    default: object = REQUIRED
    given: tuple[str, ...] = ()


def variable(
    name: str,
    parse: Callable[..., ValueT],
    default: ValueT = REQUIRED,
    *,
    given: tuple[str, ...] = (),
    is_secret: bool = False,
) -> ValueT:
    """Declare a dataclass field that is read from an environment variable."""
    read = Variable(name, parse, default, given)
    declared: ValueT = field(repr=not is_secret, metadata={Variable: read})
    return declared


def variables(kind: type) -> dict[str, Variable]:
    """Return the variables of a dataclass by the names of their fields."""
    return {
        each.name: each.metadata[Variable] for each in fields(kind) if Variable in each.metadata
    }


@dataclass(frozen=True)
class Reader:
    """Reads typed values from an environment and collects the faults."""

    environment: Mapping[str, str]
    problems: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def read(self, kind: type[ValueT], **given: object) -> ValueT:
        """Return a dataclass of variables; `given` holds its other fields and other defaults."""
        values = dict(given)
        for name, each in variables(kind).items():
            parse = partial(each.parse, **{other: values[other] for other in each.given})
            values[name] = self.value(each.name, parse, given.get(name, each.default))
        return kind(**values)

    def value(self, name: str, parse: Callable[[str], ValueT], default: ValueT) -> ValueT:
        """Return a variable's value, or the default if it is unset or invalid."""
        text = self.environment.get(name)
        is_required = default is REQUIRED
        if is_required and not (text or "").strip():
            self.missing.append(name)
        elif text is not None:
            try:
                return parse(bare(text))
            except ValueError as error:
                self.problems.append(f"{name} is not usable: {error}")
        return UNREADABLE if is_required else default
