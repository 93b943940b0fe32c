"""A draft in the viewer: its media, and what its owner can do with it."""

import re
from collections.abc import Callable, Sequence

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from shared.domain.status import Status
from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site
from tests.browser.held import held_route, hold
from tests.browser.menus import choose
from tests.support.builders import ADA
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

DRAFTS = "/soho/ada?tab=drafts"
CLIPBOARD = ["clipboard-read", "clipboard-write"]
NARROW = {"width": 320, "height": 640}
NO_TIME = """
const later = setTimeout;
globalThis.setTimeout = (act, delay, ...rest) => later(act, delay === 7_000 ? 20 : delay, ...rest);
"""
Open = Callable[..., Page]


@pytest.fixture
def opened(site: Site, new_visitor: NewVisitor) -> Open:
    """Open the viewer with the newest draft."""

    def open_newest(
        *, count: int = 1, script: str = "", statuses: Sequence[int] = (), locale: str = "en-US"
    ) -> Page:
        for number in range(count):
            site.draft(key=f"key {number}")
            site.world.clock.sleep(1)
        options = {"permissions": CLIPBOARD, "reduced_motion": "reduce", "locale": locale}
        visitor = new_visitor(site.base_url, viewport=NARROW, **options)
        visitor.context.add_init_script(script)
        visitor.expect_statuses(*statuses)
        page = visitor.sign_in("ada", DRAFTS)
        page.locator("#cards .media-open").first.click()
        expect(viewer(page).locator(".viewer-row")).to_be_visible()
        return page

    return open_newest


def viewer(page: Page) -> Locator:
    return page.locator("dialog.viewer")


def shown(page: Page) -> str:
    source = viewer(page).locator("video").get_attribute("src")
    return str(source).partition("?")[0]


def test_keys_turn_over_the_ready_drafts_and_return_to_the_last(opened: Open) -> None:
    page = opened(count=3)
    first = shown(page)
    expect(viewer(page).get_by_role("button", name="Previous")).to_be_hidden()

    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    eventually(lambda: shown(page) != first)
    expect(viewer(page).get_by_role("button", name="Next")).to_be_hidden()
    page.keyboard.press("Escape")

    expect(viewer(page)).to_have_count(0)
    expect(page.locator("#cards .media-open").nth(2)).to_be_focused()


def test_media_has_most_of_a_phone_and_all_controls_are_reachable(opened: Open) -> None:
    page = opened(count=2)
    stage = viewer(page).locator(".viewer-stage").bounding_box()

    assert stage is not None
    assert stage["height"] >= 0.6 * NARROW["height"]
    for each in viewer(page).get_by_role("button").all():
        if each.is_visible():
            each.click(trial=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert findings(page) == []


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
def test_buttons_fit_the_narrowest_phone_in_every_language(opened: Open, locale: str) -> None:
    page = opened(locale=locale)

    ends = viewer(page).evaluate(
        "viewer => [...viewer.querySelectorAll('.viewer-row button, .viewer-draft p')]"
        ".filter(each => each.offsetParent).map(each => each.getBoundingClientRect().right)"
    )

    assert len(ends) > 4
    assert max(ends) <= NARROW["width"]


def test_draft_is_published_from_the_viewer(opened: Open) -> None:
    page = opened()
    viewer(page).get_by_role("button", name="Publish", exact=True).click()
    sheet = page.get_by_role("dialog", name="Publish this video")
    sheet.get_by_label("Caption").fill("Seen")
    sheet.get_by_role("button", name="Publish").click()

    expect(viewer(page)).to_have_count(0)
    expect(page.locator("#toasts")).to_contain_text("Published.")
    expect(page.locator("#cards > li")).to_have_count(0)
    expect(page.locator("#main")).to_be_focused()


def test_deletion_in_the_viewer_can_be_undone(opened: Open) -> None:
    page = opened()
    choose(viewer(page), "Delete")
    expect(viewer(page)).to_have_count(0)
    expect(page.get_by_role("button", name="Undo")).to_be_focused()

    page.keyboard.press("Enter")

    expect(page.locator("#cards .media-open")).to_be_visible()


def test_file_is_downloaded_under_a_name_from_its_prompt(opened: Open) -> None:
    page = opened()

    with page.expect_download() as downloading:
        viewer(page).get_by_role("button", name="Download").click()

    name = downloading.value.suggested_filename
    assert "_a-fox_" in name
    assert name.endswith(".mp4")
    assert downloading.value.path().stat().st_size > 1000


def test_link_is_copied_after_the_user_knows_who_can_see_it(opened: Open) -> None:
    page = opened()
    choose(viewer(page), "Copy link")
    sheet = page.get_by_role("dialog", name="Create a link?")
    expect(sheet).to_contain_text("Anyone with the link can see it")
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    choose(viewer(page), "Copy link")
    sheet.get_by_role("button", name="Create and copy link").click()

    expect(viewer(page).locator("#toasts")).to_have_text("Link copied.")
    assert "/shared/" in page.evaluate("navigator.clipboard.readText()")
    page.evaluate("navigator.clipboard.writeText('')")
    choose(viewer(page), "Copy link")
    eventually(lambda: "/shared/" in page.evaluate("navigator.clipboard.readText()"))


def test_details_show_all_facts_and_the_prompt_is_used_again(opened: Open) -> None:
    page = opened()
    choose(viewer(page), "Details")
    details = page.get_by_role("dialog", name="Details")

    for fact in ("a fox", "Widescreen (16:9)", "8 seconds", "1280 \u00d7 720 px", "10 tokens"):
        expect(details).to_contain_text(fact)
    assert findings(page) == []
    details.get_by_role("button", name="Use this prompt again").click()
    page.wait_for_url("**/create")
    expect(page.get_by_label("Prompt")).to_have_value("a fox")
    expect(page.get_by_role("radio", name="Video")).to_be_checked()


def test_prompt_of_the_viewer_is_used_again_and_back_leads_to_the_drafts(opened: Open) -> None:
    page = opened()
    saved = '{"kind": "image", "prompt": "old", "count": 3, "formats": {"image": "1:1"}}'
    page.evaluate("(saved) => sessionStorage.setItem('phoenix.form', saved)", saved)

    choose(viewer(page), "Use this prompt again")

    page.wait_for_url("**/create")
    expect(page.get_by_role("radio", name="Video")).to_be_checked()
    page.get_by_role("radio", name="Image").check()
    expect(page.locator("[name=count][value='3']")).to_be_checked()
    expect(page.locator("[name=format][value='1:1']")).to_be_checked()
    page.go_back()
    expect(page.locator("#cards .media-open")).to_be_visible()
    expect(viewer(page)).to_have_count(0)
    assert not page.evaluate("history.state?.viewer")


def test_error_after_the_dialog_was_closed_is_a_toast_in_the_viewer(opened: Open) -> None:
    page = opened(statuses=[503])
    held = hold(page, "**/publish")
    viewer(page).get_by_role("button", name="Publish", exact=True).click()
    sheet = page.get_by_role("dialog", name="Publish this video")
    sheet.get_by_role("button", name="Publish").click()
    held_route(page, held)
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)

    held[0].fulfill(status=503, json={"code": "media_unavailable"})

    expect(viewer(page).locator("#toasts")).to_contain_text("Files are unavailable at the moment.")


