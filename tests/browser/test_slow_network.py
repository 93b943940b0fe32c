"""Pages over a slow network, from an empty cache: when they show something, and what moves."""

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewVisitor, Site, Visitor
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

LATENCY_MS = 400
BYTES_PER_S = 400_000 / 8
FIRST_PAINT_S_MAX = 1.5
LOADS_MAX = 3
"""A busy machine only makes a page slower, so that the fastest load counts."""
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


def measure_slowly(visitor: Visitor, path: str) -> dict[str, Any]:
    """Load a page from an empty cache over a slow network, and measure that."""
    page = visitor.page()
    network = visitor.context.new_cdp_session(page)
    network.send("Network.clearBrowserCache")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    speed = {"downloadThroughput": BYTES_PER_S, "uploadThroughput": BYTES_PER_S}
    conditions = {"offline": False, "latency": LATENCY_MS, **speed}
    network.send("Network.emulateNetworkConditions", conditions)
    page.goto(f"{visitor.base_url}{path}", wait_until="commit")
    expect(page.locator(PAGES[path]).first).to_be_visible()
    page.wait_for_load_state("load")
    eventually(lambda: page.evaluate(MEASURE)["paintS"])
    measured: dict[str, Any] = page.evaluate(MEASURE)
    page.close()
    return measured


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("path", PAGES)
def test_page_shows_soon_and_moves_nothing(
    site: Site, new_visitor: NewVisitor, path: str, width: int
) -> None:
    site.draft()
    site.published(caption="First snow")
    options: dict[str, Any] = {"viewport": {"width": width, "height": 800}}
    if path not in ("/", "/sign-in"):
        signed_in = new_visitor(site.base_url)
        signed_in.sign_in("ada")
        options["storage_state"] = signed_in.context.storage_state()
        signed_in.context.close()

    for _ in range(LOADS_MAX):
        measured = measure_slowly(new_visitor(site.base_url, **options), path)
        assert measured["shift"] < LAYOUT_SHIFT_MAX, measured
        assert measured["bytes"] <= FIRST_PICTURE_BYTES_MAX, measured
        if measured["paintS"] <= FIRST_PAINT_S_MAX:
            break

    assert measured["paintS"] <= FIRST_PAINT_S_MAX, measured
    print(path, width, measured)  # noqa: T201 (a measurement)
