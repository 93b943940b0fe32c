"""The operators' page: by keyboard and on a phone, for operators and for nobody else."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.ledger import EntryType
from shared.domain.operating import OperatorAct, Verb
from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site
from tests.browser.held import held_route, hold
from tests.browser.test_journeys import until_focused
from tests.browser.test_sharing import fits
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

OLGA = "olga"
PHONE = {"viewport": {"width": 360, "height": 740}, "reduced_motion": "reduce"}
JOURNEY_S = 60
MICRO = 1_000_000
NONE = "\N{EN DASH}"


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site(PHOENIX_ADMINS=OLGA)


def failed(site: Site, code: FailureCode = FailureCode.GENERATOR_UNAVAILABLE) -> Creation:
    claimed = site.world.claim(site.world.open().creation)
    site.world.held(claimed).record_intent(model="omni", cost_usd=0.5)
    site.world.phoenix.failing.fail_attempt(claimed, code, start_failed=False)
    return site.world.now(claimed)


def busy(site: Site) -> None:
    """Creations in each state, some of them counted."""
    site.published(caption="First snow")
    site.draft()
    failed(site)
    failed(site, FailureCode.SAFETY_FILTER)
    site.world.open(kind=Kind.IMAGE)
    site.world.clock.sleep(120)
    site.world.phoenix.sweeping.sweep()


def opened(new_visitor: NewVisitor, site: Site, path: str = "/admin") -> Page:
    page = new_visitor(site.base_url, **PHONE).sign_in(OLGA, path)
    expect(page.get_by_role("heading", name="Operators", exact=True)).to_be_visible()
    return page


def table(page: Page, title: str) -> list[list[str]]:
    """Return the cells of a chart's table, row by row."""
    chart = page.locator(".chart").filter(has=page.get_by_role("heading", name=title, exact=True))
    rows: list[list[str]] = chart.locator("tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.children].map(cell => cell.textContent))"
    )
    return rows


def stats(page: Page, hours: int) -> dict[str, Any]:
    """Fetch the numbers as the page does."""
    script = """async hours => {
        const token = JSON.parse(localStorage.getItem('phoenix.session')).token;
        const headers = {Authorization: `Bearer ${token}`};
        return (await fetch(`/api/admin/stats?hours=${hours}`, {headers})).text();
    }"""
    found: dict[str, Any] = json.loads(page.evaluate(script, hours))
    return found


def micro_usd(cell: str) -> int:
    return round(float(cell.removeprefix("$").replace(",", "")) * MICRO)


def press(page: Page, wanted: Locator) -> None:
    until_focused(page, wanted)
    page.keyboard.press("Enter")


