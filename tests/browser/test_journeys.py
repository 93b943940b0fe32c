"""User journeys from the first prompt to the last token: real stack, jobs and videos."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NewVisitor
from tests.browser.menus import choose
from tests.end_to_end.conftest import OneMachine
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

SETTLED_MS = 45_000


def create(page: Page, kind: str, prompt: str) -> None:
    page.get_by_role("radio", name=kind).check()
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_role("button", name=f"Create {kind.lower()}").click()
    page.wait_for_url(re.compile(r"/soho/[a-z-]+\?tab=drafts"))


def card(page: Page, prompt: str) -> Locator:
    return page.locator("#cards > li").filter(has_text=prompt)


def balance(page: Page) -> Locator:
    return page.locator("#balance")


def plays(video: Locator) -> bool:
    return bool(video.evaluate("video => video.currentTime > 0.2 && !video.paused"))


def test_video_from_creation_to_deletion(machine: OneMachine, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(machine.stack.base_url)
    page = visitor.sign_in("lifa")
    expect(balance(page)).to_have_text("100 tokens")
    expect(page.get_by_role("button", name="Create image · 1 token")).to_be_visible()
    create(page, "Video", "Waves at dawn [slow 1]")
    page.evaluate("window.isTheSamePage = true")

    # It becomes ready without a reload.
    waves = card(page, "Waves at dawn")
    expect(waves).to_have_attribute("data-status", re.compile("pending|processing"))
    expect(waves).to_contain_text(re.compile(r"Refunded if not ready by \d"))
    expect(balance(page)).to_have_text("90 tokens")
    expect(waves).to_have_attribute("data-status", "draft", timeout=SETTLED_MS)
    assert page.evaluate("window.isTheSamePage") is True
    expect(waves.locator(".media-badge")).to_have_text("8 s")

    # It plays in the viewer.
    waves.get_by_role("button", name="Play").click()
    viewer = page.locator("dialog.viewer")
    eventually(lambda: plays(viewer.locator("video")))
    page.keyboard.press("Escape")
    expect(viewer).to_have_count(0)

    # It is published with a caption and appears first on Explore.
    waves.get_by_role("button", name="Publish", exact=True).click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Caption").fill("Dawn, by <b>me</b>")
    sheet.get_by_role("button", name="Publish").click()
    expect(waves).to_have_count(0)
    page.get_by_role("link", name="See it on Explore").click()
    first = page.locator(".tile").first
    expect(first).to_contain_text("Dawn, by <b>me</b>")

    # It is deleted: after five seconds to undo, it is gone for all users.
    page.goto(f"{visitor.base_url}/soho/lifa")
    page.locator(".tile").get_by_role("button", name="Open").click()
    page.get_by_role("button", name="Delete").click()
    with page.expect_response(lambda answer: answer.request.method == "DELETE") as deleted:
        expect(page.locator(".tile")).to_be_hidden()
    assert deleted.value.status == 204
    page.goto(f"{visitor.base_url}/soho/lifa")
    expect(page.get_by_text("Nothing published yet")).to_be_visible()


def test_refused_prompt_shows_reason_and_refund(
    machine: OneMachine, new_visitor: NewVisitor
) -> None:
    page = new_visitor(machine.stack.base_url).sign_in("refa")
    create(page, "Image", "Something forbidden [refuse]")

    refused = card(page, "Something forbidden")
    expect(refused).to_have_attribute("data-status", "failed", timeout=SETTLED_MS)
    expect(refused).to_contain_text("This prompt breaks the content policy.")
    expect(refused).to_contain_text("1 token refunded")
    expect(balance(page)).to_have_text("100 tokens")

    # The prompt can be edited in the create form.
    refused.get_by_role("button", name="Edit prompt").click()
    expect(page.get_by_label("Prompt")).to_have_value("Something forbidden [refuse]")


def test_failed_creation_is_retried_on_the_same_card(
    machine: OneMachine, new_visitor: NewVisitor
) -> None:
    page = new_visitor(machine.stack.base_url).sign_in("reta")
    create(page, "Image", "Snow on red roofs [unavailable x4]")
    snow = card(page, "Snow on red roofs")
    expect(snow).to_contain_text(re.compile("Retrying at"), timeout=SETTLED_MS)
    expect(snow).to_have_attribute("data-status", "failed", timeout=SETTLED_MS)
    expect(balance(page)).to_have_text("100 tokens")

    snow.get_by_role("button", name="Retry · 1 token").click()

    expect(balance(page)).to_have_text("99 tokens")
    expect(snow).to_have_attribute("data-status", "draft", timeout=SETTLED_MS)
    expect(page.locator("#cards > li")).to_have_count(1)


def test_two_tabs_stay_in_sync(machine: OneMachine, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(machine.stack.base_url)
    first = visitor.sign_in("twoa")
    second = visitor.page("/soho/twoa?tab=drafts")
    expect(second.get_by_text("No drafts yet")).to_be_visible()

    create(first, "Image", "A clock tower [slow 0]")
    for page in (first, second):
        expect(card(page, "A clock tower")).to_have_attribute(
            "data-status", "draft", timeout=SETTLED_MS
        )
        expect(balance(page)).to_have_text("99 tokens")

    choose(card(first, "A clock tower"), "Delete")
    expect(card(second, "A clock tower")).to_have_count(0)

    first.get_by_role("button", name="Account: twoa").click()
    first.get_by_role("button", name="Sign out").click()
    for page in (first, second):
        page.wait_for_url("**/sign-in*")


def test_drafts_catch_up_after_a_lost_connection(
    machine: OneMachine, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor(machine.stack.base_url)
    visitor.expected.append("Failed to load resource: net::ERR_INTERNET_DISCONNECTED")
    page = visitor.sign_in("losa")
    create(page, "Image", "A radio mast [slow 1]")
    mast = card(page, "A radio mast")
    expect(mast).to_be_visible()

    visitor.context.set_offline(True)
    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    creation_id = mast.get_attribute("data-id")
    assert creation_id is not None
    machine.settled(creation_id)
    expect(mast).not_to_have_attribute("data-status", "draft")

    visitor.context.set_offline(False)
    expect(mast).to_have_attribute("data-status", "draft")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_create_form_keeps_its_values_for_the_next_creation(
    machine: OneMachine, new_visitor: NewVisitor
) -> None:
    page = new_visitor(machine.stack.base_url).sign_in("anoa")
    page.get_by_role("radio", name="Video").check()
    page.get_by_role("radio", name="9:16").check()
    page.get_by_role("radio", name="4 seconds").check()
    page.get_by_label("Prompt").fill("A paper crane [slow 0]")
    page.get_by_role("button", name="Create video · 10 tokens").click()

    page.locator("#page-actions").get_by_role("link", name="Create").click()

    expect(page.get_by_label("Prompt")).to_have_value("A paper crane [slow 0]")
    for chosen in ("Video", "9:16", "4 seconds"):
        expect(page.get_by_role("radio", name=chosen)).to_be_checked()
    expect(page.get_by_role("button", name="Create video · 10 tokens")).to_be_enabled()


def test_all_steps_work_with_the_keyboard_alone(
    machine: OneMachine, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor(machine.stack.base_url)
    page = visitor.page("/sign-in")
    keys = page.keyboard
    expect(page.get_by_label("Your name")).to_be_focused()
    keys.type("keya")
    keys.press("Enter")
    page.wait_for_url("**/create")

    # The first tab stop of every page skips the shell.
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    keys.press("Enter")
    keys.press("Tab")
    expect(page.get_by_role("radio", name="Image")).to_be_focused()
    keys.press("ArrowRight")
    keys.press("Tab")
    expect(page.get_by_label("Prompt")).to_be_focused()
    keys.type("A violin in the rain [slow 0]")
    keys.press("Control+Enter")
    page.wait_for_url(re.compile("tab=drafts"))
    violin = card(page, "A violin in the rain")
    expect(violin).to_have_attribute("data-status", "draft", timeout=SETTLED_MS)

    until_focused(page, violin.get_by_role("button", name="Play"))
    keys.press("Enter")
    expect(page.locator("dialog.viewer .viewer-stage")).to_be_focused()
    keys.press("Escape")
    expect(violin.get_by_role("button", name="Play")).to_be_focused()
    until_focused(page, violin.get_by_role("button", name="Publish", exact=True))
    keys.press("Enter")
    keys.type("By key")
    keys.press("Tab")
    keys.press("Tab")
    keys.press("Enter")
    expect(violin).to_have_count(0)
    expect(page.locator("#main")).to_be_focused()

    page.goto(f"{visitor.base_url}/soho/explore")
    opener = page.get_by_role("button", name="Open video: By key")
    until_focused(page, opener)
    keys.press("Enter")
    viewer = page.get_by_role("dialog")
    expect(viewer).to_contain_text("By key")
    keys.press("Escape")
    expect(viewer).to_have_count(0)
    expect(opener).to_be_focused()


def until_focused(page: Page, wanted: Locator) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"the keyboard does not reach {wanted}")
