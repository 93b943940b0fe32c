"""Lists with pages on the operators' page, when requests fail or overtake each other."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from shared.domain.operating import Reason, Verb
from tests.browser.conftest import NewVisitor, Site
from tests.browser.held import held_route, hold
from tests.browser.test_operator_page import OLGA, PHONE, opened
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

PAGE_SIZE = 20
ACTS = 25
FIRST_PAGE = "**/api/admin/acts?limit=20"
SECOND_PAGE = "**/api/admin/acts?limit=20&cursor=*"


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    site = new_site(PHOENIX_ADMINS=OLGA)
    for number in range(ACTS):
        site.world.clock.sleep(1)
        site.world.phoenix.operating.record(Verb.SWEEP, Reason(f"act {number}", OLGA))
    site.world.clock.sleep(1)
    return site


def acts(page: Page) -> Locator:
    return page.get_by_role("region", name="Operator actions")


def test_list_whose_reload_failed_says_so_and_continues(
    site: Site, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor(site.base_url, **PHONE)
    visitor.expected.append("Failed to load resource: net::ERR_FAILED")
    page = visitor.sign_in(OLGA, "/admin")
    items, alert = acts(page).get_by_role("listitem"), acts(page).get_by_role("alert")
    expect(items).to_have_count(PAGE_SIZE)
    page.route(FIRST_PAGE, lambda route: route.abort(), times=1)

    page.get_by_role("button", name="Sweep now").click()
    expect(alert).to_contain_text("No response.")
    acts(page).get_by_role("button", name="Show more").click()

    expect(items).to_have_count(ACTS)
    expect(items.nth(PAGE_SIZE)).to_be_focused()
    expect(alert).to_have_text("")


def test_next_page_that_failed_keeps_the_focus_and_is_loaded_again(
    site: Site, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor(site.base_url, **PHONE)
    visitor.expected.append("Failed to load resource: net::ERR_FAILED")
    page = visitor.sign_in(OLGA, "/admin")
    more = acts(page).get_by_role("button", name="Show more")
    page.route(SECOND_PAGE, lambda route: route.abort(), times=1)

    more.click()
    expect(acts(page).get_by_role("alert")).to_contain_text("No response.")
    expect(more).to_be_focused()
    page.keyboard.press("Enter")

    expect(acts(page).get_by_role("listitem")).to_have_count(ACTS)


@pytest.mark.parametrize("held", [FIRST_PAGE, SECOND_PAGE])
def test_list_that_is_reloaded_while_it_continues_loses_nothing(
    site: Site, new_visitor: NewVisitor, held: str
) -> None:
    page = opened(new_visitor, site)
    items = acts(page).get_by_role("listitem")
    more = acts(page).get_by_role("button", name="Show more")
    done = page.get_by_role("region", name="Operate").get_by_role("status").first
    expect(items).to_have_count(PAGE_SIZE)
    waiting = hold(page, held, times=1)

    if held == FIRST_PAGE:
        with page.expect_request(FIRST_PAGE):
            page.get_by_role("button", name="Sweep now").click()
        more.click()
    else:
        with page.expect_request(SECOND_PAGE):
            more.click()
        with page.expect_response(FIRST_PAGE):
            page.get_by_role("button", name="Sweep now").click()
        expect(items.nth(1)).to_contain_text(f"act {ACTS - 1}")
    expect(done).to_contain_text("Swept.")
    held_route(page, waiting).continue_()

    expect(items).to_have_count(1 + ACTS)
    reasons = items.locator("p").all_text_contents()
    assert reasons == [f"act {number}" for number in reversed(range(ACTS))]


def test_act_keeps_every_page_that_a_list_shows(site: Site, new_visitor: NewVisitor) -> None:
    page = opened(new_visitor, site)
    items = acts(page).get_by_role("listitem")
    acts(page).get_by_role("button", name="Show more").click()
    expect(items).to_have_count(ACTS)

    page.get_by_role("button", name="Sweep now").click()

    expect(items).to_have_count(ACTS + 1)
