"""Pages over a slow network, from an empty cache: when they show something, and what moves."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewVisitor, Site, Visitor
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

LATENCY_MS = 400
BYTES_PER_S = 400_000 / 8
FIRST_PAINT_S_MAX = 1.5
LAYOUT_SHIFT_MAX = 0.05
FIRST_PICTURE_BYTES_MAX = 80_000
PAGES = {
    "/": "main h1",
    "/sign-in": "#methods button, #methods input",
    "/create": "#formats .chip",
    "/soho/ada?tab=drafts": "#cards > li",
    "/soho/explore": ".tile",
    "/tokens": "main h1",
    "/settings": "#languages input",
}
"""Each page, and what shows that it is complete."""
MEASURE = """() => {
  const shifts = [];
  new PerformanceObserver((list) => shifts.push(...list.getEntries()))
    .observe({ type: "layout-shift", buffered: true });
  const paint = performance.getEntriesByName("first-contentful-paint")[0];
  const files = performance.getEntriesByType("resource");
  const picture = files.find(({ name }) => name.includes("/media/"))?.startTime ?? Infinity;
  const before = files.filter(({ responseEnd }) => responseEnd <= picture);
  const page = performance.getEntriesByType("navigation")[0];
  const sizes = [page, ...before].map(({ transferSize }) => transferSize);
  return new Promise((resolve) => setTimeout(() => resolve({
    paintS: paint && paint.startTime / 1000,
    shift: shifts.filter((each) => !each.hadRecentInput).reduce((sum, { value }) => sum + value, 0),
    moved: shifts.flatMap(({ sources }) => sources.map(({ node }) => node?.className || node?.id)),
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    files: files.length,
  })));
}"""


def slow_page(visitor: Visitor) -> Page:
    page = visitor.page()
    network = visitor.context.new_cdp_session(page)
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    speed = {"downloadThroughput": BYTES_PER_S, "uploadThroughput": BYTES_PER_S}
    conditions = {"offline": False, "latency": LATENCY_MS, **speed}
    network.send("Network.emulateNetworkConditions", conditions)
    return page


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("path", PAGES)
def test_page_shows_soon_and_moves_nothing(
    site: Site, new_visitor: NewVisitor, path: str, width: int
) -> None:
    site.draft()
    site.published(caption="First snow")
    visitor = new_visitor(site.base_url, viewport={"width": width, "height": 800})
    if path not in ("/", "/sign-in"):
        visitor.sign_in("ada")
    page = slow_page(visitor)
    page.goto(f"{site.base_url}{path}", wait_until="commit")
    expect(page.locator(PAGES[path]).first).to_be_visible()
    page.wait_for_load_state("load")
    eventually(lambda: page.evaluate(MEASURE)["paintS"])

    measured = page.evaluate(MEASURE)

    assert measured["paintS"] <= FIRST_PAINT_S_MAX, measured
    assert measured["shift"] < LAYOUT_SHIFT_MAX, measured
    assert measured["bytes"] <= FIRST_PICTURE_BYTES_MAX, measured
    print(path, width, measured)  # noqa: T201 (a measurement)
