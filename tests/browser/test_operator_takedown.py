"""Operators close a draft that its owner shares or schedules."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewVisitor, Site
from tests.browser.test_operator_page import OLGA, opened, press
from tests.support.builders import ADA
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site(PHOENIX_ADMINS=OLGA)


@pytest.mark.parametrize("is_open_by", ["link", "schedule", "nothing"])
def test_open_draft_can_be_taken_down(site: Site, new_visitor: NewVisitor, is_open_by: str) -> None:
    draft, phoenix = site.draft(), site.world.phoenix
    if is_open_by == "link":
        phoenix.sharing.share(draft.creation_id, owner=ADA)
    if is_open_by == "schedule":
        at = site.world.clock.now() + timedelta(hours=1)
        phoenix.scheduling.schedule(draft.creation_id, owner=ADA, publish_at=at)
    page = opened(new_visitor, site)
    page.get_by_label("Account or creation").fill(draft.creation_id)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Delete")).to_be_visible()
    take_down = dialog.get_by_role("button", name="Unpublish")
    if is_open_by == "nothing":
        expect(take_down).to_have_count(0)
        return

    press(page, take_down)
    page.keyboard.type("a complaint")
    page.keyboard.press("Enter")

    expect(dialog.locator('[data-what="unpublish"]')).to_contain_text("olga: a complaint")
    current = site.world.now(draft)
    assert not current.sharing.is_shared
    assert current.schedule is None
