"""The filter of the drafts: state, kind and words, in the address and under live changes."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from shared.domain.kind import Kind
from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site
from tests.browser.held import held_route, hold
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

DRAFTS = "/soho/ada?tab=drafts"
SEARCH = "**/api/me/creations?**"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def mixed(site: Site) -> Site:
    """A site where ada has a draft, a failed video, an image in progress and a publication."""
    site.draft()
    site.world.clock.sleep(1)
    site.world.failed()
    site.world.clock.sleep(1)
    site.world.open(kind=Kind.IMAGE, prompt="a slow fox")
    site.world.clock.sleep(1)
    site.published(caption="First snow")
    return site


def cards(page: Page) -> Locator:
    return page.locator("#cards > li")


def choose(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).check()


def search_field(page: Page) -> Locator:
    return page.get_by_role("searchbox", name="Search prompts and captions")


def answer_search(page: Page, creations: Sequence[Any], cursors: Sequence[str | None]) -> list[Any]:
    """Answer searches: the first pages are empty, the last one has the creations."""
    asked: list[Any] = []

    def fulfill(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        asked.append(query)
        place = cursors.index(query["cursor"][0]) + 1 if "cursor" in query else 0
        is_last = cursors[place] is None
        body = {"creations": list(creations) if is_last else [], "nextCursor": cursors[place]}
        route.fulfill(json=body)

    page.route(SEARCH, fulfill)
    return asked


def view_of(page: Page, creation_id: str) -> Any:
    """Return a creation as the API describes it to its owner."""
    script = """async (id) => {
      const { token } = JSON.parse(localStorage.getItem("phoenix.session"));
      const headers = { Authorization: `Bearer ${token}` };
      const answer = await fetch(`/api/generate/creation/${id}`, { headers });
      return (await answer.json()).creation;
    }"""
    return page.evaluate(script, creation_id)


def test_filters_show_what_they_name_and_stay_in_the_address(
    mixed: Site, new_visitor: NewVisitor
) -> None:
    page = new_visitor(mixed.base_url).sign_in("ada", DRAFTS)
    expect(cards(page)).to_have_count(3)

    choose(page, "Failed")
    expect(cards(page)).to_have_count(1)
    expect(cards(page)).to_have_attribute("data-status", "failed")
    expect(page.locator(".filters-count")).to_have_text("1 result")
    choose(page, "In progress")
    expect(cards(page)).to_have_attribute("data-status", "pending")
    choose(page, "Videos")
    expect(page.get_by_role("heading", name="No matches")).to_be_visible()

    page.reload()
    expect(page.get_by_role("radio", name="In progress")).to_be_checked()
    expect(page.get_by_role("radio", name="Videos")).to_be_checked()
    assert page.url.endswith("?tab=drafts&status=in-progress&type=video")
    page.get_by_role("button", name="Clear filters").click()
    expect(cards(page)).to_have_count(3)
    expect(search_field(page)).to_be_focused()
    assert page.url.endswith(DRAFTS)


def test_back_returns_to_the_filter(mixed: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(mixed.base_url).sign_in("ada", DRAFTS)
    choose(page, "Ready")
    expect(cards(page)).to_have_count(1)
    page.locator("#page-actions").get_by_role("link", name="Create").click()
    page.wait_for_url("**/create")

    page.go_back()

    expect(page.get_by_role("radio", name="Ready")).to_be_checked()
    expect(cards(page)).to_have_count(1)
    expect(cards(page)).to_have_attribute("data-status", "draft")


def test_filters_are_used_with_the_keyboard(mixed: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(mixed.base_url).sign_in("ada", DRAFTS)
    expect(cards(page)).to_have_count(3)
    search_field(page).focus()

    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="In progress")).to_be_focused()
    expect(cards(page)).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")

    expect(page.get_by_role("radio", name="Images")).to_be_checked()
    expect(cards(page)).to_have_count(1)


def test_live_changes_go_on_under_a_filter(site: Site, new_visitor: NewVisitor) -> None:
    opened = site.world.open().creation
    page = new_visitor(site.base_url).sign_in("ada", f"{DRAFTS}&status=in-progress")
    expect(cards(page)).to_have_count(1)

    site.world.clock.sleep(1)
    site.world.open(kind=Kind.IMAGE)
    expect(cards(page)).to_have_count(2)
    claimed = site.world.claim(opened)
    site.world.held(claimed).complete(site.media_of(claimed))
    expect(cards(page)).to_have_count(1)

    choose(page, "Ready")
    expect(page.locator(f"[data-id='{opened.creation_id}']")).to_be_visible()
    expect(cards(page)).to_have_count(1)


def test_card_with_the_focus_stays_until_the_focus_leaves(
    site: Site, new_visitor: NewVisitor
) -> None:
    site.world.open()
    page = new_visitor(site.base_url).sign_in("ada", f"{DRAFTS}&status=in-progress")

    page.get_by_role("button", name="Cancel").press("Enter")

    expect(cards(page)).to_have_attribute("data-status", "failed")
    search_field(page).focus()
    expect(cards(page)).to_have_count(0)
    expect(page.get_by_role("heading", name="No matches")).to_be_visible()


def test_search_goes_on_over_empty_pages_and_leads_to_publications(
    mixed: Site, new_visitor: NewVisitor
) -> None:
    page = new_visitor(mixed.base_url).sign_in("ada", DRAFTS)
    expect(cards(page)).to_have_count(3)
    published = mixed.published(caption="A fox at dawn")
    ids = [str(published.creation_id), str(cards(page).last.get_attribute("data-id"))]
    asked = answer_search(page, [view_of(page, each) for each in ids], ["one", "two", None])

    search_field(page).press_sequentially("fox dawn")

    expect(cards(page)).to_have_count(2)
    expect(page.locator(".filters-count")).to_have_text("2 results")
    assert [query["q"] for query in asked] == [["fox dawn"]] * 3
    first = cards(page).first
    expect(first).to_contain_text("A fox at dawn")
    first.get_by_role("link").click()
    page.wait_for_url(f"**/soho/ada/{published.creation_id}")
    page.go_back()
    expect(search_field(page)).to_have_value("fox dawn")


def test_words_stay_in_the_history_and_out_of_the_address(
    mixed: Site, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor(mixed.base_url)
    page = visitor.sign_in("ada", DRAFTS)
    expect(cards(page)).to_have_count(3)
    answer_search(page, [], [None])
    search_field(page).fill("owl")
    expect(page.get_by_role("heading", name="No matches")).to_be_visible()

    page.reload()
    expect(search_field(page)).to_have_value("owl")
    page.goto(f"{mixed.base_url}/create")
    page.go_back()
    expect(search_field(page)).to_have_value("owl")
    page.get_by_role("button", name="Clear filters").click()
    expect(cards(page)).to_have_count(3)
    page.reload()
    expect(search_field(page)).to_have_value("")

    with_words = {urlsplit(url).path for url in visitor.requests if "owl" in url}
    assert with_words == {"/api/me/creations"}


def test_late_answer_of_an_earlier_search_is_dropped(mixed: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(mixed.base_url).sign_in("ada", DRAFTS)
    expect(cards(page)).to_have_count(3)
    shown = [view_of(page, str(each.get_attribute("data-id"))) for each in cards(page).all()]
    held = hold(page, SEARCH)
    search_field(page).fill("first")
    early = held_route(page, held)
    search_field(page).fill("second")
    late = held_route(page, held, 2)

    late.fulfill(json={"creations": shown[:1], "nextCursor": None})
    expect(cards(page)).to_have_count(1)
    early.fulfill(json={"creations": shown, "nextCursor": None})

    expect(page.locator(".filters-count")).to_have_text("1 result")
    expect(cards(page)).to_have_count(1)


def test_failed_search_is_repeated_by_its_button(mixed: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(mixed.base_url)
    visitor.expect_statuses(503)
    page = visitor.sign_in("ada", DRAFTS)
    expect(cards(page)).to_have_count(3)
    problem = {"code": "store_unavailable", "detail": "-"}
    page.route(SEARCH, lambda route: route.fulfill(status=503, json=problem), times=2)
    search_field(page).fill("fox")
    again = page.get_by_role("button", name="Try again")

    again.press("Enter")

    expect(page.locator("#more [role=alert]")).to_contain_text("temporarily unavailable")
    expect(again).to_be_focused()
    expect(cards(page)).to_have_count(0)
    answer_search(page, [], [None])
    again.press("Enter")
    expect(page.get_by_role("heading", name="No matches")).to_be_visible()


def test_search_says_that_the_user_is_offline(mixed: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(mixed.base_url)
    visitor.expected.append("Failed to load resource: net::ERR_")
    page = visitor.sign_in("ada", DRAFTS)
    expect(cards(page)).to_have_count(3)
    visitor.context.set_offline(True)

    search_field(page).fill("fox")

    expect(page.locator("#more [role=alert]")).to_contain_text("You’re offline.")


def test_selection_has_what_the_filter_shows(mixed: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(mixed.base_url).sign_in("ada", DRAFTS)
    expect(cards(page)).to_have_count(3)
    page.get_by_role("button", name="Select", exact=True).click()
    page.get_by_role("button", name="Select all").click()
    expect(page.get_by_role("button", name="Delete 2")).to_be_visible()

    choose(page, "Ready")

    expect(page.get_by_role("button", name="Delete 1")).to_be_visible()
    page.get_by_role("button", name="Done").click()
    choose(page, "Failed")
    expect(cards(page)).to_have_attribute("data-status", "failed")
    expect(page.locator("input.card-select")).to_have_count(0)
    page.get_by_role("button", name=re.compile("Retry")).click()
    search_field(page).focus()
    expect(cards(page)).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_filters_fit_and_are_accessible(
    mixed: Site, new_visitor: NewVisitor, scheme: str, width: int
) -> None:
    options: dict[str, Any] = {"color_scheme": scheme, "reduced_motion": "reduce"}
    visitor = new_visitor(mixed.base_url, viewport={"width": width, "height": 700}, **options)
    page = visitor.sign_in("ada", DRAFTS)
    expect(cards(page)).to_have_count(3)
    choose(page, "Ready")
    expect(page.locator(".filters-count")).to_have_text("1 result")

    assert page.evaluate(OVERFLOW) <= 0
    assert findings(page) == []
    eventually(lambda: page.evaluate("[...document.images].every((image) => image.naturalWidth)"))
