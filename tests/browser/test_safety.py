"""User texts never run as code, and pages load from their own origin only."""

import gzip
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from shared.domain.kind import Kind
from tests.api.hostile import XSS_CAPTIONS
from tests.browser.conftest import NewVisitor, Site
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

NewSite = Callable[..., Site]
DRAFTS = "/soho/ada?tab=drafts"
MANY = {
    "PHOENIX_WELCOME_TOKENS": "1000",
    "PHOENIX_POLICY_OPENED_PER_HOUR_MAX": "1000",
    "PHOENIX_POLICY_IMAGES_IN_FLIGHT_MAX": "1000",
}
CAPTIONS = {caption.strip() for caption in XSS_CAPTIONS}
PAGE_BYTES_MAX = 60_000
"""Compressed, as the server sends them."""


def test_scripts_in_sixty_captions_never_run(new_site: NewSite, new_visitor: NewVisitor) -> None:
    site = new_site(**MANY)
    for caption in XSS_CAPTIONS:
        site.world.published(caption=caption)
        site.world.open(kind=Kind.IMAGE, prompt=caption)
        site.world.clock.sleep(1)
    page = new_visitor(site.base_url).sign_in("ada", DRAFTS)

    assert_all_shown(page.locator("#cards .card-prompt"), page)
    for path in ("/soho/explore", "/soho/ada"):
        page.goto(f"{site.base_url}{path}")
        assert_all_shown(page.locator(".tile .tile-caption"), page)
    page.locator(".tile .media-open").first.click()
    viewer = page.get_by_role("dialog")
    for caption in reversed(XSS_CAPTIONS):
        expect(viewer.locator(".viewer-caption p").first).to_have_text(caption.strip())
        page.keyboard.press("ArrowRight")
    assert_nothing_ran(page)


def assert_all_shown(texts: Locator, page: Page) -> None:
    """Scroll to the end and find all sixty captions as plain text."""

    def are_shown() -> bool:
        page.keyboard.press("End")
        return {text.strip() for text in texts.all_text_contents()} == CAPTIONS

    eventually(are_shown)
    assert_nothing_ran(page)


def assert_nothing_ran(page: Page) -> None:
    assert page.evaluate(
        "[window.pwned, document.querySelectorAll('main script, iframe').length]"
    ) == [
        None,
        0,
    ]


@pytest.mark.parametrize(
    "path", ["/sign-in", "/create", "/tokens", DRAFTS, "/soho/ada", "/soho/explore"]
)
def test_page_is_small_and_loads_from_its_own_origin_only(
    site: Site, new_visitor: NewVisitor, path: str
) -> None:
    site.draft()
    site.published()
    visitor = new_visitor(site.base_url)
    if path != "/sign-in":
        visitor.sign_in("ada")
    fresh = visitor.page()
    answers: list[Response] = []
    fresh.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 (Playwright marks its handlers)
    cache = visitor.context.new_cdp_session(fresh)
    cache.send("Network.setCacheDisabled", {"cacheDisabled": True})
    fresh.goto(f"{site.base_url}{path}")
    expect(fresh.locator("h1")).to_be_visible()
    if path != "/sign-in":
        expect(fresh.locator("#balance")).to_be_visible()

    ours = [each for each in answers if not re.search("/media/|/api/", each.url)]
    sizes = {each.url: len(gzip.compress(each.body())) for each in ours}
    assert sum(sizes.values()) < PAGE_BYTES_MAX, sizes
    print(f"{path}: {sum(sizes.values())} bytes in {len(sizes)} answers")  # noqa: T201 (a measurement)


def test_sign_in_never_redirects_to_another_site(site: Site, new_visitor: NewVisitor) -> None:
    traps = ("//evil.example", "https://evil.example", "javascript:pwned=1", "/.//evil.example")
    for number, trap in enumerate(traps):
        visitor = new_visitor(site.base_url)
        visitor.expect_statuses(404)  # `//evil.example` is a path of this site
        page = visitor.page(f"/sign-in?next={trap}")
        page.get_by_label("Your name").fill(f"person{number}")
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "/sign-in" not in url)

        assert page.url.startswith(f"{site.base_url}/")
        assert_nothing_ran(page)


def test_injected_scripts_and_markup_do_not_run(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expected += ["Executing inline", "Applying inline", "Refused to", "Loading the", "This"]
    page = visitor.page("/soho/explore")

    ran = page.evaluate(
        """() => {
          const script = document.createElement("script");
          try { script.text = "window.pwned = 1"; document.body.append(script); } catch {}
          try { document.body.innerHTML = "<img src=x onerror=window.pwned=1>"; return "html"; }
          catch { return window.pwned ?? "nothing"; }
        }"""
    )

    assert ran == "nothing"


def test_local_sign_in_never_requests_firebase(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    visitor.sign_in("ada")

    assert not [url for url in visitor.requests if "firebase" in url]
