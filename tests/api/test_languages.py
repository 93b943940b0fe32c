"""Languages of the pages: complete message files, and the choice between them."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from api_service import languages
from api_service.languages import Language
from api_service.static_files import FOLDER, STATIC_FOLDER
from tests.api.conftest import Api

LANGUAGES = languages.load()
EN = LANGUAGES["en"]
OTHERS = [each for each in LANGUAGES.values() if each is not EN]
PLURALS = {"zero", "one", "two", "few", "many", "other"}


def leaves(section: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every message with its path; plural forms are one message."""
    for name, value in section.items():
        if isinstance(value, dict) and "other" in value and value.keys() <= PLURALS:
            yield f"{path}{name}", " ".join(value.values())
        elif isinstance(value, dict):
            yield from leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", str(value)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("language", OTHERS, ids=lambda each: each.code)
def test_every_language_has_every_message_and_its_values(language: Language) -> None:
    english, others = (dict(leaves(dict(each.messages))) for each in (EN, language))

    assert others.keys() == english.keys()
    wrong = {
        path: text
        for path, text in others.items()
        if placeholders(text) != placeholders(english[path]) or bool(text) != bool(english[path])
    }
    assert wrong == {}


def test_every_message_with_values_is_filled_in_by_the_scripts() -> None:
    scripts = "".join(path.read_text() for path in STATIC_FOLDER.glob("*.js"))
    sections = {"pages", "errors", "problems"}  # filled in by the server, or by their codes
    names = {
        path.split(".")[0]
        for path, text in leaves(dict(EN.messages))
        if placeholders(text) and path.split(".")[0] not in sections | languages.SERVER_ONLY
    }

    assert [name for name in names if not re.search(rf"catalog(\.{name}\b|\[)", scripts)] == []


def test_pages_contain_no_text_of_their_own() -> None:
    for page in FOLDER.rglob("*.html"):
        text = re.sub(
            r"<svg.*?</svg>|<!--.*?-->|<[^>]+>|\{\{[\w.]+\}\}|\[\[\w+\]\]", "", page.read_text()
        )
        assert set(text.split()) <= {"Phoenix", "·", "…", "0"}, page


@pytest.mark.parametrize(
    ("header", "cookie", "expected"),
    [
        ("", "", "en"),
        ("de", "", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "", "de"),
        ("fr-FR,fr;q=0.9,de;q=0.5,en;q=0.4", "", "de"),
        ("en;q=0.2,de;q=0.7", "", "de"),
        ("de;q=0,en", "", "en"),
        ("fr,*;q=0.1", "", "en"),
        ("de; q=0.9, en; q=0.5", "", "de"),
        ("en;q=0.5, de ;q=0.9", "", "de"),
        ("de ; q=0.5,en\t;\tq=0.9", "", "en"),
        ("de;q=0.5.1,en", "", "en"),
        ("de;q=much", "", "en"),
        ("en", "de", "de"),
        ("de", "en", "en"),
        ("de", "xx", "de"),
        ("de", "../de", "de"),
    ],
)
def test_language_is_the_chosen_one_else_the_browsers(
    api: Api, header: str, cookie: str, expected: str
) -> None:
    headers = {"Accept-Language": header}
    if cookie:
        headers["Cookie"] = f"{languages.COOKIE}={cookie}"

    page = api.client().get("/create", headers=headers).text

    assert f'<html lang="{expected}" dir="ltr">' in page
    assert LANGUAGES[expected].text("pages.create.heading") in page
    assert f"/{expected}.js" in page
    assert "{{" not in page


@pytest.mark.parametrize("code", list(LANGUAGES))
def test_error_page_is_in_the_browsers_language(api: Api, code: str) -> None:
    headers = {"Accept": "text/html", "Accept-Language": code}

    answer = api.client().get("/nothing", headers=headers)

    title = LANGUAGES[code].text("pages.error.notFound.title")
    assert (answer.status_code, f"<h1>{title}</h1>" in answer.text) == (404, True)
    assert answer.headers["vary"] == "Accept, Accept-Language, Cookie"


def test_publication_is_rendered_in_each_readers_language(api: Api) -> None:
    published = api.world.published()
    path = f"/soho/{published.username}/{published.creation_id}"

    pages = {
        code: api.client().get(path, headers={"Accept-Language": code}) for code in ("en", "de")
    }

    assert "21 November 2026" in pages["en"].text
    assert "21. November 2026" in pages["de"].text
    assert "Selbst etwas erstellen" in pages["de"].text
    assert "Accept-Language" in pages["de"].headers["vary"]
    assert pages["en"].headers["etag"] != pages["de"].headers["etag"]
