"""Cursors: where a page ended, opaque to clients and good for one list only."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue

from shared.domain.brief import Faults
from shared.domain.errors import WrongField
from shared.domain.keys import Collection, Key
from shared.ports.store import PAGE_LIMIT_MAX, Cursor, Page

FoundT = TypeVar("FoundT")

LIMIT_DEFAULT = 20


def _checked_id(id_: str) -> str:
    if not Key(Collection.CREATIONS, id_).can_exist:
        raise ValueError("no document has this id")
    return id_


class _Written(BaseModel):
    """A cursor as it is written; `of` marks the list that it belongs to."""

    model_config = ConfigDict(strict=True, extra="forbid")

    of: str
    value: Annotated[int, Field(ge=0, lt=2**63)] | datetime
    id: Annotated[str, AfterValidator(_checked_id)]


_LIMIT: JsonSchemaValue = {
    "type": "integer",
    "minimum": 1,
    "maximum": PAGE_LIMIT_MAX,
    "default": LIMIT_DEFAULT,
}


@dataclass(frozen=True)
class AskedPage:
    """`?limit=` and `?cursor=` as they were asked for."""

    limit: str | None = None
    cursor: str | None = None

    def of(self, this_list: str) -> Page:
        """Return the page of a list, named with its filter.

        Raises:
            WrongField
        """
        faults = Faults()
        after = faults.collect(lambda: self._after(this_list))
        limit = faults.collect(lambda: self.checked_limit)
        faults.raise_if_any()
        return Page(limit or LIMIT_DEFAULT, after)

    @property
    def checked_limit(self) -> int:
        """Return the page's limit, or raise `WrongField`."""
        if self.limit is None:
            return LIMIT_DEFAULT
        if self.limit in {str(count) for count in range(1, PAGE_LIMIT_MAX + 1)}:
            return int(self.limit)
        raise WrongField(field="limit", reason=f"use 1 to {PAGE_LIMIT_MAX}")

    def _after(self, this_list: str) -> Cursor | None:
        return None if self.cursor is None else decoded(self.cursor, of=this_list)


async def _asked_page(
    limit: Annotated[str | None, WithJsonSchema(_LIMIT)] = None, cursor: str | None = None
) -> AskedPage:
    return AskedPage(limit, cursor)


AskedPageDep = Annotated[AskedPage, Depends(_asked_page)]


def listed(
    read: Callable[[Page], list[FoundT]], page: Page, *, of: str, place: Callable[[FoundT], Cursor]
) -> tuple[list[FoundT], str | None]:
    """Return a page, and the cursor of the one after it, or None at the list's end.

    One more is read than is shown: it tells whether the list goes on.
    """
    found = read(replace(page, limit=page.limit + 1))
    shown = found[: page.limit]
    return shown, encoded(place(shown[-1]), of=of) if len(found) > page.limit else None


def encoded(cursor: Cursor, *, of: str) -> str:
    """Return the cursor as text."""
    written = _Written(of=_mark(of), value=cursor.value, id=cursor.id)
    return urlsafe_b64encode(written.model_dump_json().encode()).decode().rstrip("=")


def decoded(text: str, *, of: str) -> Cursor:
    """Return the cursor that was written for this list, or raise `WrongField`."""
    try:
        written = _Written.model_validate_json(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:  # not base64, or not what `encoded` writes
        written = None
    if written is None or written.of != _mark(of):
        raise WrongField(field="cursor", reason="use a nextCursor of this list")
    return Cursor(written.value, written.id)


def _mark(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()[:12]
