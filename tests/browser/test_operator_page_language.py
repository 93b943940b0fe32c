"""The operators' page in another language."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site
from tests.browser.test_operator_page import OLGA
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]


def test_operators_page_speaks_the_browsers_language(
    new_site: Callable[..., Site], new_visitor: NewVisitor
) -> None:
    site = new_site(PHOENIX_ADMINS=OLGA)
    site.world.failed()
    site.published()
    visitor = new_visitor(site.base_url, locale="de", reduced_motion="reduce")
    page = visitor.page("/admin")
    page.get_by_label("Dein Name").fill(OLGA)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Betrieb")
    page.goto(f"{site.base_url}/admin?account=ada")

    expect(
        page.get_by_role("region", name="Kontobuch").get_by_role("listitem").first
    ).to_be_visible()
    expect(page.get_by_text("Abbuchung \N{MINUS SIGN}10 Tokens").first).to_be_visible()
    expect(page.get_by_role("button", name="Jetzt aufräumen")).to_be_visible()
    assert re.search(r"\d{1,2}\. \w+\.? 20\d\d, \d\d:\d\d:\d\d", page.inner_text("main"))
    assert not re.search(r"\{\w+\}|undefined|\[object", page.inner_text("main"))
    assert findings(page) == []
