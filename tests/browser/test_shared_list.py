"""The drafts that others share: their links end, and there are more than one page."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from shared.domain.creation import Creation
from tests.browser.conftest import NewVisitor, Site, Visitor
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

LINK_LIFE_S = 15 * 60
MANY = {"PHOENIX_WELCOME_TOKENS": "1000", "PHOENIX_POLICY_OPENED_PER_HOUR_MAX": "100"}
IS_SHOWN = "document.querySelector('dialog video').readyState > 0"
ARE_SHOWN = "[...document.querySelectorAll('#shared img')].every((image) => image.naturalWidth)"
LINK_ENDED = "document.querySelector('dialog video').dispatchEvent(new Event('error'))"


def share(site: Site, count: int) -> list[Creation]:
    """Share drafts with ben, and return them as listed: newest first."""
    drafts = []
    for _ in range(count):
        drafts.append(site.draft())
        site.world.clock.sleep(1)
    return drafts[::-1]


def opened(site: Site, visitor: Visitor, drafts: list[Creation]) -> Page:
    page = visitor.sign_in("ben")
    for each in drafts:
        site.world.phoenix.sharing.add_collaborator(each.creation_id, "ben", owner=each.user_id)
    page.goto(f"{site.base_url}/soho/ben?tab=shared")
    expect(page.locator("#shared > li").first).to_be_visible()
    return page


def view(page: Page, draft: Creation) -> None:
    page.locator(f"[data-id='{draft.creation_id}'] button").press("Enter")
    eventually(lambda: page.locator("dialog video").count() and page.evaluate(IS_SHOWN))


def withdraw(site: Site, draft: Creation) -> None:
    site.world.phoenix.sharing.remove_collaborator(draft.creation_id, "ben", owner=draft.user_id)


def test_links_that_end_while_the_viewer_is_open_are_renewed(
    site: Site, new_visitor: NewVisitor
) -> None:
    drafts, visitor = share(site, 2), new_visitor(site.base_url)
    visitor.expect_statuses(404)
    page = opened(site, visitor, drafts)
    view(page, drafts[0])
    before = page.locator("dialog video").get_attribute("src")
    site.world.clock.sleep(LINK_LIFE_S + 1)

    page.evaluate("document.querySelector('dialog video').currentTime = 2")
    page.evaluate(LINK_ENDED)

    expect(page.locator("dialog video")).not_to_have_attribute("src", str(before))
    eventually(lambda: page.evaluate("document.querySelector('dialog video').currentTime >= 2"))
    site.world.clock.sleep(LINK_LIFE_S + 1)
    page.evaluate("performance.now = () => 1e9")  # a minute later
    page.keyboard.press("ArrowRight")
    eventually(lambda: page.evaluate(IS_SHOWN))


def test_viewer_says_why_a_link_is_not_renewed(site: Site, new_visitor: NewVisitor) -> None:
    [draft] = share(site, 1)
    visitor = new_visitor(site.base_url)
    visitor.expected.append("Failed to load resource: net::ERR_")
    page = opened(site, visitor, [draft])
    view(page, draft)
    visitor.context.set_offline(True)

    page.evaluate(LINK_ENDED)

    why = re.compile("No response|You’re offline")  # as the browser knows by then
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(why)


def test_viewer_closes_when_its_draft_was_withdrawn(site: Site, new_visitor: NewVisitor) -> None:
    drafts = share(site, 3)
    page = opened(site, new_visitor(site.base_url), drafts)
    view(page, drafts[1])
    withdraw(site, drafts[1])

    page.evaluate(LINK_ENDED)

    expect(page.locator("#toasts")).to_have_text("This is no longer shared with you.")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#shared > li")).to_have_count(2)
    expect(page.locator(f"[data-id='{drafts[2].creation_id}'] button")).to_be_focused()


def test_focus_is_on_a_neighbor_when_the_chosen_draft_was_withdrawn(
    site: Site, new_visitor: NewVisitor
) -> None:
    drafts = share(site, 2)
    page = opened(site, new_visitor(site.base_url), drafts)
    page.evaluate("Date.now = () => Date.parse('2100-01-01')")
    for withdrawn in drafts:
        withdraw(site, withdrawn)
        page.locator(f"[data-id='{withdrawn.creation_id}'] button").press("Enter")
        if withdrawn is drafts[0]:
            left = page.locator(f"[data-id='{drafts[1].creation_id}'] button")
            expect(left).to_be_focused()

    expect(page.get_by_text("Nothing shared with you yet")).to_be_visible()
    expect(page.locator("main")).to_be_focused()


def test_next_goes_on_to_the_next_page(
    new_site: Callable[..., Site], new_visitor: NewVisitor
) -> None:
    site = new_site(**MANY)
    drafts, visitor = share(site, 22), new_visitor(site.base_url)
    visitor.context.add_init_script("IntersectionObserver.prototype.observe = () => {}")
    page = opened(site, visitor, drafts)
    expect(page.locator("#shared > li")).to_have_count(20)
    view(page, drafts[19])
    following = page.get_by_role("dialog").get_by_role("button", name="Next")

    following.click()

    expect(page.locator("#shared > li")).to_have_count(22)
    shown = re.compile(re.escape(str(drafts[20].media_key)))
    expect(page.locator("dialog video")).to_have_attribute("src", shown)
    following.click()
    expect(following).to_be_hidden()


def test_next_page_that_cannot_be_loaded_is_explained_in_the_viewer(
    new_site: Callable[..., Site], new_visitor: NewVisitor
) -> None:
    site = new_site(**MANY)
    drafts, visitor = share(site, 21), new_visitor(site.base_url)
    visitor.expect_statuses(503)
    visitor.context.add_init_script("IntersectionObserver.prototype.observe = () => {}")
    page = opened(site, visitor, drafts)
    expect(page.locator("#shared > li")).to_have_count(20)
    view(page, drafts[19])
    viewer, following = page.get_by_role("dialog"), "**/api/generate/shared?*cursor=*"
    page.route(following, lambda route: route.fulfill(status=503, json={"code": "unknown"}))

    viewer.get_by_role("button", name="Next").click()

    expect(viewer.get_by_role("alert")).to_contain_text("Something went wrong on our side.")
    page.unroute(following)
    viewer.get_by_role("button", name="Next").click()
    expect(viewer.get_by_role("alert")).to_be_empty()
    expect(viewer.get_by_role("button", name="Next")).to_be_hidden()


def test_thumbnails_whose_links_ended_are_renewed(site: Site, new_visitor: NewVisitor) -> None:
    drafts, visitor = share(site, 2), new_visitor(site.base_url)
    visitor.expect_statuses(404)

    def fulfill_late(route: Route) -> None:
        answer = route.fetch()
        site.world.clock.sleep(LINK_LIFE_S + 1)
        route.fulfill(response=answer)

    visitor.context.route("**/api/generate/shared?limit=20", fulfill_late, times=1)
    page = opened(site, visitor, drafts)

    eventually(lambda: page.evaluate(ARE_SHOWN))
