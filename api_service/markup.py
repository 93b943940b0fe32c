"""HTML for pages that the server renders: texts are escaped, elements are not escaped again."""

import html
import re
from collections.abc import Mapping

_VOID = frozenset({"img", "link", "meta"})
_PART = re.compile(r"\[\[(\w+)\]\]")


class Markup(str):
    """HTML that is safe to insert as it is."""

    __slots__ = ()


def element(
    tag: str, attributes: Mapping[str, str | int | bool | None], *children: str | None
) -> Markup:
    """Return an element. An attribute that is None or False, and a child that is None, is left out."""
    names = "".join(
        f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID:
        return Markup(f"<{tag}{names}>")
    return Markup(f"<{tag}{names}>{joined(*children)}</{tag}>")


def joined(*parts: str | None) -> Markup:
    return Markup("".join(_safe(part) for part in parts if part is not None))


def fill(template: str, parts: Mapping[str, str]) -> bytes:
    """Return a page with each `[[name]]` replaced, once: a text may contain such a name, too."""
    return _PART.sub(lambda match: _safe(parts[match[1]]), template).encode()


def _safe(part: str) -> str:
    return part if isinstance(part, Markup) else html.escape(part)
