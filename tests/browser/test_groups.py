"""Variations on the pages: created with one click, and one card in which each keeps its own state."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from shared.domain.kind import Kind
from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site
from tests.browser.menus import choose
from tests.end_to_end.conftest import OneMachine
from tests.support.builders import ADA, a_brief, a_caller
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

SETTLED_MS = 45_000
PHONE = {"width": 360, "height": 720}


def choices(page: Page) -> Locator:
    return page.locator(".group .group-choice")


def shown(page: Page) -> Locator:
    """Return the card of the chosen variation."""
    return page.locator(".group-items > li:visible")


def test_variations_by_keyboard_on_a_phone(machine: OneMachine, new_visitor: NewVisitor) -> None:
    page = new_visitor(machine.stack.base_url, viewport=PHONE).sign_in("gria")
    page.get_by_label("Prompt").fill("Three foxes [slow 0]")
    page.get_by_role("radio", name="1", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Create 3 images · 3 tokens")).to_be_visible()
    page.get_by_label("Prompt").press("Control+Enter")

    # The drafts show one card, in which the first variation has the focus.
    page.wait_for_url(re.compile(r"/soho/gria\?tab=drafts#[a-z2-7]{26}"))
    expect(page.locator("#balance")).to_have_text("97 tokens")
    expect(page.locator("#cards > li")).to_have_count(1)
    expect(choices(page)).to_have_count(3)
    expect(page.get_by_role("group", name="3 variations")).to_be_visible()
    for number in (1, 2, 3):
        name = f"Variation {number}: Ready"
        expect(page.get_by_role("radio", name=name)).to_be_visible(timeout=SETTLED_MS)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    # Arrow keys choose a variation; its own buttons follow.
    page.get_by_role("radio", name="Variation 1").focus()
    page.keyboard.press("ArrowRight")
    second = shown(page).get_attribute("data-id")
    expect(page.get_by_role("radio", name="Variation 2")).to_be_checked()
    shown(page).get_by_role("button", name="Publish", exact=True).press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Publish").press("Enter")
    expect(page.get_by_text("Published.").first).to_be_visible()
    expect(choices(page)).to_have_count(2)
    expect(page.locator(f"[data-id='{second}']")).to_have_count(0)

    # With one variation left, it is a card like any other.
    choose(shown(page), "Delete")
    expect(page.locator(".group")).to_have_count(0, timeout=15_000)
    expect(page.locator("#cards > li")).to_have_count(1)
    expect(page.locator("#cards > li:visible")).to_have_attribute("data-status", "draft")
    expect(page.locator("#cards > li > article")).to_be_focused()


def test_video_has_no_variations(site: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(site.base_url).sign_in("ada")
    page.get_by_role("radio", name="4", exact=True).check()
    expect(page.get_by_role("button", name="Create 4 images · 4 tokens")).to_be_visible()

    page.get_by_role("radio", name="Video").check()

    expect(page.locator("#counts")).to_be_hidden()
    expect(page.get_by_role("button", name="Create video · 10 tokens")).to_be_visible()


def test_states_of_a_group_change_live(site: Site, new_visitor: NewVisitor) -> None:
    world = site.world
    opened = world.phoenix.opening.open(a_brief(Kind.IMAGE, count=4), caller=a_caller())
    first, second, third, _ = opened.creations
    for _ in range(2):
        world.clock.sleep(1)
        world.open(kind=Kind.IMAGE)
    page = new_visitor(site.base_url, viewport=PHONE).sign_in("ada", "/soho/ada?tab=drafts")
    expect(page.locator("#cards > li")).to_have_count(3)

    world.phoenix.failing.cancel(second.creation_id, owner=ADA)

    failed = page.locator(".group-choice[data-status=failed]")
    expect(failed).to_have_count(1)
    failed.locator("input").check(force=True)
    expect(shown(page)).to_have_attribute("data-id", second.creation_id)
    expect(shown(page).get_by_role("button", name="Retry · 1 token")).to_be_visible()
    assert findings(page) == []

    for each in (second, third):
        if each is third:
            world.phoenix.failing.cancel(each.creation_id, owner=ADA)
        world.phoenix.media_cleanup.delete_creation(each.creation_id, owner=ADA)
    expect(choices(page)).to_have_count(2)
    expect(shown(page)).to_have_attribute("data-id", first.creation_id)


def test_first_variation_is_shown_even_if_it_arrives_last(
    site: Site, new_visitor: NewVisitor
) -> None:
    for name in (f"ada{number}" for number in range(20)):
        caller, brief = a_caller(name), a_brief(Kind.IMAGE, count=4)
        opened = site.world.phoenix.opening.open(brief, caller=caller, idempotency_key="one")
        ids = [each.creation_id for each in opened.creations]
        if ids[0] == min(ids):  # the list begins with the highest id
            break
    page = new_visitor(site.base_url, viewport=PHONE).sign_in(name, f"/soho/{name}?tab=drafts")

    expect(choices(page)).to_have_count(4)
    expect(page.get_by_role("radio", name="Variation 1")).to_be_checked()
    expect(shown(page)).to_have_attribute("data-id", min(ids))
