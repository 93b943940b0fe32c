"""The texts of the pages in one language, and a search for texts of another one."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from api_service.app import __file__ as app_file

MESSAGES = Path(app_file).parent / "web/messages"
ENGLISH = "en"
OPERATORS = "operators"
"""Messages of a page that users never see, and whose templates match much."""
LETTERS_MIN = 2
VALUE = re.compile(r"\\\{\w+\\\}")
VISIBLE_TEXTS = """() => {
  const all = [document.title.split(" · ")[0]];
  const isSeen = (element) => element.checkVisibility({ visibilityProperty: true });
  for (const element of document.body.querySelectorAll("*")) {
    if (element.matches("script, style, noscript, noscript *") || !isSeen(element)) continue;
    for (const name of ["aria-label", "placeholder", "title", "alt"])
      all.push(element.getAttribute(name) ?? "");
    for (const node of element.childNodes)
      if (node.nodeType === Node.TEXT_NODE) all.push(node.data);
  }
  return all.map((each) => each.trim()).filter(Boolean);
}"""


class Texts:
    """The messages of one language; `texts("drafts")` is one, filled in with the values given."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._all = _messages(language)
        self._foreign = {} if language == ENGLISH else _messages(ENGLISH)
        self._own = [_pattern(each) for each in self._all.values() if _has_letters(each)]

    def __call__(self, key: str, **values: Any) -> str:
        if "count" in values and key not in self._all:
            key += ".one" if values["count"] == 1 else ".other"
        return re.sub(r"\{(\w+)\}", lambda value: str(values[value[1]]), self._all[key])

    def pattern(self, key: str) -> re.Pattern[str]:
        """Return what matches a message with any values."""
        return _pattern(self._all[key])

    def english_on(self, page: Page) -> list[str]:
        """Return visible texts that are English messages, on a page of another language."""
        different = [
            _pattern(message)
            for key, message in self._foreign.items()
            if message != self._all[key] and _has_letters(message)
        ]
        return [
            text
            for text in (page.evaluate(VISIBLE_TEXTS) if different else [])
            if any(each.fullmatch(text) for each in different)
            and not any(each.fullmatch(text) for each in self._own)
        ]


def _messages(language: str) -> dict[str, str]:
    catalog = json.loads((MESSAGES / f"{language}.json").read_text())
    return dict(_leaves({name: each for name, each in catalog.items() if name != OPERATORS}))


def _leaves(part: dict[Any, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in part.items():
        inner = dict(enumerate(value)) if isinstance(value, list) else value
        if isinstance(inner, dict):
            yield from _leaves(inner, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _pattern(message: str) -> re.Pattern[str]:
    return re.compile(VALUE.sub(".+", re.escape(message)))


def _has_letters(message: str) -> bool:
    fixed = re.sub(r"\{\w+\}", "", message)
    return sum(each.isalpha() for each in fixed) >= LETTERS_MIN
