"""Skeletons fill a list until its first page is there, and little shifts when it comes."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site
from tests.browser.held import held_route, hold
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

PATHS = {
    "/soho/ada?tab=drafts": "**/api/generate/drafts?*",
    "/soho/ada?tab=shared": "**/api/generate/shared?*",
    "/soho/ada": "**/api/profiles/ada?*",
    "/soho/explore": "**/api/feed?*",
}
SHIFT_MAX = 0.05
NOTE_SHIFTS = """
window.shifts = [];
const noted = (list) => {
  for (const each of list.getEntries()) if (!each.hadRecentInput) shifts.push(each.value);
};
new PerformanceObserver(noted).observe({ type: "layout-shift", buffered: true });
"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def opened(site: Site, new_visitor: NewVisitor, path: str, width: int) -> tuple[Page, Any]:
    """Open a list whose first page is held."""
    options: dict[str, Any] = {"viewport": {"width": width, "height": 700}}
    page = new_visitor(site.base_url, **options).sign_in("ada")
    page.add_init_script(NOTE_SHIFTS)
    page.route("**/api/generate/events", lambda route: None)
    held = hold(page, PATHS[path])
    page.goto(f"{site.base_url}{path}")
    return page, held_route(page, held)


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("path", PATHS)
def test_skeletons_are_shown_until_the_first_page_is_there(
    site: Site, new_visitor: NewVisitor, path: str, width: int
) -> None:
    site.draft()
    site.published(caption="First snow")
    page, first = opened(site, new_visitor, path, width)

    expect(page.locator("#skeletons i").first).to_be_in_viewport()
    if path != "/soho/explore":
        expect(page.locator("h1")).to_have_text("ada")
    assert page.evaluate(OVERFLOW) <= 0
    assert findings(page) == []
    first.continue_()

    expect(page.locator("#skeletons")).to_be_hidden()
    assert sum(page.evaluate("shifts")) < SHIFT_MAX


def test_wall_of_the_first_page_has_skeletons_too(site: Site, new_visitor: NewVisitor) -> None:
    site.published(caption="First snow")
    page = new_visitor(site.base_url).page()
    page.add_init_script(NOTE_SHIFTS)
    held = hold(page, PATHS["/soho/explore"])
    page.goto(site.base_url)
    first = held_route(page, held)
    expect(page.locator("#skeletons i").first).to_be_visible()

    first.continue_()

    expect(page.locator(".tile")).to_be_visible()
    expect(page.locator("#skeletons")).to_be_hidden()
    assert sum(page.evaluate("shifts")) < SHIFT_MAX


def test_skeletons_give_way_to_an_empty_list(site: Site, new_visitor: NewVisitor) -> None:
    page, first = opened(site, new_visitor, "/soho/explore", 390)

    first.fulfill(json={"creations": [], "nextCursor": None})

    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    expect(page.locator("#skeletons")).to_be_hidden()
