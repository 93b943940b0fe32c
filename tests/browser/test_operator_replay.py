"""Replays on the operators' page: counted before the question, and continued, by keyboard on a phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.operating import OperatorAct
from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site
from tests.browser.test_journeys import until_focused
from tests.browser.test_operator_page import OLGA, PHONE, opened, press
from tests.browser.test_sharing import fits
from tests.support.builders import BEN, POLICY
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

BATCH_SIZE = 2
REPLAY = "Replay failures"


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site(PHOENIX_ADMINS=OLGA)


def failed(site: Site, *, user: str = "ada", kind: Kind = Kind.VIDEO) -> Creation:
    claimed = site.world.claim(site.world.open(user=user, kind=kind).creation, kind=kind)
    failing = site.world.phoenix.failing
    failing.fail_attempt(claimed, FailureCode.GENERATOR_UNAVAILABLE, start_failed=False)
    return site.world.now(claimed)


def acts(site: Site) -> list[OperatorAct]:
    return [each for each in site.world.sqlite.everything() if isinstance(each, OperatorAct)]


def with_batches(page: Page, size: int) -> None:
    """Let the page replay so many failures at a time."""

    def smaller(route: Route) -> None:
        text = route.fetch().text()
        assert "const BATCH_SIZE = 50;" in text
        body = text.replace("const BATCH_SIZE = 50;", f"const BATCH_SIZE = {size};")
        route.fulfill(body=body, content_type="text/javascript")

    page.route("**/admin_replay.js*", smaller)


def test_operator_sees_what_a_replay_would_do_before_it_does_anything(
    site: Site, new_visitor: NewVisitor
) -> None:
    failures = [failed(site), failed(site), failed(site, kind=Kind.IMAGE)]
    page = opened(new_visitor, site)
    before = [*site.world.sqlite.everything()]
    form = page.get_by_role("form", name=REPLAY)
    dialog = page.get_by_role("dialog", name="Replay failures generator_unavailable of the last 2")
    submit = form.get_by_role("button", name=REPLAY)

    press(page, submit)
    expect(dialog).to_contain_text("1 image and 2 videos failed, for 21 tokens.")
    expect(dialog).to_contain_text("Owners who cannot pay are skipped.")
    assert findings(page) == []
    assert fits(page)
    page.keyboard.press("Escape")

    expect(submit).to_be_focused()
    assert [*site.world.sqlite.everything()] == before
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    press(page, dialog.get_by_role("button", name=REPLAY))
    expect(form.get_by_role("status")).to_have_text("3 replayed, 0 skipped.")
    assert {site.world.now(each).run_number for each in failures} == {2}
    expect(submit).to_be_focused()
    page.keyboard.press("Enter")
    expect(form.get_by_role("status")).to_have_text("There are no such failures.")
    assert len(acts(site)) == 1 + len(failures)
    assert fits(page)


def test_operator_continues_after_failures_that_are_skipped(
    site: Site, new_visitor: NewVisitor
) -> None:
    skipped = [failed(site, user=BEN) for _ in range(BATCH_SIZE)]
    for number in range(POLICY.videos_in_flight_max):
        site.world.open(user=BEN, key=f"{number}")
    site.world.clock.sleep(1)
    replayed = [failed(site) for _ in range(BATCH_SIZE)]
    page = new_visitor(site.base_url, **PHONE).page()
    with_batches(page, BATCH_SIZE)
    page.goto(f"{site.base_url}/admin")
    page.get_by_label("Your name").fill(OLGA)
    page.keyboard.press("Enter")
    form = page.get_by_role("form", name=REPLAY)
    status, dialog = form.get_by_role("status"), page.get_by_role("dialog")
    more = form.get_by_role("button", name="Continue")

    press(page, form.get_by_role("button", name=REPLAY))
    expect(dialog).to_contain_text("The oldest 2 are replayed now; Continue replays the next ones.")
    press(page, dialog.get_by_role("button", name=REPLAY))
    expect(status).to_have_text("0 replayed, 2 skipped.")
    assert fits(page)
    press(page, more)
    expect(status).to_have_text("2 replayed, 0 skipped.")
    expect(status).to_be_focused()
    press(page, more)
    expect(status).to_have_text("There are no more failures.")

    expect(more).to_have_count(0)
    assert {site.world.now(each).run_number for each in skipped} == {1}
    assert {site.world.now(each).run_number for each in replayed} == {2}
    assert findings(page) == []


def test_preview_that_fails_says_so_and_asks_nothing(site: Site, new_visitor: NewVisitor) -> None:
    failed(site)
    visitor = new_visitor(site.base_url, **PHONE)
    visitor.expected.append("Failed to load resource: net::ERR_FAILED")
    page = visitor.sign_in(OLGA, "/admin")
    page.route("**/api/admin/replay/preview", lambda route: route.abort(), times=1)
    form = page.get_by_role("form", name=REPLAY)

    until_focused(page, form.get_by_role("button", name=REPLAY))
    page.keyboard.press("Enter")
    expect(form.get_by_role("alert")).to_contain_text("No response.")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Enter")

    expect(page.get_by_role("dialog")).to_contain_text("1 video failed, for 10 tokens.")
    expect(form.get_by_role("alert")).to_have_text("")
    assert acts(site) == []
