"""Addresses that name a draft, which may be older than the drafts that are shown first."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewVisitor, Site
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

DRAFTS = "/soho/ada?tab=drafts"
NEWER = 55
"""More than a page, and more than live changes start with."""


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    limits = {"PHOENIX_WELCOME_TOKENS": "1000", "PHOENIX_POLICY_OPENED_PER_HOUR_MAX": "1000"}
    return new_site(**limits)


def test_old_draft_is_shown_and_focused(site: Site, new_visitor: NewVisitor) -> None:
    oldest = site.world.failed()
    for _ in range(NEWER):
        site.world.clock.sleep(3600)
        site.world.failed()
    page = new_visitor(site.base_url).sign_in("ada", "/tokens")

    page.goto(f"{site.base_url}{DRAFTS}#{oldest.creation_id}")

    card = page.locator(f"#cards [data-id='{oldest.creation_id}']")
    expect(card.locator("article")).to_be_focused()
    expect(card).to_be_in_viewport()


def test_address_of_a_deleted_draft_shows_the_others(site: Site, new_visitor: NewVisitor) -> None:
    site.draft()
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(404)
    page = visitor.sign_in("ada", "/tokens")

    with page.expect_response(lambda response: response.status == 404):
        page.goto(f"{site.base_url}{DRAFTS}#{'a' * 26}")

    expect(page.locator("#cards > li")).to_have_count(1)


def test_address_of_an_element_asks_for_no_draft(site: Site, new_visitor: NewVisitor) -> None:
    site.draft()
    page = new_visitor(site.base_url).sign_in("ada", "/tokens")

    page.goto(f"{site.base_url}{DRAFTS}#main")

    expect(page.locator("#cards > li")).to_have_count(1)
