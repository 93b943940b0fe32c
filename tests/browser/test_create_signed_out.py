"""The create form without an account, with too few tokens, and on a phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from shared.domain.ledger import Actor
from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site
from tests.support.builders import ADA
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

NewSite = Callable[..., Site]
PHONE = {"width": 320, "height": 568}
PROMPT = "a fox in the snow"
OPEN_KEYBOARD = """(px) => {
  const height = innerHeight - px;
  Object.defineProperty(visualViewport, "height", { value: height, configurable: true });
  visualViewport.dispatchEvent(new Event("resize"));
}"""


def sign_in(page: Page, name: str) -> None:
    page.get_by_label("Your name").fill(name)
    page.keyboard.press("Enter")
    page.wait_for_url("**/create")
    expect(page.locator("#balance")).to_be_visible()


def fill_in_a_video(page: Page) -> None:
    page.get_by_role("radio", name="Video").check()
    page.get_by_role("radio", name="9:16").check()
    page.get_by_role("radio", name="4 seconds").check()
    page.get_by_label("Prompt").fill(PROMPT)


def expect_the_video(page: Page) -> None:
    expect(page.get_by_label("Prompt")).to_have_value(PROMPT)
    for chosen in ("Video", "9:16", "4 seconds"):
        expect(page.get_by_role("radio", name=chosen)).to_be_checked()


def bottom_of(page: Page, selector: str) -> float:
    box = page.locator(selector).bounding_box()
    assert box
    return box["y"] + box["height"]


def test_form_typed_signed_out_is_one_press_from_done_after_signing_in(
    site: Site, new_visitor: NewVisitor
) -> None:
    page = new_visitor(site.base_url).page("/create")
    expect(page.get_by_text("Sign in to create.")).to_be_visible()
    fill_in_a_video(page)
    assert findings(page) == []

    page.get_by_role("button", name="Create video · 10 tokens").click()

    page.wait_for_url("**/sign-in?next=%2Fcreate")
    sign_in(page, "ada")
    expect_the_video(page)
    expect(page.locator("#balance")).to_have_text("100 tokens")
    page.get_by_role("button", name="Create video · 10 tokens").click()
    page.wait_for_url("**/soho/ada?tab=drafts*")
    expect(page.locator("#cards > li")).to_have_count(1)


def test_form_of_another_user_is_dropped(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(401)
    page = visitor.sign_in("ada")
    fill_in_a_video(page)
    page.evaluate('localStorage[\'phoenix.session\'] = \'{"username": "ada", "token": "old"}\'')
    page.get_by_role("button", name="Create video").click()
    page.wait_for_url("**/sign-in?*")

    sign_in(page, "ben")

    expect(page.get_by_role("radio", name="Image")).to_be_checked()
    expect(page.get_by_label("Prompt")).to_have_value("")


def test_missing_prompt_is_named_before_signing_in(site: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(site.base_url).page("/create")

    page.get_by_role("button", name="Create image · 1 token").click()

    expect(page.get_by_role("alert")).to_have_text("Enter a prompt first.")
    expect(page.get_by_label("Prompt")).to_be_focused()
    page.keyboard.type("a fox")
    expect(page.locator("#problem")).to_be_empty()
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/sign-in?*")


@pytest.mark.parametrize("kind", ["Image", "Video"])
def test_button_and_price_are_above_the_tabs_of_the_smallest_phone(
    site: Site, new_visitor: NewVisitor, kind: str
) -> None:
    page = new_visitor(site.base_url, viewport=PHONE).sign_in("ada")
    page.get_by_role("radio", name=kind).check()
    button = page.get_by_role("button", name=f"Create {kind.lower()}")
    for scroll in (0, 200, 10_000):
        page.evaluate("(y) => scrollTo(0, y)", scroll)
        expect(button).to_be_in_viewport(ratio=1)
        box = page.locator(".shell-tabs").bounding_box()
        assert box
        assert bottom_of(page, "#submit") <= box["y"]
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert findings(page) == []


def test_focus_is_never_behind_the_button(site: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(site.base_url, viewport=PHONE).sign_in("ada")
    page.get_by_role("radio", name="Image").focus()
    bar = page.locator(".create-bar")
    while not page.evaluate("document.activeElement.id === 'submit'"):
        focused = page.evaluate("document.activeElement.getBoundingClientRect().bottom")
        top = bar.bounding_box()
        assert top
        assert focused <= top["y"]
        page.keyboard.press("Tab")


def test_button_moves_above_the_keyboard(site: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(site.base_url, viewport=PHONE).sign_in("ada")
    expect(page.locator("#formats .chip")).to_have_count(5)
    page.evaluate(OPEN_KEYBOARD, 260)

    eventually(lambda: bottom_of(page, "#submit") <= 568 - 260)
    page.evaluate(OPEN_KEYBOARD, 0)
    eventually(lambda: bottom_of(page, "#submit") > 568 - 260)


def test_too_few_tokens_lead_to_more_and_back_to_the_same_form(
    new_site: NewSite, new_visitor: NewVisitor
) -> None:
    site = new_site(
        PHOENIX_WELCOME_TOKENS="3", PHOENIX_GET_TOKENS_URL="https://pay.example.com/tokens"
    )
    visitor = new_visitor(site.base_url, viewport=PHONE)
    visitor.allowed.append("https://pay.example.com/")
    visitor.context.route("https://pay.example.com/*", lambda route: route.fulfill(body="paid"))
    page = visitor.sign_in("ada")
    fill_in_a_video(page)
    expect(page.get_by_text("You need 10 tokens and have 3.")).to_be_visible()
    assert findings(page) == []

    page.get_by_role("link", name="Get tokens").click()
    page.wait_for_url("https://pay.example.com/tokens")
    site.world.phoenix.accounts.grant(ADA, 50, reference="order 1", actor=Actor.OPERATOR)
    page.go_back()

    expect_the_video(page)
    expect(page.locator("#balance")).to_have_text("53 tokens")
    expect(page.get_by_role("link", name="Get tokens")).to_be_hidden()


def test_affordable_kind_is_one_click_away(new_site: NewSite, new_visitor: NewVisitor) -> None:
    site = new_site(PHOENIX_WELCOME_TOKENS="3")
    page = new_visitor(site.base_url).sign_in("ada")
    page.get_by_role("radio", name="4", exact=True).check()
    page.get_by_role("button", name="3 images for 3 tokens").click()
    expect(page.get_by_role("button", name="Create 3 images · 3 tokens")).to_be_focused()
    fill_in_a_video(page)

    page.get_by_role("button", name="3 images for 3 tokens").click()

    expect(page.get_by_role("radio", name="Image")).to_be_checked()
    expect(page.get_by_label("Prompt")).to_have_value(PROMPT)
    expect(page.get_by_role("button", name="Create 3 images · 3 tokens")).to_be_focused()


def test_refused_creation_links_to_the_tokens_page(
    new_site: NewSite, new_visitor: NewVisitor
) -> None:
    site = new_site(PHOENIX_WELCOME_TOKENS="3")
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(402)
    page = visitor.sign_in("ada")
    fill_in_a_video(page)
    page.get_by_role("button", name="Create video").click()
    expect(page.get_by_role("alert")).to_contain_text("You weren’t charged.")

    page.get_by_role("link", name="See your tokens").click()

    page.wait_for_url("**/tokens")
    expect(page.get_by_text("Ask the operator of this installation.")).to_be_visible()
    page.go_back()
    expect_the_video(page)


def test_form_speaks_german_and_takes_arabic(site: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(site.base_url, locale="de-DE", viewport=PHONE).page("/create")

    page.get_by_label("Prompt").fill("سفينة في البحر")

    expect(page.get_by_text("Melde dich an, um zu erstellen.")).to_be_visible()
    expect(page.get_by_label("Prompt")).to_have_css("direction", "rtl")
    expect(page.locator("#count")).to_have_text("14 von 2.000")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
