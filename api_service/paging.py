"""Pages of lists: the `limit` and `cursor` parameters, and opaque cursors bound to one list."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from shared.domain.brief import Faults
from shared.domain.errors import WrongField
from shared.domain.keys import Collection, DocumentT, Key
from shared.ports.store import PAGE_LIMIT_MAX, Cursor, Page, Stored

ModelT = TypeVar("ModelT", bound=BaseModel)
LIMIT_DEFAULT = 20


class _EncodedCursor(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", populate_by_name=True)

    fingerprint: Annotated[str, Field(alias="of")]
    value: Annotated[int, Field(ge=0, lt=2**63)] | datetime
    id: str


@dataclass(frozen=True)
class PageQuery:
    """The unchecked `?limit=` and `?cursor=` of a request."""

    limit: str | None = None
    cursor: str | None = None

    def page(self, list_id: str) -> Page:
        """Return the page; `list_id` names the list and its filter. Raise `WrongField`."""
        faults, cursor = Faults(), self.cursor
        after = faults.collect(lambda: None if cursor is None else decode_cursor(cursor, list_id))
        limit = faults.collect(self.checked_limit)
        faults.raise_if_any()
        return Page(limit or LIMIT_DEFAULT, after)

    def checked_limit(self) -> int:
        if self.limit is None:
            return LIMIT_DEFAULT
        if self.limit in {str(count) for count in range(1, PAGE_LIMIT_MAX + 1)}:
            return int(self.limit)
        raise WrongField(field="limit", reason=f"use 1 to {PAGE_LIMIT_MAX}")


_LIMIT = WithJsonSchema(
    {"type": "integer", "minimum": 1, "maximum": PAGE_LIMIT_MAX, "default": LIMIT_DEFAULT}
)


async def _page_query(
    limit: Annotated[str | None, _LIMIT] = None, cursor: str | None = None
) -> PageQuery:
    return PageQuery(limit, cursor)


PageQueryDep = Annotated[PageQuery, Depends(_page_query)]


@dataclass(frozen=True)
class Listed(Generic[DocumentT]):
    """A page of a list, which continues after the document `last`, if any."""

    list_id: str
    items: list[Stored[DocumentT]]
    last: Stored[DocumentT] | None
    sort_key: Callable[[DocumentT], Cursor]

    @property
    def versions(self) -> list[str]:
        """Return what identifies the page's content."""
        last = self.last.version if self.last else ""
        return [self.list_id, last, *(each.version for each in self.items)]

    def next_cursor(self) -> str | None:
        """Return the cursor of the next page, or None at the list's end."""
        if self.last is None:
            return None
        return encode_cursor(self.sort_key(self.last.parse()), self.list_id)


def paginate(
    read: Callable[[Page], list[Stored[DocumentT]]],
    page: Page,
    *,
    list_id: str,
    sort_key: Callable[[DocumentT], Cursor],
) -> Listed[DocumentT]:
    """Read one more than the page holds, to find out whether the list continues."""
    found = read(replace(page, limit=page.limit + 1))
    items = found[: page.limit]
    return Listed(list_id, items, items[-1] if len(found) > page.limit else None, sort_key)


def opaque(content: BaseModel) -> str:
    """Return a text for a URL or a body that `parsed_opaque` reads."""
    return urlsafe_b64encode(content.model_dump_json(by_alias=True).encode()).decode().rstrip("=")


def parsed_opaque(model: type[ModelT], text: str) -> ModelT | None:
    """Return what `opaque` encoded, or None if it is nothing like that."""
    try:
        padding = "=" * (-len(text) % 4)
        return model.model_validate_json(urlsafe_b64decode(text + padding))
    except ValueError:
        return None


def encode_cursor(cursor: Cursor, list_id: str) -> str:
    fingerprint = _fingerprint(list_id)
    return opaque(_EncodedCursor(fingerprint=fingerprint, value=cursor.value, id=cursor.id))


def decode_cursor(text: str, list_id: str) -> Cursor:
    """Return the cursor, or raise `WrongField` if `encode_cursor` did not return it for this list."""
    encoded = parsed_opaque(_EncodedCursor, text)
    if encoded is None or not Key(Collection.CREATIONS, encoded.id).can_exist:
        raise WrongField(field="cursor", reason="use a nextCursor of this list")
    if encoded.fingerprint != _fingerprint(list_id):
        raise WrongField(field="cursor", reason="the cursor belongs to another list")
    return Cursor(encoded.value, encoded.id)


def _fingerprint(list_id: str) -> str:
    return hashlib.sha256(list_id.encode()).hexdigest()[:12]
