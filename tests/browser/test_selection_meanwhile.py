"""Selection mode while something else happens: a deletion that can be undone, or a request."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewVisitor, Site
from tests.browser.held import held_route, hold
from tests.browser.menus import choose
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

DRAFTS = "/soho/ada?tab=drafts"
NO_TIME = """
const later = setTimeout;
globalThis.setTimeout = (act, delay, ...rest) => later(act, delay === 5_000 ? 1e9 : delay, ...rest);
"""


def select(page: Page) -> None:
    page.get_by_role("button", name="Select", exact=True).click()


def test_deletion_can_be_undone_in_selection_mode(site: Site, new_visitor: NewVisitor) -> None:
    for number in range(2):
        site.draft(key=f"key {number}")
        site.world.clock.sleep(1)
    visitor = new_visitor(site.base_url)
    visitor.context.add_init_script(NO_TIME)
    page = visitor.sign_in("ada", DRAFTS)
    boxes = page.locator("input.card-select")
    expect(page.locator("#cards > li")).to_have_count(2)
    choose(page, "Delete")
    select(page)
    expect(boxes).to_have_count(1)
    expect(boxes).to_be_focused()

    page.get_by_role("button", name="Undo").click()

    expect(boxes).to_have_count(2)
    expect(boxes.first).to_be_focused()
    page.get_by_role("button", name="Select all").click()
    expect(page.get_by_text("2 selected")).to_be_visible()


def test_selection_does_not_change_while_a_request_runs(
    site: Site, new_visitor: NewVisitor
) -> None:
    site.draft(key="one")
    site.draft(key="two")
    visitor = new_visitor(site.base_url)
    page = visitor.sign_in("ada", DRAFTS)
    boxes = page.locator("input.card-select")
    select(page)
    boxes.first.click()
    held = hold(page, "**/drafts/bulk", times=1)
    page.get_by_role("button", name="Publish 1").click()
    held_route(page, held)
    expect(boxes.last).to_be_disabled()
    page.get_by_role("button", name="Select all").click()
    expect(page.get_by_text("1 selected")).to_be_visible()
    visitor.expected.append("Failed to load resource: net::ERR_")
    held[0].abort()

    expect(page.get_by_role("alert").filter(has_text="No response.")).to_be_visible()
    boxes.last.click()
    page.get_by_role("button", name="Publish 2").click()

    expect(page.locator("#cards > li")).to_have_count(0)


def test_request_leaves_a_selection_alone_that_was_begun_after_it(
    site: Site, new_visitor: NewVisitor
) -> None:
    site.draft(key="one")
    site.draft(key="two")
    page = new_visitor(site.base_url).sign_in("ada", DRAFTS)
    boxes = page.locator("input.card-select")
    select(page)
    boxes.first.click()
    held = hold(page, "**/drafts/bulk", times=1)
    page.get_by_role("button", name="Publish 1").click()
    held_route(page, held)
    page.get_by_role("button", name="Done").click()
    select(page)
    expect(boxes).to_have_count(2)

    held[0].continue_()

    expect(page.locator("#announcer")).to_have_text("1 published.")
    expect(page.locator("#cards > li")).to_have_count(1)
    expect(page.get_by_role("toolbar")).to_be_visible()
    boxes.click()
    expect(page.get_by_role("button", name="Publish 1")).to_be_visible()
