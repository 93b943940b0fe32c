"""The languages of the pages: one file of messages for each, and which one a browser gets.

Messages are nested; a name such as `pages.create.title` is a path. `{name}` in a message is filled
in, and the scripts get the same files.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request

FOLDER = Path(__file__).parent / "web" / "messages"
DEFAULT = "en"
COOKIE = "phoenix_language"
VARY = "Accept-Language, Cookie"
SERVER_ONLY = {"pages", "shell", "months", "longDate"}
"""The sections that the scripts do not need."""
OPERATORS = "operators"
"""The section that only the operators' page needs: a module of its own."""
_ACCEPTED = re.compile(r"(?P<tag>[\w*-]+)(?:[ \t]*;[ \t]*[qQ]=(?P<quality>\d+(?:\.\d*)?))?")
_PART = re.compile(r"\{\{([\w.]+)\}\}")


@dataclass(frozen=True)
class Language:
    code: str
    messages: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.text("languageName")

    def text(self, path: str, **values: object) -> str:
        message: Any = self.messages
        for name in path.split("."):
            message = message[name]
        return str(message).format(**values) if values else str(message)

    def fill(self, template: str) -> str:
        """Replace each `{{path}}` by its message, escaped, and `{{language}}` by the code."""
        return _PART.sub(lambda match: html.escape(self._part(match[1])), template)

    def _part(self, path: str) -> str:
        return self.code if path == "language" else self.text(path)

    def scripts(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name and text of each module of messages for the pages' scripts."""
        own = SERVER_ONLY | {OPERATORS}
        shown = {name: each for name, each in self.messages.items() if name not in own}
        yield f"{self.code}.js", _module(shown)
        yield f"{OPERATORS}.{self.code}.js", _module(self.messages[OPERATORS])


def _module(messages: Mapping[str, Any]) -> bytes:
    return f"export default {json.dumps(messages, ensure_ascii=False)};\n".encode()


def load() -> dict[str, Language]:
    """Return the languages by code, the default first."""
    codes = sorted((path.stem for path in FOLDER.glob("*.json")), key=lambda code: code != DEFAULT)
    return {
        code: Language(code, json.loads((FOLDER / f"{code}.json").read_text(encoding="utf-8")))
        for code in codes
    }


def choose(languages: Mapping[str, Language], request: Request) -> Language:
    """Return the language that the user chose, else the browser's favourite, else the default."""
    chosen = request.cookies.get(COOKIE, "")
    if chosen in languages:
        return languages[chosen]
    accepted = _accepted(request.headers.get("accept-language", ""))
    return next((languages[code] for code in accepted if code in languages), languages[DEFAULT])


def _accepted(header: str) -> list[str]:
    """Return the primary language codes of an Accept-Language header, the favourite first."""
    found: list[tuple[float, str]] = []
    for part in header.split(","):
        match = _ACCEPTED.fullmatch(part.strip())
        if match and (quality := float(match["quality"] or 1)):
            found.append((quality, match["tag"].partition("-")[0].lower()))
    return [code for _, code in sorted(found, key=lambda each: -each[0])]
