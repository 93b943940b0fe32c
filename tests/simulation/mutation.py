"""What a mutant is, and how its edits are applied.

A mutant edits the source of a few functions of the real code while its block runs.
"""

import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Edit:
    """Replace `old`, which occurs exactly once in `owner.name`, by `new`."""

    owner: Any
    name: str
    old: str
    new: str
    users: tuple[Any, ...] = ()
    """Other modules that import the function by name."""


@dataclass(frozen=True)
class Mutant:
    name: str
    edits: tuple[Edit, ...]
    gate: str | None = None
    """The gate that fails, for a mutant that loses no token and only costs availability."""
    seed: int = 0
    """The history to play first, because it noticed the mutant before."""


@contextmanager
def broken(mutant: Mutant) -> Iterator[None]:
    """Apply the mutant inside the block."""
    originals = [(edit, vars(edit.owner)[edit.name]) for edit in mutant.edits]
    try:
        for edit, original in originals:
            changed = _edited(edit, original)
            for owner in (edit.owner, *edit.users):
                setattr(owner, edit.name, changed)
        yield
    finally:
        for edit, original in originals:
            for owner in (edit.owner, *edit.users):
                setattr(owner, edit.name, original)


def _edited(edit: Edit, original: Any) -> Any:
    function = getattr(original, "fget", None) or getattr(original, "__func__", original)
    source = textwrap.dedent(inspect.getsource(function))
    if source.count(edit.old) != 1:
        raise AssertionError(f"{edit.name}: {edit.old!r} occurs {source.count(edit.old)} times")
    names: dict[str, Any] = {}
    code = compile(source.replace(edit.old, edit.new), f"<{edit.name}, broken>", "exec")
    exec(code, function.__globals__, names)
    return names[edit.name]


def one(
    name: str,
    owner: Any,
    function: str,
    old: str,
    new: str,
    *users: Any,
    gate: str | None = None,
    seed: int = 0,
) -> Mutant:
    """Return a mutant with one edit."""
    return Mutant(name, (Edit(owner, function, old, new, users),), gate, seed)