def test_toast_is_in_front_of_a_dialog_and_stays_while_it_has_the_focus(
    opened: Open,
) -> None:
    page = opened(script=NO_TIME)
    toast = """() => import(new URL("dom.js", document.scripts[0].src)).then(({ toast, button }) =>
      toast("Ready", button("Show", () => {})))"""
    page.evaluate(toast)
    action = viewer(page).get_by_role("button", name="Show")
    expect(action).to_have_count(0)  # its time has ended

    page.evaluate("""() => import(new URL("dom.js", document.scripts[0].src)).then(({ toast, button }) => {
      const show = button("Show", () => {});
      toast("Ready", show);
      show.focus();
    })""")

    expect(action).to_be_focused()
    action.click(trial=True)
    expect(viewer(page).locator("#announcer")).to_have_text("Ready")
    viewer(page).get_by_role("button", name="Publish", exact=True).focus()
    page.mouse.move(5, 300)
    expect(action).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("body > #toasts")).to_have_count(1)
    expect(page.locator("body > #announcer")).to_have_count(1)


def test_draft_that_was_published_elsewhere_is_passed_over(opened: Open, site: Site) -> None:
    page = opened(count=2)
    newest = page.locator("#cards > li").first.get_attribute("data-id")
    oldest = page.locator("#cards > li").last.get_attribute("data-id")
    creation = site.world.phoenix.reading.any_creation(str(oldest))
    site.world.phoenix.publishing.publish(str(oldest), owner=creation.user_id, caption=None)
    expect(page.locator("#cards > li")).to_have_count(1)

    page.keyboard.press("ArrowRight")

    expect(viewer(page).get_by_role("button", name="Next")).to_be_hidden()
    assert site.world.phoenix.reading.any_creation(str(newest)).status is Status.DRAFT


def test_portrait_media_is_whole_on_the_card(opened: Open) -> None:
    page = opened()
    fit = "(each) => getComputedStyle(each).objectFit"

    assert page.locator("#cards .media-thumbnail").evaluate(fit) == "contain"


def test_viewer_goes_on_over_older_drafts(site: Site, new_visitor: NewVisitor) -> None:
    opened = [site.draft(key=f"key {number}") for number in range(2)]
    page = new_visitor(site.base_url).sign_in("ada", "/tokens")
    page.route("**/api/generate/events", lambda route: None)
    page.route("**/api/generate/drafts?*", one_a_page)
    page.add_init_script("globalThis.IntersectionObserver = class { observe() {} unobserve() {} };")
    page.goto(f"{site.base_url}{DRAFTS}")
    page.locator("#cards .media-open").click()
    first = shown(page)

    viewer(page).get_by_role("button", name="Next").click()

    eventually(lambda: shown(page) != first)
    assert len(opened) == page.locator("#cards > li").count()
    expect(viewer(page).get_by_role("button", name="Next")).to_be_hidden()


def one_a_page(route: Route) -> None:
    address = re.sub(r"limit=\d+", "limit=1", route.request.url)
    route.fulfill(response=route.fetch(url=address))


def test_viewer_closes_when_its_draft_is_gone(opened: Open, site: Site) -> None:
    page = opened(count=2)
    newest = page.locator("#cards > li").first.get_attribute("data-id")

    site.world.phoenix.media_cleanup.delete_creation(str(newest), owner=ADA)

    expect(viewer(page)).to_have_count(0)
    expect(page.locator("#cards > li")).to_have_count(1)
