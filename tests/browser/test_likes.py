"""Hearts on publications: by keyboard, on a phone, in the viewer, when a request fails."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from shared.domain.like import like_key
from tests.browser.conftest import NewVisitor, Site
from tests.browser.test_journeys import until_focused
from tests.support.builders import ADA, BEN
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

PHONE = {"width": 360, "height": 740}


def heart(within: Page | Locator) -> Locator:
    return within.get_by_role("button", name="Like: First snow")


def expect_heart(shown: Locator, *, pressed: bool, count: str) -> None:
    expect(shown).to_have_attribute("aria-pressed", str(pressed).lower())
    expect(shown).to_have_text(count)


def overflow_px(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def test_like_by_keyboard_on_a_phone(site: Site, new_visitor: NewVisitor) -> None:
    published = site.published(user=BEN, caption="First snow")
    key = like_key(published.creation_id, ADA)
    visitor = new_visitor(site.base_url, viewport=PHONE)
    page = visitor.sign_in("ada")
    page.goto(f"{site.base_url}/soho/explore")
    tile = page.locator(".tile")
    assert overflow_px(page) <= 0

    # Tab leads from the tile to its heart, and Space presses it.
    tile.get_by_role("button", name="Open").focus()
    until_focused(page, heart(tile))
    page.keyboard.press("Space")
    expect_heart(heart(tile), pressed=True, count="1")
    expect(heart(tile)).to_have_accessible_name("Like: First snow (1 like)")
    eventually(lambda: site.world.sqlite.get(key) is not None)

    # It is still pressed after a reload, although no sweep has counted it.
    page.reload()
    expect_heart(heart(tile), pressed=True, count="1")

    # The viewer's heart and the tile's show the same.
    tile.get_by_role("button", name="Open").press("Enter")
    viewer = page.get_by_role("dialog")
    expect_heart(heart(viewer), pressed=True, count="1")
    heart(viewer).press("Enter")
    expect_heart(heart(viewer), pressed=False, count="")
    page.keyboard.press("Escape")
    expect_heart(heart(tile), pressed=False, count="")
    eventually(lambda: (like := site.world.sqlite.get(key)) and not like.is_liked)


def test_failed_like_is_undone_with_a_message(site: Site, new_visitor: NewVisitor) -> None:
    site.published(user=BEN, caption="First snow")
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(503)
    page = visitor.sign_in("ada")
    page.goto(f"{site.base_url}/soho/explore")
    tile, message = page.locator(".tile"), re.compile("temporarily|unavailable", re.IGNORECASE)

    site.world.store.faults = ["down"] * 5
    heart(tile).click()
    expect(page.locator("#toasts")).to_contain_text(message)
    expect_heart(heart(tile), pressed=False, count="")

    tile.get_by_role("button", name="Open").click()
    viewer = page.get_by_role("dialog")
    site.world.store.faults = ["down"] * 5
    heart(viewer).click()
    expect(viewer.locator(".viewer-likes").get_by_role("alert")).to_contain_text(message)
    expect_heart(heart(viewer), pressed=False, count="")


def test_own_publication_shows_its_count_and_signed_out_visitors_are_led_to_sign_in(
    site: Site, new_visitor: NewVisitor
) -> None:
    published = site.published(caption="First snow")
    for user in (ADA, BEN):
        site.world.phoenix.liking.like(published.creation_id, user)
    site.world.phoenix.sweeping.sweep()

    page = new_visitor(site.base_url).sign_in("ada")
    page.goto(f"{site.base_url}/soho/ada")
    expect_heart(heart(page.locator(".tile")), pressed=True, count="2")

    stranger = new_visitor(site.base_url).page("/soho/explore")
    expect_heart(heart(stranger), pressed=False, count="2")
    heart(stranger).click()
    stranger.wait_for_url("**/sign-in?next=*")
