"""Keeping and scheduling a draft with the keyboard alone, on a narrow screen."""

from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from shared.domain.schedule import ScheduleError
from shared.domain.status import Status
from shared.ports.store import write
from tests.browser.conftest import NewVisitor, Site
from tests.browser.test_journeys import until_focused
from tests.support.builders import NOON
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

NARROW = {"viewport": {"width": 360, "height": 740}, "timezone_id": "Asia/Kolkata"}
BEFORE_EXPIRY = timedelta(days=28)


def publish_later(page: Page) -> None:
    until_focused(page, page.get_by_role("button", name="More"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Publish later")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_draft_is_kept_scheduled_and_published(site: Site, new_visitor: NewVisitor) -> None:
    draft = site.draft()
    visitor = new_visitor(site.base_url, locale="en-GB", **NARROW)
    page = visitor.sign_in("ada", "/soho/ada?tab=drafts")
    page.clock.set_fixed_time(NOON + BEFORE_EXPIRY)
    page.reload()
    card, keys = page.locator("#cards > li"), page.keyboard

    # In its last days it says so, and is kept.
    expect(card).to_contain_text("Deleted on 21 Dec unless you keep it.")
    until_focused(page, card.get_by_role("button", name="Keep"))
    keys.press("Enter")
    kept = card.get_by_role("button", name="Kept", pressed=True)
    expect(kept).to_be_focused()
    expect(page.locator("#announcer")).to_have_text("Kept")
    assert site.world.now(draft).is_kept
    keys.press("Enter")
    expect(card.get_by_role("button", name="Keep", pressed=False)).to_be_focused()
    keys.press("Enter")
    expect(kept).to_be_focused()

    # It is scheduled in local time, and the schedule cancelled.
    page.clock.set_fixed_time(NOON)
    page.reload()
    publish_later(page)
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Caption").fill("From afar")
    sheet.get_by_label("Date and time").fill("2026-11-22T09:30")
    until_focused(page, sheet.get_by_role("button", name="Schedule"))
    keys.press("Enter")
    expect(card).to_contain_text("Publishes 22 Nov, 9:30.")
    schedule = site.world.now(draft).schedule
    assert schedule is not None
    assert schedule.publish_at == NOON + timedelta(hours=16)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    until_focused(page, card.get_by_role("button", name="Cancel schedule"))
    keys.press("Enter")
    expect(card).not_to_contain_text("Publishes")
    assert site.world.now(draft).schedule is None

    # Scheduled again, it leaves the drafts when the sweep publishes it.
    publish_later(page)
    until_focused(page, sheet.get_by_role("button", name="Schedule"))
    keys.press("Enter")
    expect(card).to_contain_text("Publishes 21 Nov")
    site.world.clock.sleep(timedelta(hours=2).total_seconds())
    site.world.phoenix.sweeping.sweep()
    expect(card).to_have_count(0)
    assert site.world.now(draft).status is Status.PUBLISHED
    assert site.world.now(draft).caption == "From afar"


def test_reason_of_an_ended_schedule_is_on_the_card(site: Site, new_visitor: NewVisitor) -> None:
    draft = replace(site.draft(), schedule_error=ScheduleError.STORAGE_FAILED)
    site.world.sqlite.transact([draft.key], lambda _: write(draft, result=None))
    page = new_visitor(site.base_url, **NARROW).sign_in("ada", "/soho/ada?tab=drafts")

    card = page.locator("#cards > li")
    expect(card).to_contain_text("Publishing failed for 24 hours. Publish it again.")
