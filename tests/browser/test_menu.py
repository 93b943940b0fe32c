"""The menu of a card: mouse, keyboard, its place on the screen, and inside a dialog."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site
from tests.browser.menus import choose
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

DRAFTS = "/soho/ada?tab=drafts"
NARROW = {"width": 320, "height": 640}
ITEMS = ["Publish later", "Download", "Copy link", "Details", "Use this prompt again", "Delete"]


@pytest.fixture
def page(site: Site, new_visitor: NewVisitor) -> Page:
    """The drafts page at 320 px, with one draft."""
    site.draft()
    visitor = new_visitor(site.base_url, viewport=NARROW, reduced_motion="reduce")
    page = visitor.sign_in("ada", DRAFTS)
    expect(more(page)).to_be_visible()
    return page


def more(page: Page) -> Locator:
    return page.locator("#cards").get_by_role("button", name="More")


def item(page: Page, name: str) -> Locator:
    return page.get_by_role("menuitem", name=name, exact=True)


def test_keys_open_move_and_close(page: Page) -> None:
    keys = page.keyboard
    more(page).focus()
    keys.press("Enter")
    expect(item(page, ITEMS[0])).to_be_focused()
    expect(more(page)).to_have_attribute("aria-expanded", "true")
    assert page.get_by_role("menuitem").all_text_contents() == ITEMS

    keys.press("ArrowDown")
    expect(item(page, ITEMS[1])).to_be_focused()
    keys.press("ArrowUp")
    keys.press("ArrowUp")
    expect(item(page, ITEMS[-1])).to_be_focused()
    keys.press("ArrowDown")
    expect(item(page, ITEMS[0])).to_be_focused()
    keys.press("End")
    expect(item(page, ITEMS[-1])).to_be_focused()
    keys.press("Home")
    expect(item(page, ITEMS[0])).to_be_focused()
    keys.press("Escape")

    expect(page.get_by_role("menu")).to_be_hidden()
    expect(more(page)).to_be_focused()
    expect(more(page)).to_have_attribute("aria-expanded", "false")
    keys.press("ArrowUp")
    expect(item(page, ITEMS[-1])).to_be_focused()
    keys.press("Tab")
    expect(page.get_by_role("menu")).to_be_hidden()


@pytest.mark.parametrize("way", ["click elsewhere", "scroll", "button"])
def test_menu_closes(page: Page, way: str) -> None:
    more(page).click()
    expect(item(page, "Delete")).to_be_visible()

    if way == "click elsewhere":
        page.mouse.click(5, 5)
    elif way == "scroll":
        page.evaluate("document.querySelector('main').style.paddingBlock = '2000px'")
        page.evaluate("scrollTo(0, scrollY + 40)")
    else:
        more(page).click()

    expect(page.get_by_role("menu")).to_be_hidden()
    expect(more(page)).to_have_attribute("aria-expanded", "false")


def test_menu_fits_the_screen_and_the_buttons_one_row(page: Page) -> None:
    buttons = page.locator(".card-actions").get_by_role("button").all()
    tops = {round(each.evaluate("(each) => each.getBoundingClientRect().top")) for each in buttons}
    sizes = [each.bounding_box() for each in buttons]
    more(page).click()
    expect(item(page, "Delete")).to_be_visible()

    assert len(buttons) == 3
    assert len(tops) == 1
    assert all(size and min(size["width"], size["height"]) >= 44 for size in sizes)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    box = page.get_by_role("menu").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= 320
    assert box["y"] + box["height"] <= 640
    for each in page.get_by_role("menuitem").all():
        each.click(trial=True)
    assert findings(page) == []


def test_escape_closes_the_menu_before_the_dialog_around_it(page: Page) -> None:
    page.locator("#cards .media-open").click()
    viewer = page.locator("dialog.viewer")
    viewer.get_by_role("button", name="More").press("Enter")
    expect(item(page, ITEMS[0])).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(item(page, ITEMS[1])).to_be_focused()

    page.keyboard.press("Escape")

    expect(viewer.get_by_role("button", name="More")).to_be_focused()
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)
    expect(page.locator("#cards .media-open")).to_be_focused()


def test_focus_returns_to_the_button_after_a_dialog(page: Page) -> None:
    choose(page, "Details")
    expect(page.get_by_role("dialog")).to_contain_text("Widescreen (16:9)")

    page.keyboard.press("Escape")

    expect(more(page)).to_be_focused()


def test_deletion_focuses_the_undo_button(page: Page) -> None:
    choose(page, "Delete")

    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    eventually(lambda: more(page).is_visible())
