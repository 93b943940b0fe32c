"""Progress between the reports of a job, and about how long it still takes."""

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from tests.browser.conftest import NewVisitor, Site
from tests.browser.menus import choose
from tests.support.builders import ADA
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

NARROW = {"width": 320, "height": 640}
DRAFTS = "/soho/ada?tab=drafts"
TYPICAL_S = 90
ESTIMATE = """async ([stage, progress, ages, typicalS]) => {
  const { estimate } = await import(new URL("progress.js", document.scripts[0].src));
  return ages.map((ageS) => estimate({ stage, progress }, ageS, typicalS));
}"""
PROGRESS = """async (reports) => {
  const { Progress } = await import(new URL("progress.js", document.scripts[0].src));
  const shown = new Progress();
  const base = { type: "video", stage: "generating", attempt: 1, debits: 1, updatedAt: "" };
  return reports.map((report) => {
    shown.report({ ...base, updatedAt: new Date().toISOString(), ...report });
    return Math.round(shown.percent);
  });
}"""


@pytest.fixture
def page(site: Site, new_visitor: NewVisitor) -> Page:
    return new_visitor(site.base_url).page("/sign-in")


def estimates(page: Page, stage: str, progress: int, *ages: float) -> list[dict[str, Any]]:
    return list(page.evaluate(ESTIMATE, [stage, progress, ages, TYPICAL_S]))


def test_generation_moves_evenly_and_then_slows_down_before_the_next_stage(page: Page) -> None:
    ages = [0, 22.5, 45, 90, 120, 600, 100_000]
    percents = [each["percent"] for each in estimates(page, "generating", 5, *ages)]

    assert percents[:4] == [5, 25, 45, 85]
    assert percents == sorted(percents)
    assert 85 < percents[4] < percents[5] < 88
    assert percents[-1] <= 88


def test_report_moves_the_estimate_ahead(page: Page) -> None:
    [at_report, later] = estimates(page, "generating", 45, 0, 9)

    assert (at_report["percent"], later["percent"]) == (45, 53)
    assert (at_report["leftS"], later["leftS"]) == (53, 44)


def test_nothing_is_left_once_it_takes_longer_than_usual(page: Page) -> None:
    [late] = estimates(page, "generating", 5, TYPICAL_S + 60)
    [reported_late] = estimates(page, "generating", 85, 0)

    assert late["leftS"] == reported_late["leftS"] == 0


@pytest.mark.parametrize(
    ("stage", "progress", "ceiling"),
    [("downloading", 88, 92), ("checking", 92, 95), ("uploading", 95, 95)],
)
def test_last_stages_stay_below_the_next_one(
    page: Page, stage: str, progress: int, ceiling: int
) -> None:
    for each in estimates(page, stage, progress, 0, 5, 60, 10_000):
        assert progress <= each["percent"] <= ceiling
        assert 0 < each["leftS"] < 60


@pytest.mark.parametrize("stage", ["queued", "waiting_to_retry"])
def test_waiting_has_no_estimate(page: Page, stage: str) -> None:
    assert estimates(page, stage, 7, 0, 500) == [{"percent": 7, "leftS": None}] * 2


def test_progress_goes_back_only_for_another_attempt(page: Page) -> None:
    reports = [{"progress": 60}, {"progress": 40}, {"progress": 5, "attempt": 2}]

    assert page.evaluate(PROGRESS, reports) == [60, 60, 5]


