"""Nothing serious keeps anybody out of a page, light or dark: axe-core's whole set of rules."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from shared.domain.policy import Kind
from tests.browser.conftest import NewVisitor, Site
from tests.machine import AXE, needs

pytestmark = [needs("browser"), pytest.mark.slow]

SERIOUS = ("serious", "critical")
DRAFTS = "/soho/ada?tab=drafts"
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
SIZES = pytest.mark.parametrize("width", [390, 1280])


def findings(page: Page) -> list[str]:
    """Return what axe finds serious or critical on what is shown now."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
        if each["impact"] in SERIOUS
    ]


@pytest.fixture
def visited(site: Site, new_visitor: NewVisitor, scheme: str, width: int) -> Callable[[str], Page]:
    """Opens a page that shows something of every kind."""
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}

    def visit(path: str) -> Page:
        world = site.world
        world.open(kind=Kind.IMAGE)
        world.claim(world.open().creation)
        world.failed()
        site.draft()
        site.published(caption="First snow")
        visitor = new_visitor(site.base_url, reduced_motion="reduce", **options)
        if path == "/sign-in":
            return visitor.page(path)
        page = visitor.sign_in("ada")
        page.goto(f"{site.base_url}{path}")
        return page

    return visit


@SCHEMES
@SIZES
@pytest.mark.parametrize(
    ("path", "shows"),
    [
        ("/sign-in", "#username"),
        ("/create", "#formats .chip"),
        (DRAFTS, "#cards > li:nth-child(4)"),
        ("/soho/ada", ".tile"),
        ("/soho/explore", ".tile"),
    ],
)
def test_a_page_keeps_nobody_out(visited: Callable[[str], Page], path: str, shows: str) -> None:
    page = visited(path)
    expect(page.locator(shows)).not_to_have_count(0)

    assert findings(page) == []


@SCHEMES
@pytest.mark.parametrize("width", [390])
def test_dialogs_menus_and_messages_keep_nobody_out(visited: Callable[[str], Page]) -> None:
    page = visited(DRAFTS)
    page.get_by_role("button", name="Publish").click()
    assert findings(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete").first.click()
    page.get_by_role("button", name="Account of ada").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert findings(page) == []
    page.goto(f"{page.url.partition('/soho')[0]}/soho/explore")
    page.locator(".tile .open").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert findings(page) == []
    page.goto(f"{page.url.partition('/soho')[0]}/create")
    page.get_by_role("button", name="Create image").click()
    expect(page.get_by_text("Describe what you want to see first.")).to_be_visible()
    assert findings(page) == []


@SCHEMES
@pytest.mark.parametrize("width", [390])
def test_what_keeps_people_out_would_be_found(visited: Callable[[str], Page]) -> None:
    page = visited("/sign-in")
    expect(page.get_by_label("Your name")).to_be_visible()
    page.evaluate("document.querySelector('label').remove()")

    assert [text for text in findings(page) if text.startswith("label")]
