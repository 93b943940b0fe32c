"""Messages of the pages: one for every error that a page can meet, and none that nothing shows."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api_service import languages
from api_service.errors import STATUS_OF
from api_service.static_files import FOLDER, STATIC_FOLDER

API = FOLDER.parent
ENGLISH = languages.load()["en"].messages
NEVER_MET = {
    "headers_too_large": "pages send small headers",
    "invalid_json": "pages send valid JSON",
    "malformed_request": "browsers send valid HTTP",
    "method_not_allowed": "pages use the methods of the description",
    "reference_reused": "only the operators' page grants, with an Idempotency-Key",
    "too_many_streams": "the page polls instead",
    "unsupported_media_type": "pages send JSON",
    "withdrawal_refused": "only jobs and the sweep meet it",
    "wrong_service_account": "only for services",
}
BY_NAME_IN_DATA = {
    *("bulkProblems", "errors", "formats", "signInPage", "signInProblems", "stages", "untitled"),
    *("operators.sinces", "operators.verbs", "operators.windows", "pages.error"),
    *("pages.publication", "tokensPage.reasons", "wrongFields"),
}
"""Sections whose messages are chosen by a code, a kind or a name that is put together."""


def test_every_error_that_a_page_can_meet_has_a_message() -> None:
    codes = {error.code for error in STATUS_OF}
    explained = ENGLISH["errors"].keys() | ENGLISH["problems"].keys()

    assert codes - explained - NEVER_MET.keys() == set()
    assert NEVER_MET.keys() - codes == set()
    assert NEVER_MET.keys() & explained == set()


FORMS = {"one", "other", "image", "video"}


def paths(section: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the path of each message; forms by number or kind are one message."""
    for name, value in section.items():
        if isinstance(value, dict) and not value.keys() <= FORMS:
            yield from paths(value, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def read_all(folder: Path, pattern: str) -> str:
    return "".join(path.read_text() for path in folder.rglob(pattern))


def test_every_message_is_shown_by_a_page_a_script_or_the_server() -> None:
    code = read_all(STATIC_FOLDER, "*.js") + read_all(FOLDER, "*.html") + read_all(API, "*.py")
    named = set(re.findall(r"\w+", code))

    unused = [
        path
        for path in paths(dict(ENGLISH))
        if not any(f"{path}.".startswith(f"{each}.") for each in BY_NAME_IN_DATA)
        and not is_named(path, code, named)
    ]

    assert unused == []


def is_named(path: str, code: str, named: set[str]) -> bool:
    """Return whether a path is in the code: whole in pages, and by its name in scripts."""
    if f"{{{{{path}}}}}" in code or f'"{path}"' in code:
        return True
    if path.startswith("pages."):
        return False
    *_, section, name = ["", *path.split(".")]
    last = rf"\.{section}\.{name}\b" if section else rf"\b(?:text|catalog)\.{name}\b"
    return bool(re.search(last, code)) or (bool(section) and name in named)