def test_wrong_clock_of_the_browser_changes_nothing(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    visitor.context.add_init_script("const now = Date.now; Date.now = () => now() + 86_400_000;")
    page = visitor.page("/sign-in")
    page.evaluate("fetch('/api/web-config')")

    skewed = """async () => {
      const api = await import(new URL("api.js", document.scripts[0].src));
      await api.call("/api/web-config", { anonymous: true });
      return api.serverNow() - Date.now();
    }"""
    assert abs(page.evaluate(skewed) + 86_400_000) < 60_000


def test_card_counts_on_between_reports(site: Site, new_visitor: NewVisitor) -> None:
    site.world.claim(site.world.open().creation)
    site.world.open(kind=Kind.IMAGE, prompt="waits")
    page = new_visitor(site.base_url, reduced_motion="reduce").sign_in("ada", DRAFTS)
    busy = page.locator("#cards > li[data-status=processing]")
    queued = page.locator("#cards > li[data-status=pending]")
    bar = busy.get_by_role("progressbar")
    expect(queued).to_contain_text("Time left isn’t known yet.")
    expect(busy).to_contain_text("min left")
    expect(busy).to_contain_text("Refunded if not ready by")

    first = int(bar.evaluate("(each) => each.value"))
    eventually(lambda: int(bar.evaluate("(each) => each.value")) > first)
    assert busy.locator("[aria-live]").count() == 0


def test_card_stops_counting_while_the_page_is_hidden(site: Site, new_visitor: NewVisitor) -> None:
    site.world.claim(site.world.open().creation)
    page = new_visitor(site.base_url).sign_in("ada", DRAFTS)
    bar = page.get_by_role("progressbar")
    expect(bar).to_be_visible()
    page.clock.install()
    set_hidden = """([hidden]) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(set_hidden, [True])
    before = bar.evaluate("(each) => each.value")
    page.clock.run_for(30_000)
    assert bar.evaluate("(each) => each.value") == before

    page.evaluate(set_hidden, [False])

    eventually(lambda: bar.evaluate("(each) => each.value") > before)


TOO_LATE = {
    "illegal_transition": "It has already finished.",
    "already_started": "It has already started, so it can no longer be cancelled.",
}


@pytest.mark.parametrize(("code", "message"), TOO_LATE.items(), ids=TOO_LATE)
def test_cancelling_too_late_shows_the_new_state_and_why(
    site: Site, new_visitor: NewVisitor, code: str, message: str
) -> None:
    opened = site.world.open().creation
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(409)
    page = visitor.sign_in("ada", DRAFTS)
    card = page.locator("#cards > li")
    cancel = card.get_by_role("button", name="Cancel")
    expect(cancel).to_be_visible()

    def answer(route: Route) -> None:
        if code == "illegal_transition":
            site.world.phoenix.failing.cancel(opened.creation_id, owner=ADA)
        else:
            site.world.claim(opened)
        body = {"code": code, "status": "failed", "detail": "too late"}
        route.fulfill(status=409, json=body)

    page.route("**/cancel", answer)
    cancel.click()

    status = "failed" if code == "illegal_transition" else "processing"
    expect(card).to_have_attribute("data-status", status)
    expect(card.get_by_role("alert")).to_have_text(message)


def test_problem_stays_while_the_card_only_loses_a_button(
    site: Site, new_visitor: NewVisitor
) -> None:
    page = new_visitor(site.base_url).sign_in("ada", DRAFTS)
    update = """() => import(new URL("card.js", document.scripts[0].src)).then(({ Card }) => {
      const creation = { creationId: "x", status: "pending", stage: "generating", type: "video",
        progress: 5, prompt: "p", isCancellable: true, deadlineAt: new Date().toISOString(),
        updatedAt: new Date().toISOString(), attempt: 1, debits: 1, cost: 1, error: null };
      const card = new Card(creation, { groups: { refresh() {} } });
      card.showProblem("too late");
      card.update({ ...creation, status: "processing", isCancellable: false });
      const during = card.article.textContent;
      card.update({ ...creation, status: "failed", isCancellable: false });
      return [during, card.article.textContent];
    })"""

    during, after = page.evaluate(update)

    assert ("too late" in during, "Cancel" in during) == (True, False)
    assert "too late" not in after


def test_cancel_is_offered_as_the_server_says(site: Site, new_visitor: NewVisitor) -> None:
    site.world.claim(site.world.open().creation)
    page = new_visitor(site.base_url).sign_in("ada", DRAFTS)
    card = page.locator("#cards > li")
    expect(card).to_have_attribute("data-status", "processing")
    update = """([is]) => import(new URL("card.js", document.scripts[0].src)).then(({ Card }) => {
      const creation = { creationId: "x", status: "processing", stage: "generating", type: "video",
        progress: 5, prompt: "p", isCancellable: is, deadlineAt: new Date().toISOString(),
        updatedAt: new Date().toISOString(), attempt: 1, debits: 1, cost: 1, error: null };
      return new Card(creation, { groups: { refresh() {} } }).article.textContent;
    })"""

    assert "Cancel" in page.evaluate(update, [True])
    assert "Cancel" not in page.evaluate(update, [False])


def test_refusal_offers_to_edit_the_prompt_but_no_retry(
    site: Site, new_visitor: NewVisitor
) -> None:
    claimed = site.world.claim(site.world.open().creation)
    refusal = FailureCode.POLICY_VIOLATION
    site.world.phoenix.failing.fail_attempt(claimed, refusal, start_failed=False)
    page = new_visitor(site.base_url, viewport=NARROW).sign_in("ada", DRAFTS)
    actions = page.locator("#cards .card-actions")

    expect(actions.get_by_role("button")).to_have_count(2)
    expect(actions.get_by_role("button", name="Delete")).to_be_visible()
    actions.get_by_role("button", name="Edit prompt").click()
    page.wait_for_url("**/create")
    expect(page.get_by_label("Prompt")).to_have_value("a fox")


def test_failed_creation_offers_its_prompt_again(site: Site, new_visitor: NewVisitor) -> None:
    site.world.failed()
    page = new_visitor(site.base_url, viewport=NARROW).sign_in("ada", DRAFTS)
    expect(page.get_by_role("button", name="Retry · 10 tokens")).to_be_visible()

    choose(page, "Use this prompt again")

    page.wait_for_url("**/create")
    expect(page.get_by_label("Prompt")).to_have_value("a fox")