def test_operator_finds_out_why_tokens_came_back_by_keyboard_on_a_phone(
    site: Site, new_visitor: NewVisitor
) -> None:
    video = failed(site)
    page = opened(new_visitor, site)
    began, steps = time.monotonic(), 0

    until_focused(page, page.get_by_label("Account or creation"))
    page.keyboard.type("@Ada")
    page.keyboard.press("Enter")
    steps += 1
    expect(page.locator(".admin-verdict")).to_have_text("Every token is accounted for.")
    press(page, page.get_by_role("button", name="Why? refund of 10 tokens"))
    steps += 1
    story = page.get_by_role("dialog")

    expect(story.locator('[data-what="refund"]')).to_contain_text(
        "10 tokens came back because the generator was unavailable, and all retries were used"
    )
    assert steps == 2
    assert time.monotonic() - began < JOURNEY_S
    happened = story.locator(".admin-timeline > li b").all_text_contents()
    assert (happened[0], happened[-1]) == ("debit", "refund")
    expect(story.locator("code")).to_contain_text(video.creation_id)
    assert findings(page) == []
    assert fits(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Why? refund of 10 tokens")).to_be_focused()
    assert findings(page) == []
    assert fits(page)


def test_user_who_is_no_operator_sees_one_sentence(site: Site, new_visitor: NewVisitor) -> None:
    failed(site)
    visitor = new_visitor(site.base_url, **PHONE)
    visitor.expect_statuses(403)
    page = visitor.sign_in("ben", "/admin?account=ada")
    main = page.locator("main")

    expect(main).to_have_text("This page is for operators.")
    expect(main.get_by_role("button")).to_have_count(0)
    assert [url for url in visitor.requests if "/api/admin/" in url] == [
        f"{site.base_url}/api/admin/stats?hours=24"
    ]
    assert findings(page) == []


def test_operator_who_lost_the_role_sees_one_sentence(site: Site, new_visitor: NewVisitor) -> None:
    failed(site)
    visitor = new_visitor(site.base_url, **PHONE)
    visitor.expect_statuses(403)
    page = visitor.sign_in(OLGA, "/admin?account=ada")
    expect(page.locator(".admin-verdict")).to_have_text("Every token is accounted for.")
    site.world.identity._admins = frozenset()

    press(page, page.get_by_role("button", name="Why? refund of 10 tokens"))

    expect(page.locator("main")).to_have_text("This page is for operators.")


def test_operator_whose_session_ended_signs_in_and_returns(
    site: Site, new_visitor: NewVisitor
) -> None:
    site.draft()
    visitor = new_visitor(site.base_url, **PHONE)
    visitor.expect_statuses(401)
    page = visitor.sign_in(OLGA, "/admin")
    ended = json.dumps({"username": OLGA, "token": "x"})
    page.evaluate("ended => localStorage.setItem('phoenix.session', ended)", ended)

    page.get_by_label("Account or creation").fill("ada")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in?next=%2Fadmin&reason=expired")
    page.get_by_label("Your name").fill(OLGA)
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Operators", exact=True)).to_be_visible()


def test_grant_sent_again_while_it_waits_is_made_once(site: Site, new_visitor: NewVisitor) -> None:
    site.draft()
    page = new_visitor(site.base_url, **PHONE).sign_in(OLGA, "/admin?account=ada")
    waiting = hold(page, "**/api/admin/grants")
    form, dialog = page.get_by_role("form", name="Grant tokens"), page.get_by_role("dialog")
    form.get_by_label("Tokens").fill("5")
    form.get_by_label("Reason").fill("an outage")
    form.get_by_role("button").click()
    with page.expect_request("**/api/admin/grants"):
        press(page, dialog.get_by_role("button", name="Grant 5 tokens"))
    page.keyboard.press("Escape")
    form.get_by_role("button").click()
    held_route(page, waiting).continue_()
    expect(form.get_by_role("status")).to_have_text("Granted 5 tokens to @ada. New balance: 95.")

    with page.expect_request("**/api/admin/grants"):
        press(page, dialog.get_by_role("button", name="Grant 5 tokens"))
    held_route(page, waiting, 2).continue_()
    expect(dialog).to_have_count(0)

    assert site.world.account().balance_tokens == 95


def lose_response(route: Route) -> None:
    """Let a request reach the API, but not its response the page."""
    route.fetch()
    route.abort()


def test_grant_whose_response_was_lost_is_made_once_and_shows_up_in_ledger_and_acts(
    site: Site, new_visitor: NewVisitor
) -> None:
    site.draft()
    visitor = new_visitor(site.base_url, **PHONE)
    visitor.expected.append("Failed to load resource: net::ERR_FAILED")
    page = visitor.sign_in(OLGA, "/admin?account=ada")
    page.route("**/api/admin/grants", lose_response, times=1)
    keys, form = page.keyboard, page.get_by_role("form", name="Grant tokens")
    until_focused(page, form.get_by_label("Tokens"))
    keys.type("5")
    keys.press("Enter")
    expect(form.get_by_role("alert")).to_have_text("Enter a reason.")
    expect(form.get_by_label("Reason")).to_be_focused()
    keys.type("an outage")
    keys.press("Enter")
    dialog = page.get_by_role("dialog", name="Grant 5 tokens to @ada?")
    expect(dialog).to_contain_text("an outage")
    assert findings(page) == []
    press(page, dialog.get_by_role("button", name="Grant 5 tokens"))
    expect(dialog.get_by_role("alert")).to_contain_text("No response.")
    keys.press("Enter")

    expect(form.get_by_role("status")).to_have_text("Granted 5 tokens to @ada. New balance: 95.")
    ledger = page.get_by_role("region", name="Ledger")
    expect(ledger.get_by_role("listitem").first).to_contain_text("Grant +5 tokens")
    acts = page.locator('[data-verb="grant"]')
    expect(acts).to_contain_text("olga granted 5 tokens (ada)")
    expect(acts).to_contain_text("an outage")
    granted = [
        each.amount_tokens for each in site.world.ledger() if each.entry_type is EntryType.GRANT
    ]
    assert granted == [5, 100]
    assert fits(page)


def test_tables_of_the_charts_have_the_numbers_of_the_api(
    site: Site, new_visitor: NewVisitor
) -> None:
    busy(site)
    page = opened(new_visitor, site)
    for hours, name in {24: "Last day", 1: "This hour", 168: "Last week"}.items():
        page.get_by_role("radio", name=name).check()
        numbers = stats(page, hours)
        expect(page.locator(".chart").first.locator("tbody tr")).to_have_count(
            len(numbers["series"])
        )

        outcomes = [[int(cell) for cell in cells] for _, *cells in table(page, "Ready and failed")]
        assert outcomes == [[each["ready"], each["failed"]] for each in numbers["series"]]
        assert [
            [None if cell == NONE else float(cell.removesuffix(" s")) for cell in cells]
            for _, *cells in table(page, "Median seconds to a draft")
        ] == [[each["medianS"]["image"], each["medianS"]["video"]] for each in numbers["series"]]
        assert [micro_usd(cell) for _, cell in table(page, "Dollars over time")] == [
            each["costMicroUsd"] for each in numbers["series"]
        ]
        by_name = {
            "Dollars by model": "costMicroUsdByModel",
            "Dollars by day": "costMicroUsdByDay",
        }
        for title, field in by_name.items():
            shown = {name: micro_usd(cell) for name, cell in table(page, title)}
            assert shown == numbers[field]
        codes = {
            code: (int(image), int(video)) for code, image, video in table(page, "Failures by code")
        }
        assert codes == {
            code: tuple(numbers[kind]["failedByCode"].get(code, 0) for kind in ("image", "video"))
            for code in numbers["failedByCode"]
        }
    assert (numbers["failed"], numbers["ready"], numbers["costMicroUsd"]) == (2, 2, MICRO)
    labels = page.locator("svg[role=img]").evaluate_all(
        "charts => charts.map(chart => chart.getAttribute('aria-label'))"
    )
    assert len(labels) == 6
    assert labels[0].startswith("Ready and failed. 2 ready, 2 failed.")
    page.set_viewport_size({"width": 320, "height": 640})
    assert fits(page)


def test_numbers_are_renewed_without_taking_the_focus(site: Site, new_visitor: NewVisitor) -> None:
    busy(site)
    visitor = new_visitor(site.base_url, **PHONE)
    page = visitor.page()
    page.clock.install()
    page.goto(f"{site.base_url}/admin")
    page.get_by_label("Your name").fill(OLGA)
    page.keyboard.press("Enter")
    summary = page.locator(".chart summary").first
    expect(summary).to_be_visible()
    summary.press("Enter")
    row = page.locator(".chart").first.get_by_role("row").last
    expect(row).to_contain_text("22")
    failed(site)
    site.world.clock.sleep(120)
    site.world.phoenix.sweeping.sweep()

    page.clock.run_for(31_000)

    expect(row).to_contain_text("23")
    expect(summary).to_be_focused()
    expect(page.locator(".chart details").first).to_have_attribute("open", "")


def test_operator_pauses_sweeps_replays_and_unpublishes_by_keyboard(
    site: Site, new_visitor: NewVisitor
) -> None:
    published, broken = site.published(caption="First snow"), failed(site)
    page = opened(new_visitor, site)
    keys, dialog = page.keyboard, page.get_by_role("dialog")
    operate = page.get_by_role("region", name="Operate")
    done = operate.get_by_role("status").first
    press(page, page.get_by_role("button", name="Pause videos"))
    press(page, dialog.get_by_role("button", name="Pause videos"))
    expect(done).to_have_text("New videos are paused.")
    press(page, page.get_by_role("button", name="Resume videos"))
    expect(done).to_have_text("New videos are accepted again.")
    press(page, page.get_by_role("button", name="Sweep now"))
    expect(done).to_contain_text("Swept. refunded 0")

    until_focused(page, operate.get_by_role("checkbox"))
    keys.press("Space")
    press(page, operate.get_by_role("button", name="Replay failures"))
    expect(dialog).to_contain_text("Replay failures generator_unavailable of the last 2 hours?")
    expect(dialog).to_contain_text("1 video failed, for 10 tokens. Each owner is granted the price")
    assert findings(page) == []
    press(page, dialog.get_by_role("button", name="Replay failures"))
    expect(operate.get_by_text("1 replayed, 0 skipped.")).to_be_visible()
    expect(operate.get_by_text("granted 10 tokens")).to_be_visible()
    assert site.world.now(broken).run_number == 2

    page.get_by_label("Account or creation").fill(published.creation_id)
    keys.press("Enter")
    expect(dialog.locator("video")).to_be_visible()
    press(page, dialog.get_by_role("button", name="Unpublish"))
    sheet = page.get_by_role("dialog", name="Unpublish this creation?")
    press(page, sheet.get_by_role("button", name="Unpublish"))
    expect(sheet.get_by_role("alert")).to_have_text("Enter a reason.")
    keys.type("a complaint")
    keys.press("Enter")
    expect(dialog.locator('[data-what="unpublish"]')).to_contain_text("olga: a complaint")
    keys.press("Escape")
    expect(page.locator('[data-verb="unpublish"]')).to_contain_text("a complaint")
    acts = [each for each in site.world.sqlite.everything() if isinstance(each, OperatorAct)]
    assert {each.verb for each in acts if each.who == OLGA} >= {
        *(Verb.PAUSE, Verb.RESUME, Verb.SWEEP, Verb.REPLAY, Verb.UNPUBLISH)
    }
    assert fits(page)
