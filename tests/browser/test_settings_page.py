"""The settings page: notifications, language and account."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site, Visitor
from tests.browser.held import held_route, hold
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

NARROWEST = {"width": 320, "height": 640}


def settings(visitor: Visitor) -> Page:
    page = visitor.page("/settings")
    expect(page.get_by_role("radio")).to_have_count(3)
    return page


def test_signed_out_visitor_finds_and_changes_the_language(
    site: Site, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor(site.base_url)
    page = visitor.page("/soho/explore")
    page.get_by_role("link", name="Language and settings").click()
    expect(page.get_by_role("radio", name="Browser’s language")).to_be_checked()

    page.get_by_role("radio", name="Deutsch").click()

    expect(page.locator("h1")).to_have_text("Einstellungen")
    expect(page.get_by_role("radio", name="Deutsch")).to_be_checked()
    expect(page.get_by_role("radio", name="Deutsch")).to_be_focused()
    assert page.evaluate("document.documentElement.lang") == "de"
    (cookie,) = visitor.context.cookies()
    assert (cookie["name"], cookie["value"]) == ("phoenix_language", "de")
    assert (cookie["path"], cookie["sameSite"], cookie["secure"]) == ("/", "Lax", False)
    expect(page.get_by_role("main").get_by_role("link", name="Anmelden")).to_be_visible()

    page.get_by_role("radio", name="Sprache des Browsers").click()

    expect(page.locator("h1")).to_have_text("Settings")
    assert visitor.context.cookies() == []


def test_account_leads_to_profile_tokens_and_out(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    page = visitor.sign_in("ada", "/create")
    page.goto(f"{site.base_url}/settings")
    account = page.get_by_role("region", name="Account")

    expect(account.get_by_text("@ada")).to_be_visible()
    expect(page.locator("#balance")).to_have_text("100 tokens")
    assert account.get_by_role("link", name="Your profile").get_attribute("href") == "/soho/ada"
    assert account.get_by_role("link", name="Your tokens").get_attribute("href") == "/tokens"
    account.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")


def hide(page: Page) -> None:
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")


@pytest.mark.parametrize("is_wanted", [True, False])
def test_notification_follows_the_switch(
    site: Site, new_visitor: NewVisitor, *, is_wanted: bool
) -> None:
    visitor = new_visitor(site.base_url, permissions=["notifications"])
    visitor.context.add_init_script(
        """globalThis.shown = [];
        globalThis.Notification = class {
          static permission = "granted";
          constructor(title) { globalThis.shown.push(title); }
        };"""
    )
    page = visitor.sign_in("ada")
    page.goto(f"{site.base_url}/settings")
    switch = page.get_by_role("switch", name="Notify me when a creation is finished")
    expect(switch).to_be_checked()
    if not is_wanted:
        switch.click()
        expect(page.locator("#permission")).to_have_text("Off in this browser.")
    creation = site.world.open().creation
    page.goto(f"{site.base_url}/soho/ada?tab=drafts")
    expect(page.locator("#cards > li")).to_have_count(1)
    page.evaluate(
        "addEventListener('visibilitychange', (event) => event.stopImmediatePropagation(), true)"
    )
    hide(page)

    claimed = site.world.claim(creation)
    site.world.held(claimed).complete(site.media_of(claimed))

    expect(page.locator("#ready-count")).to_have_text("1")
    assert page.evaluate("shown") == (["Your video is ready."] if is_wanted else [])


@pytest.mark.parametrize(
    ("permission", "text", "is_enabled"),
    [
        ("denied", "Blocked by your browser.", False),
        ("default", "Your browser asks for permission", True),
        (None, "This browser has no notifications.", False),
    ],
)
def test_state_of_notifications_is_explained(
    site: Site, new_visitor: NewVisitor, permission: str | None, text: str, *, is_enabled: bool
) -> None:
    visitor = new_visitor(site.base_url)
    fake = f"class {{ static permission = '{permission}'; }}" if permission else "undefined"
    visitor.context.add_init_script(f"globalThis.Notification = {fake};")

    page = settings(visitor)

    expect(page.locator("#permission")).to_contain_text(text)
    switch = page.get_by_role("switch")
    expect(switch).not_to_be_checked()
    assert switch.is_enabled() == is_enabled


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/settings", "/offline", "/nothing"])
def test_page_is_accessible_and_fits_the_narrowest_phone(
    site: Site, new_visitor: NewVisitor, path: str, scheme: str, language: str
) -> None:
    options: dict[str, Any] = {"viewport": NARROWEST, "color_scheme": scheme, "locale": language}
    visitor = new_visitor(site.base_url, reduced_motion="reduce", **options)
    visitor.expect_statuses(404)
    page = visitor.page(path)
    expect(page.locator("#sign-in-link")).to_be_visible()

    assert findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == NARROWEST["width"]


def test_slow_response_is_admitted_where_something_waits(
    site: Site, new_visitor: NewVisitor
) -> None:
    page = new_visitor(site.base_url).sign_in("ada")
    page.evaluate("document.querySelector('main').append(document.createElement('p'))")
    page.evaluate("document.querySelector('main > p').className = 'skeleton'")
    held = hold(page, "**/api/me")
    page.evaluate(
        """() => {
          const folder = document.querySelector("script[type=module]").src.replace(/[^/]+$/, "");
          import(`${folder}shell.js`).then((shell) => shell.refreshAccount());
        }"""
    )
    route = held_route(page, held)

    expect(page.locator("#slow")).to_have_text("Still loading…")
    route.continue_()
    expect(page.locator("#slow")).to_be_empty()


def test_unreachable_server_is_admitted_until_it_answers(
    site: Site, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expected.append("Failed to load resource: net::ERR_")
    page = visitor.sign_in("ada")
    visitor.context.route("**/api/**", lambda route: route.abort())

    page.goto(f"{site.base_url}/settings")

    expect(page.locator("#banner")).to_have_text("Can’t reach Phoenix. Check your connection.")
    visitor.context.unroute("**/api/**")
    eventually(lambda: page.locator("#banner").is_hidden())
