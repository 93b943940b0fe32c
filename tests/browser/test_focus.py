"""What removes a publication leaves the focus near it, and an open viewer at its place."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import ERROR_STATUS, NewVisitor, Site
from tests.browser.held import held_route, hold
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]


def profile(site: Site, new_visitor: NewVisitor, *, count: int) -> Page:
    """Return ada's page with Film 1, Film 2 and so on."""
    for number in range(count, 0, -1):
        site.published(caption=f"Film {number}")
        site.world.clock.sleep(1)
    visitor = new_visitor(site.base_url, reduced_motion="reduce")
    removed = f"{ERROR_STATUS}404 (Not Found) {site.base_url}/media/public/"
    visitor.expected.append(removed)  # of what a test removes while it still loads
    page = visitor.sign_in("ada")
    page.goto(f"{site.base_url}/soho/ada")
    expect(page.locator(".tile")).to_have_count(count)
    return page


def tile(page: Page, number: int) -> Locator:
    return page.get_by_role("button", name=f"Open video: Film {number}", exact=True)


def press(page: Page, number: int, name: str) -> None:
    """Open a publication, and press a button of its viewer."""
    tile(page, number).press("Enter")
    page.locator("dialog.viewer").get_by_role("button", name=name).press("Enter")


@pytest.mark.parametrize(("number", "near"), [(1, 2), (2, 3), (3, 2)])
def test_focus_is_on_a_neighbor_after_unpublication(
    site: Site, new_visitor: NewVisitor, number: int, near: int
) -> None:
    page = profile(site, new_visitor, count=3)

    press(page, number, "Unpublish")

    expect(page.locator(".tile")).to_have_count(2)
    expect(tile(page, near)).to_be_focused()


def test_focus_is_near_the_last_viewed_after_its_unpublication(
    site: Site, new_visitor: NewVisitor
) -> None:
    page = profile(site, new_visitor, count=4)
    tile(page, 1).press("Enter")
    viewer = page.locator("dialog.viewer")
    for number in (2, 3):
        page.keyboard.press("ArrowRight")
        expect(viewer).to_contain_text(f"Film {number}")

    viewer.get_by_role("button", name="Unpublish").press("Enter")

    expect(page.locator(".tile")).to_have_count(3)
    expect(tile(page, 4)).to_be_focused()


def test_focus_is_on_the_page_after_the_last_unpublication(
    site: Site, new_visitor: NewVisitor
) -> None:
    page = profile(site, new_visitor, count=1)

    press(page, 1, "Unpublish")

    expect(page.get_by_role("heading", name="Nothing published yet")).to_be_visible()
    expect(page.locator("main")).to_be_focused()


def test_focus_is_on_what_undo_brought_back(site: Site, new_visitor: NewVisitor) -> None:
    page = profile(site, new_visitor, count=2)
    press(page, 1, "Delete")
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()

    undo.press("Enter")

    expect(tile(page, 1)).to_be_focused()


def test_focus_is_on_a_neighbor_when_undo_disappears(site: Site, new_visitor: NewVisitor) -> None:
    page = profile(site, new_visitor, count=2)
    press(page, 1, "Delete")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()

    expect(page.locator(".tile")).to_have_count(1)

    expect(tile(page, 2)).to_be_focused()


def test_viewer_keeps_its_place_when_another_publication_is_removed(
    site: Site, new_visitor: NewVisitor
) -> None:
    page = profile(site, new_visitor, count=4)
    viewer, held = page.locator("dialog.viewer"), hold(page, "**/unpublish")
    press(page, 2, "Unpublish")
    held_route(page, held)
    page.keyboard.press("ArrowRight")
    expect(viewer).to_contain_text("Film 3")

    held[0].continue_()

    expect(page.locator(".tile")).to_have_count(3)
    page.keyboard.press("ArrowLeft")
    expect(viewer).to_contain_text("Film 1")
    for number in (3, 4):
        page.keyboard.press("ArrowRight")
        expect(viewer).to_contain_text(f"Film {number}")
    expect(viewer.get_by_role("button", name="Next")).to_be_hidden()


def test_controls_follow_a_removal_and_keep_the_focus_in_the_viewer(
    site: Site, new_visitor: NewVisitor
) -> None:
    page = profile(site, new_visitor, count=2)
    viewer, held = page.locator("dialog.viewer"), hold(page, "**/unpublish")
    press(page, 1, "Unpublish")
    held_route(page, held)
    page.keyboard.press("ArrowRight")
    viewer.get_by_role("button", name="Previous").focus()

    held[0].continue_()

    expect(viewer.get_by_role("button", name="Previous")).to_be_hidden()
    expect(viewer).to_contain_text("Film 2")
    expect(viewer.locator(".viewer-stage")).to_be_focused()


def test_viewer_passes_over_what_is_being_deleted(site: Site, new_visitor: NewVisitor) -> None:
    page = profile(site, new_visitor, count=3)
    viewer, held = page.locator("dialog.viewer"), hold(page, "**/api/generate/creation/*")
    press(page, 2, "Delete")
    eventually(lambda: not page.evaluate("history.state?.viewer"))  # closing goes back
    tile(page, 1).press("Enter")

    page.keyboard.press("ArrowRight")

    expect(viewer).to_contain_text("Film 3")
    held_route(page, held)
    held[0].continue_()
    expect(page.locator(".tile")).to_have_count(2)
    expect(viewer.get_by_role("button", name="Next")).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    expect(viewer).to_contain_text("Film 1")
