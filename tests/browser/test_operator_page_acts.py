"""Acts on the operators' page whose dialogs were closed, or that were opened from a list."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import NewVisitor, Site
from tests.browser.held import held_route, hold
from tests.browser.test_operator_page import OLGA, PHONE, opened, press
from tests.browser.test_operator_replay import REPLAY, failed
from tests.support.builders import BEN, POLICY
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site(PHOENIX_ADMINS=OLGA)


def without_network(new_visitor: NewVisitor, site: Site) -> Page:
    visitor = new_visitor(site.base_url, **PHONE)
    visitor.expected.append("Failed to load resource: net::ERR_FAILED")
    return visitor.sign_in(OLGA, "/admin")


def reason_field(page: Page) -> Locator:
    return page.get_by_role("dialog").get_by_label("Reason")


def test_error_of_an_act_whose_question_was_closed_is_shown_at_its_button(
    site: Site, new_visitor: NewVisitor
) -> None:
    page = without_network(new_visitor, site)
    pause, dialog = page.get_by_role("button", name="Pause videos"), page.get_by_role("dialog")
    alert = page.get_by_role("region", name="Operate").get_by_role("alert").first
    waiting = hold(page, "**/api/admin/switches/video", times=1)
    press(page, pause)
    press(page, dialog.get_by_role("button", name="Pause videos"))
    request = held_route(page, waiting)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    request.abort()

    expect(alert).to_contain_text("No response.")
    expect(pause).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    expect(alert).to_have_text("")


def unpublish_held(page: Page, creation_id: str) -> Route:
    """Unpublish a creation from its dialog, and return the request, which is held."""
    waiting = hold(page, "**/api/admin/creations/*/unpublish", times=1)
    page.get_by_label("Account or creation").fill(creation_id)
    page.keyboard.press("Enter")
    press(page, page.get_by_role("dialog").get_by_role("button", name="Unpublish"))
    reason_field(page).fill("a complaint")
    reason_field(page).press("Enter")
    return held_route(page, waiting)


def test_error_of_an_act_on_a_creation_is_shown_in_its_dialog(
    site: Site, new_visitor: NewVisitor
) -> None:
    page = without_network(new_visitor, site)
    request = unpublish_held(page, site.published().creation_id)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(1)

    request.abort()

    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("No response.")


def test_act_from_the_list_of_acts_renews_the_acts_and_the_account(
    site: Site, new_visitor: NewVisitor
) -> None:
    published = site.published(caption="First snow")
    site.world.phoenix.operating.unpublish(published.creation_id, reason="a complaint", who=OLGA)
    page = opened(new_visitor, site, "/admin?account=ada")
    creations = page.get_by_role("region", name="Creations")
    expect(creations.get_by_role("listitem")).to_have_count(1)
    press(page, page.locator('[data-verb="unpublish"]').get_by_role("button"))
    press(page, page.get_by_role("dialog").get_by_role("button", name="Delete"))
    reason_field(page).fill("an order")
    reason_field(page).press("Enter")

    expect(page.locator('[data-verb="delete"]')).to_contain_text("an order")
    expect(creations).to_contain_text("No creations.")


def test_act_from_the_results_of_a_replay_renews_the_acts(
    site: Site, new_visitor: NewVisitor
) -> None:
    failed(site, user=BEN)
    for number in range(POLICY.videos_in_flight_max):
        site.world.open(user=BEN, key=f"{number}")
    page = opened(new_visitor, site)
    form, dialog = page.get_by_role("form", name=REPLAY), page.get_by_role("dialog")
    press(page, form.get_by_role("button", name=REPLAY))
    press(page, dialog.get_by_role("button", name=REPLAY))
    press(page, form.get_by_role("listitem").get_by_role("button"))
    press(page, dialog.get_by_role("button", name="Delete"))
    reason_field(page).fill("an order")
    reason_field(page).press("Enter")

    expect(page.locator('[data-verb="delete"]')).to_contain_text("an order")


def test_focus_after_an_act_on_a_creation_is_in_its_dialog(
    site: Site, new_visitor: NewVisitor
) -> None:
    published = site.published()
    page = opened(new_visitor, site)
    page.get_by_label("Account or creation").fill(published.creation_id)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    press(page, dialog.get_by_role("button", name="Unpublish"))
    reason_field(page).fill("a complaint")
    reason_field(page).press("Enter")

    expect(dialog.locator('[data-what="unpublish"]')).to_be_visible()
    expect(dialog.get_by_role("button", name="Unpublish")).to_have_count(0)
    expect(dialog.get_by_role("button", name="Close")).to_be_focused()
