"""The place in a list is kept: after Back, a reload, and with the browser's page cache."""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import NewVisitor, Site
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

NewSite = Callable[..., Site]
MANY = {"PHOENIX_WELCOME_TOKENS": "1000", "PHOENIX_POLICY_OPENED_PER_HOUR_MAX": "100"}
PHONE = {"viewport": {"width": 390, "height": 700}}
COUNT = 45
FAR_DOWN = 35
LISTS = {
    "/soho/ada?tab=drafts": "#cards > li",
    "/soho/ada": ".tile",
    "/soho/explore": ".tile",
}
TOP = "(element) => element.getBoundingClientRect().top"
TOLERANCE_PX = 2.0


@pytest.fixture
def many(new_site: NewSite) -> Site:
    """A site with three pages of drafts and of publications."""
    site = new_site(**MANY)
    for number in range(COUNT):
        site.draft()
        site.world.clock.sleep(1)
        site.published(caption=f"Film {number}")
        site.world.clock.sleep(1)
    return site


def scroll_far_down(page: Page, items: str) -> str:
    """Scroll until most of the list is loaded, and return the id of what is then in view."""

    def is_loaded() -> bool:
        page.evaluate("scrollTo({ top: document.body.scrollHeight, behavior: 'instant' })")
        return page.locator(items).count() == COUNT

    eventually(is_loaded)
    item = page.locator(items).nth(FAR_DOWN)
    item.evaluate("(element) => element.scrollIntoView({ block: 'center' })")
    return str(item.get_attribute("data-id"))


def top_of(page: Page, creation_id: str) -> float:
    return float(page.locator(f"[data-id='{creation_id}']").evaluate(TOP))


def expect_place(page: Page, creation_id: str, top: float) -> None:
    expect(page.locator(f"[data-id='{creation_id}']")).to_be_in_viewport()
    eventually(lambda: abs(top_of(page, creation_id) - top) < TOLERANCE_PX)


@pytest.mark.parametrize("path", LISTS)
def test_back_and_reload_return_to_the_place(
    many: Site, new_visitor: NewVisitor, path: str
) -> None:
    page = new_visitor(many.base_url, **PHONE).sign_in("ada")
    page.goto(f"{many.base_url}{path}")
    shown = scroll_far_down(page, LISTS[path])
    top = top_of(page, shown)

    page.goto(f"{many.base_url}/create")
    page.go_back()
    expect_place(page, shown, top)
    page.reload()
    expect_place(page, shown, top)

    # A visit that is not a return starts at the top.
    page.goto(f"{many.base_url}/create")
    page.goto(f"{many.base_url}{path}")
    expect(page.locator(LISTS[path]).first).to_be_in_viewport()


def test_back_from_a_publication_and_its_viewer_returns_to_the_place(
    many: Site, new_visitor: NewVisitor
) -> None:
    page = new_visitor(many.base_url, **PHONE).sign_in("ada")
    page.goto(f"{many.base_url}/soho/explore")
    shown = scroll_far_down(page, ".tile")
    top = top_of(page, shown)
    tile = page.locator(f"[data-id='{shown}']")

    tile.locator(".media-open").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_place(page, shown, top)
    tile.locator(".tile-page").click()
    page.wait_for_url(f"**/soho/ada/{shown}")
    page.go_back()

    expect_place(page, shown, top)


def test_user_who_scrolls_meanwhile_is_not_moved(many: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(many.base_url, **PHONE).sign_in("ada")
    page.goto(f"{many.base_url}/soho/explore")
    scroll_far_down(page, ".tile")
    page.goto(f"{many.base_url}/create")
    page.add_init_script("setInterval(() => dispatchEvent(new Event('wheel')), 1)")

    page.go_back()

    expect(page.locator(".tile")).to_have_count(COUNT)
    expect(page.locator(".tile").first).to_be_in_viewport()


@pytest.fixture
def caching_browser(chromium: Browser) -> Iterator[Browser]:
    """A browser that keeps left pages as they are, which Playwright turns off."""
    arguments = ["--disable-back-forward-cache"]
    browser = chromium.browser_type.launch(
        executable_path=shutil.which("chromium"), ignore_default_args=arguments
    )
    yield browser
    browser.close()


@pytest.mark.parametrize("path", LISTS)
def test_pages_may_be_kept_by_the_browser(many: Site, caching_browser: Browser, path: str) -> None:
    context = caching_browser.new_context(viewport={"width": 390, "height": 700})
    page = context.new_page()
    page.goto(f"{many.base_url}/sign-in")
    page.get_by_label("Your name").fill("ada")
    page.keyboard.press("Enter")
    expect(page.locator("#balance")).to_be_visible()
    page.goto(f"{many.base_url}{path}")
    shown = scroll_far_down(page, LISTS[path])
    top = top_of(page, shown)
    page.evaluate("window.wasKept = true")

    page.goto(f"{many.base_url}/create")
    page.evaluate("history.back()")

    expect_place(page, shown, top)
    assert page.evaluate("window.wasKept")
    context.close()
