"""Accessibility of all pages, light and dark: the full rule set of axe-core."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from shared.domain.kind import Kind
from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

DRAFTS = "/soho/ada?tab=drafts"
SHOWS = {
    "/create": "#formats .chip",
    "/tokens": "li.ledger-row",
    DRAFTS: "#cards > li:nth-child(4)",
    "/soho/ada": ".tile",
    "/soho/explore": ".tile",
    "/admin?account=ada": ".admin-verdict",
}
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
SIZES = pytest.mark.parametrize("width", [390, 1280])


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site(PHOENIX_ADMINS="ada")


@pytest.fixture
def page(site: Site, new_visitor: NewVisitor, scheme: str, width: int) -> Page:
    """The sign-in page of a site that has creations in every state."""
    site.world.open(kind=Kind.IMAGE)
    site.world.claim(site.world.open().creation)
    site.world.failed()
    site.draft()
    site.published(caption="First snow")
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    visitor = new_visitor(site.base_url, reduced_motion="reduce", **options)
    page = visitor.page("/sign-in")
    expect(page.get_by_label("Your name")).to_be_visible()
    return page


def sign_in(page: Page) -> None:
    page.get_by_label("Your name").fill("ada")
    page.keyboard.press("Enter")
    expect(page.locator("#balance")).to_be_visible()


@SCHEMES
@SIZES
def test_pages_have_no_serious_accessibility_violations(page: Page, site: Site) -> None:
    found = {"/sign-in": findings(page)}
    sign_in(page)
    for path, shows in SHOWS.items():
        page.goto(f"{site.base_url}{path}")
        expect(page.locator(shows).first).to_be_visible()
        found[path] = findings(page)

    assert {path: each for path, each in found.items() if each} == {}


@SCHEMES
@pytest.mark.parametrize("width", [390])
def test_dialogs_menus_and_messages_have_no_serious_violations(page: Page, site: Site) -> None:
    sign_in(page)
    page.goto(f"{site.base_url}{DRAFTS}")
    page.get_by_role("button", name="Publish", exact=True).click()
    assert findings(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="More").first.click()
    expect(page.get_by_role("menuitem", name="Delete")).to_be_visible()
    assert findings(page) == []
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("button", name="Account: ada").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert findings(page) == []
    page.goto(f"{site.base_url}/soho/explore")
    page.locator(".tile .media-open").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert findings(page) == []
    page.goto(f"{site.base_url}/create")
    page.get_by_role("button", name="Create image").click()
    expect(page.get_by_text("Enter a prompt first.")).to_be_visible()
    assert findings(page) == []


@SCHEMES
@pytest.mark.parametrize("width", [390])
def test_missing_label_is_found_as_a_violation(page: Page) -> None:
    page.evaluate("document.querySelector('label').remove()")

    assert [text for text in findings(page) if text.startswith("label")]
