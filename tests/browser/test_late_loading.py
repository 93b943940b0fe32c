"""Modules and the configuration that are loaded late: failures, repeats and double clicks."""

import pytest
from playwright.sync_api import Locator, expect

from shared.domain.kind import Kind
from tests.browser.conftest import NewVisitor, Site, Visitor
from tests.browser.held import held_route, hold
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

DRAFTS = "/soho/ada?tab=drafts"
CONFIG = "**/api/web-config"
NO_RESPONSE = "No response. Check your connection and try again."


def fail(visitor: Visitor, pattern: str) -> None:
    visitor.expected.append("Failed to load resource: net::ERR_")
    visitor.context.route(pattern, lambda route: route.abort())


def draft_image(site: Site) -> None:
    claimed = site.world.claim(site.world.open(kind=Kind.IMAGE).creation, kind=Kind.IMAGE)
    site.world.held(claimed).complete(site.media_of(claimed))


def own_viewer(visitor: Visitor) -> Locator:
    """Open the owner's only publication."""
    page = visitor.sign_in("ada")
    page.goto(f"{visitor.base_url}/soho/ada")
    page.get_by_role("button", name="Open video: First words").click()
    return page.get_by_role("dialog", name="Viewer")


@pytest.mark.parametrize("missing", [CONFIG, "**/drafts.js"])
def test_drafts_that_cannot_start_say_so_and_start_again(
    site: Site, new_visitor: NewVisitor, missing: str
) -> None:
    site.draft()
    visitor = new_visitor(site.base_url)
    page = visitor.sign_in("ada")
    fail(visitor, missing)
    page.goto(f"{site.base_url}{DRAFTS}")
    expect(page.get_by_role("alert")).to_contain_text(NO_RESPONSE)

    visitor.context.unroute(missing)
    page.get_by_role("button", name="Try again").click()

    expect(page.locator("#cards > li")).to_have_count(1)


def test_sign_in_without_its_configuration_says_so(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(503)
    visitor.context.route(CONFIG, lambda route: route.fulfill(status=503, body="{}"))
    page = visitor.page("/sign-in")
    expect(page.get_by_role("alert")).to_contain_text(NO_RESPONSE)

    visitor.context.unroute(CONFIG)
    page.get_by_role("button", name="Try again").click()

    expect(page.get_by_label("Your name")).to_be_focused()


def test_create_form_asks_again_for_its_configuration(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    page = visitor.sign_in("ada")
    fail(visitor, CONFIG)
    page.reload()
    expect(page.locator("#problem")).to_have_text(NO_RESPONSE)

    visitor.context.unroute(CONFIG)
    page.get_by_label("Prompt").fill("a fox in the snow")

    expect(page.locator("#problem")).to_be_empty()
    page.get_by_role("button", name="Create image").click()
    page.wait_for_url(f"**{DRAFTS}*")


@pytest.mark.parametrize(
    ("button", "module", "opened"),
    [
        ("Open: a fox", "viewer.js", "dialog.viewer"),
        ("Share", "share_sheet.js", "dialog.share-sheet"),
        ("Select", "selection.js", ".selection-bar"),
    ],
)
def test_module_that_could_not_be_loaded_is_loaded_at_the_next_click(
    site: Site, new_visitor: NewVisitor, button: str, module: str, opened: str
) -> None:
    draft_image(site)
    visitor = new_visitor(site.base_url)
    page = visitor.sign_in("ada", DRAFTS)
    expect(page.locator("#cards > li")).to_have_count(1)
    fail(visitor, f"**/{module}*")
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.locator("#cards [role=alert], #toasts")).to_contain_text([NO_RESPONSE])

    visitor.context.unroute(f"**/{module}*")
    page.get_by_role("button", name=button, exact=True).click()

    expect(page.locator(opened)).to_be_visible()


def test_share_sheet_of_a_publication_is_loaded_at_the_next_click(
    site: Site, new_visitor: NewVisitor
) -> None:
    site.published(caption="First words")
    visitor = new_visitor(site.base_url)
    viewer = own_viewer(visitor)
    page = viewer.page
    fail(visitor, "**/share_sheet.js*")
    viewer.get_by_role("button", name="Link and people").click()
    expect(viewer).to_contain_text(NO_RESPONSE)

    visitor.context.unroute("**/share_sheet.js*")
    viewer.get_by_role("button", name="Link and people").dblclick()

    expect(page.locator("dialog.share-sheet")).to_have_count(1)
    expect(viewer).not_to_contain_text(NO_RESPONSE)


def test_caption_without_the_configuration_says_so_and_opens_once_after_a_double_click(
    site: Site, new_visitor: NewVisitor
) -> None:
    site.published(caption="First words")
    visitor = new_visitor(site.base_url)
    viewer = own_viewer(visitor)
    page = viewer.page
    fail(visitor, CONFIG)
    viewer.get_by_role("button", name="Edit caption").click()
    expect(viewer).to_contain_text(NO_RESPONSE)
    visitor.context.unroute(CONFIG)
    held = hold(page, CONFIG)
    viewer.get_by_role("button", name="Edit caption").dblclick()
    held_route(page, held)
    held[0].continue_()

    expect(page.locator("dialog.sheet")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("dialog.sheet")).to_have_count(0)


def test_double_click_on_select_while_it_loads_enters_the_mode_once(
    site: Site, new_visitor: NewVisitor
) -> None:
    site.draft()
    page = new_visitor(site.base_url).sign_in("ada", DRAFTS)
    held = hold(page, "**/selection.js")
    page.get_by_role("button", name="Select").dblclick()
    held_route(page, held)
    held[0].continue_()

    expect(page.locator(".selection-bar")).to_be_visible()
    expect(page.get_by_role("button", name="Select", exact=True)).to_have_attribute(
        "aria-disabled", "false"
    )
    expect(page.locator(".selection-bar")).to_be_visible()
