"""The first page: the wall and one button, also without publications, scripts or API."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site
from tests.browser.held import held_route, hold
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

HEADING = "Images and videos from a few words"
FEED = "**/api/feed*"
IDEA = "Paper boats drifting through a flooded library"
SIZES = pytest.mark.parametrize(("width", "height"), [(320, 568), (390, 844), (3840, 2160)])
OVERFLOW_PX = "document.documentElement.scrollWidth - innerWidth"


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, site: Site, new_visitor: NewVisitor) -> Page:
    site.published(caption="First snow")
    size = {"width": 390, "height": 844}
    visitor = new_visitor(
        site.base_url, color_scheme=request.param, reduced_motion="reduce", viewport=size
    )
    return visitor.page("/")


def test_first_page_shows_the_wall_and_leads_to_the_form(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(HEADING)
    expect(page.locator(".tile")).to_have_count(1)
    assert findings(page) == []

    page.get_by_role("link", name="Start creating").click()

    page.wait_for_url("**/create")
    expect(page.get_by_label("Prompt")).to_be_visible()


@SIZES
def test_first_page_fits_from_phones_to_4k(
    site: Site, new_visitor: NewVisitor, width: int, height: int
) -> None:
    for number in range(3):
        site.published(caption=f"Number {number} has a caption that is rather long")
    page = new_visitor(site.base_url, viewport={"width": width, "height": height}).page("/")
    expect(page.locator(".tile")).to_have_count(3)

    assert page.evaluate(OVERFLOW_PX) <= 0
    start = page.get_by_role("link", name="Start creating").bounding_box()
    tabs = page.locator(".shell-tabs").bounding_box()
    assert start
    assert tabs
    assert start["y"] + start["height"] < (tabs["y"] if width < 704 else height)


def test_heading_is_painted_before_the_scripts_of_the_wall(
    site: Site, new_visitor: NewVisitor
) -> None:
    page = new_visitor(site.base_url).page()
    held = hold(page, "**/landing.js")
    page.goto(f"{site.base_url}/", wait_until="commit")
    held_route(page, held)

    expect(page.get_by_role("heading", level=1)).to_be_visible()
    held[0].continue_()


def test_signed_in_visitor_goes_to_the_form_without_a_way_back_to_the_first_page(
    site: Site, new_visitor: NewVisitor
) -> None:
    page = new_visitor(site.base_url).sign_in("ada", "/soho/explore")

    page.goto(f"{site.base_url}/")

    page.wait_for_url("**/create")
    expect(page.get_by_role("link", name="Phoenix")).to_have_attribute("href", "/create")
    page.go_back()
    page.wait_for_url("**/soho/explore")


def test_without_publications_an_idea_becomes_the_prompt(
    site: Site, new_visitor: NewVisitor
) -> None:
    page = new_visitor(site.base_url, viewport={"width": 320, "height": 568}).page("/")
    expect(page.get_by_role("heading", name="Start from an idea")).to_be_visible()
    expect(page.get_by_role("heading", name="Made with Phoenix")).to_be_hidden()
    assert findings(page) == []
    assert page.evaluate(OVERFLOW_PX) <= 0

    page.get_by_role("link", name=IDEA).press("Enter")

    page.wait_for_url("**/create")
    expect(page.get_by_label("Prompt")).to_have_value(IDEA)


def test_first_page_is_useful_while_the_api_is_down(site: Site, new_visitor: NewVisitor) -> None:
    site.published(caption="First snow")
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(503)
    visitor.context.route(FEED, lambda route: route.fulfill(status=503, body="{}"))
    page = visitor.page("/")
    expect(page.locator("#more .message")).to_be_visible()
    expect(page.get_by_role("link", name=IDEA)).to_be_visible()

    visitor.context.unroute(FEED)
    page.locator("#more button").click()

    expect(page.locator(".tile")).to_have_count(1)


def test_first_page_speaks_german(site: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(site.base_url, locale="de-DE").page("/")

    expect(page.get_by_role("link", name="Jetzt erstellen")).to_be_visible()
    expect(page.get_by_role("heading", name="Fang mit einer Idee an")).to_be_visible()
    assert page.get_attribute("meta[property='og:title']", "content")
