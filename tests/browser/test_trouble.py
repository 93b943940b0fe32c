"""What people are told when something goes wrong, and what became of their tokens."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import Route, expect

from api_service.events import StreamLimits
from shared.domain.kind import Kind
from shared.ports.store import Page
from tests.browser.conftest import REFUSED, NewVisitor, Site
from tests.support.builders import ADA
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

NewSite = Callable[..., Site]
DRAFTS = "/soho/ada?tab=drafts"
NO_POLL_WHEN_HIDDEN = """
const later = setTimeout;
globalThis.setTimeout = (act, delay, ...rest) => later(act, delay === 10_000 ? 1e9 : delay, ...rest);
"""
LOOK = """(where) => {
  Object.defineProperty(document, "hidden", { value: where === "away", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def ask_for_video(page: BrowserPage) -> None:
    page.get_by_role("radio", name="Video").check()
    page.get_by_label("Prompt").fill("a fox in the snow")
    page.get_by_role("button", name="Create video · 10 tokens").click()


def pumped(page: BrowserPage) -> bool:
    """Let the browser's events come in; they do only while it is asked something."""
    page.title()
    return False


def told(page: BrowserPage, code: str, *words: str) -> None:
    message = page.locator(f".message[data-code={code}]")
    for each in words:
        expect(message).to_contain_text(each)


def test_too_few_tokens(new_site: NewSite, new_visitor: NewVisitor) -> None:
    site = new_site(PHOENIX_WELCOME_TOKENS="3")
    visitor = new_visitor(site.base_url)
    visitor.expect_refusals(402)
    page = visitor.sign_in("ada")
    page.get_by_role("radio", name="Video").check()
    expect(page.get_by_text("You have 3 tokens: not enough for this one.")).to_be_visible()

    ask_for_video(page)

    told(page, "insufficient_tokens", "costs 10 tokens and you have 3", "No tokens were taken.")
    expect(page.get_by_label("Prompt")).to_have_value("a fox in the snow")


def test_too_many_in_the_making(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expect_refusals(429)
    page = visitor.sign_in("ada")
    for _ in range(5):
        site.world.open(kind=Kind.VIDEO)
    expect(page.locator("#balance")).to_have_text("50 tokens")

    ask_for_video(page)

    told(page, "too_many_unfinished", "At most 5 of a kind", "No tokens were taken.")


def test_too_many_in_an_hour(new_site: NewSite, new_visitor: NewVisitor) -> None:
    site = new_site(PHOENIX_POLICY_OPENED_PER_HOUR_MAX="1")
    visitor = new_visitor(site.base_url)
    visitor.expect_refusals(429)
    site.world.open(kind=Kind.IMAGE)
    page = visitor.sign_in("ada")

    ask_for_video(page)

    told(page, "too_many_opened", "You can go on at", "No tokens were taken.")


def test_a_queue_that_is_down(site: Site, new_visitor: NewVisitor) -> None:
    site.world.queue.is_down = True
    visitor = new_visitor(site.base_url)
    visitor.expect_refusals(503)
    page = visitor.sign_in("ada")
    expect(page.locator("#banner")).to_contain_text("cannot be queued at the moment")

    ask_for_video(page)

    told(page, "queue_unavailable", "It could not be queued.", "Your 10 tokens are back.")
    expect(page.locator("#balance")).to_have_text("100 tokens")
    page.get_by_role("link", name="Drafts").click()
    expect(page.locator("#cards > li")).to_contain_text("10 tokens returned")


def test_a_store_that_is_down(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expect_refusals(503)
    page = visitor.sign_in("ada")
    site.world.store.faults = ["down"] * 9

    ask_for_video(page)

    told(page, "store_unavailable", "cannot be reached", "No tokens were taken.")


def test_each_click_has_a_key_of_its_own_but_an_unanswered_one_keeps_its(
    site: Site, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expected.append("Failed to load resource: net::ERR_")
    page = visitor.sign_in("ada")
    keys: list[str | None] = []

    def lose_the_answer(route: Route) -> None:
        keys.append(route.request.header_value("idempotency-key"))
        route.fetch()
        route.abort()

    page.route("**/api/generate/creation", lose_the_answer)
    ask_for_video(page)
    told(page, "unreachable", "paid once at most", "that never pays twice")
    page.unroute("**/api/generate/creation")
    with page.expect_request("**/api/generate/creation") as again:
        page.get_by_role("button", name="Create video").click()
    page.wait_for_url(f"**{DRAFTS}*")
    page.go_back()
    with page.expect_request("**/api/generate/creation") as another:
        page.get_by_role("button", name="Create video").click()
    page.wait_for_url(f"**{DRAFTS}*")

    expect(page.locator("#cards > li")).to_have_count(2)
    repeated = again.value.header_value("idempotency-key")
    assert len(keys) == 3
    assert {*keys} == {repeated}
    assert another.value.header_value("idempotency-key") != repeated
    assert site.world.account().balance_tokens == 80


def test_an_open_outcome_is_found_out_with_the_same_key(
    site: Site, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expect_refusals(503)
    page = visitor.sign_in("ada")
    site.world.store.faults = ["lost", *["down"] * 9]
    ask_for_video(page)
    told(page, "outcome_unknown", "not known yet", "never pays twice")
    site.world.store.faults = []

    page.get_by_role("button", name="Create video").click()

    page.wait_for_url(f"**{DRAFTS}*")
    assert site.world.account().balance_tokens == 90


def test_two_clicks_are_one(site: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(site.base_url).sign_in("ada")
    page.get_by_label("Prompt").fill("a fox")

    page.get_by_role("button", name="Create image").dblclick()

    page.wait_for_url(f"**{DRAFTS}*")
    assert site.world.account().balance_tokens == 99


def test_a_session_that_is_over_leads_to_sign_in_and_back(
    site: Site, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expect_refusals(401)
    page = visitor.sign_in("ada")
    page.get_by_label("Prompt").fill("kept while signing in")
    page.evaluate('localStorage[\'phoenix.session\'] = \'{"username": "ada", "token": "old"}\'')

    page.get_by_role("button", name="Create image").click()

    page.wait_for_url("**/sign-in?*")
    expect(page.get_by_text("Your session is over.")).to_be_visible()
    page.get_by_label("Your name").fill("ada")
    page.keyboard.press("Enter")
    page.wait_for_url("**/create")
    expect(page.get_by_label("Prompt")).to_have_value("kept while signing in")


def test_without_a_stream_the_page_asks_for_changes(
    new_site: NewSite, new_visitor: NewVisitor
) -> None:
    site = new_site({"stream_limits": StreamLimits(streams_max=0)})
    visitor = new_visitor(site.base_url)
    visitor.expect_refusals(503)
    claimed = site.world.claim(site.world.open().creation)
    statuses: list[int] = []
    visitor.context.on(
        "response",
        lambda answer: statuses.append(answer.status) if "limit=50" in answer.url else None,
    )
    page = visitor.sign_in("ada", DRAFTS)
    card = page.locator("#cards > li")
    expect(card).to_have_attribute("data-status", "processing")
    eventually(lambda: 304 in statuses or pumped(page))

    site.world.held(claimed).complete(site.media_of(claimed))

    expect(card).to_have_attribute("data-status", "draft")


def test_a_deletion_can_be_taken_back_and_is_sent_when_the_page_is_left(
    site: Site, new_visitor: NewVisitor
) -> None:
    draft = site.draft()
    page = new_visitor(site.base_url).sign_in("ada", DRAFTS)
    page.get_by_role("button", name="Delete").click()
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    undo.click()
    expect(page.get_by_role("button", name="Publish")).to_be_visible()

    page.get_by_role("button", name="Delete").click()
    page.goto(f"{site.base_url}/soho/explore")

    eventually(lambda: not site.world.phoenix.ports.store.get(draft.key))


def test_what_is_only_queued_can_be_cancelled(site: Site, new_visitor: NewVisitor) -> None:
    site.world.open()
    page = new_visitor(site.base_url).sign_in("ada", DRAFTS)

    page.get_by_role("button", name="Cancel").click()

    expect(page.locator("#cards > li")).to_contain_text("10 tokens returned")
    expect(page.locator("#balance")).to_have_text("100 tokens")


def test_a_retry_without_tokens_says_so_on_its_card(
    new_site: NewSite, new_visitor: NewVisitor
) -> None:
    site = new_site(PHOENIX_WELCOME_TOKENS="10")
    site.world.failed()
    site.world.open(kind=Kind.IMAGE)
    visitor = new_visitor(site.base_url)
    visitor.expect_refusals(402)
    page = visitor.sign_in("ada", DRAFTS)

    page.get_by_role("button", name="Retry · 10 tokens").click()

    told(page, "insufficient_tokens", "you have 9 tokens", "No tokens were taken.")


def test_a_publication_that_fails_keeps_the_caption(site: Site, new_visitor: NewVisitor) -> None:
    site.draft()
    visitor = new_visitor(site.base_url)
    visitor.expect_refusals(503)
    page = visitor.sign_in("ada", DRAFTS)
    page.get_by_role("button", name="Publish").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Caption").fill("First snow")
    site.world.media.is_down = True
    sheet.get_by_role("button", name="Publish").click()
    expect(sheet).to_contain_text("The media store is out of reach")
    site.world.media.is_down = False

    sheet.get_by_role("button", name="Publish").click()

    expect(page.get_by_text("Published.").first).to_be_visible()
    [published] = site.world.phoenix.ports.store.feed(Page(limit=9))
    assert published.caption == "First snow"


def test_drafts_are_shown_to_nobody_else(site: Site, new_visitor: NewVisitor) -> None:
    site.draft()
    page = new_visitor(site.base_url).sign_in("ben", DRAFTS)

    expect(page.locator(".empty")).to_have_text("Nothing published yet")
    expect(page.get_by_role("link", name="Published")).to_have_count(0)


def test_who_does_not_exist(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expect_refusals(404)
    page = visitor.page("/soho/nobody")

    expect(page.get_by_text("There is nobody called nobody")).to_be_visible()


def test_whoever_looks_elsewhere_is_told_in_the_title_and_by_a_notice(
    site: Site, new_visitor: NewVisitor
) -> None:
    claimed = site.world.claim(site.world.open().creation)
    visitor = new_visitor(site.base_url)
    visitor.context.grant_permissions(["notifications"])
    visitor.context.add_init_script(NO_POLL_WHEN_HIDDEN)
    page = visitor.sign_in("ada", DRAFTS)
    page.evaluate(
        """() => {
          globalThis.notices = [];
          globalThis.Notification = class { static permission = "granted";
            constructor(title) { notices.push(title); } };
        }"""
    )
    page.evaluate(LOOK, "away")

    site.world.held(claimed).complete(site.media_of(claimed))
    page.evaluate("dispatchEvent(new Event('online'))")  # a reason to look before 10 s are over

    expect(page).to_have_title("(1) Drafts · Phoenix")
    assert page.evaluate("notices") == ["Your video is ready."]
    page.evaluate(LOOK, "here")
    expect(page).to_have_title("Drafts · Phoenix")


def test_a_reason_to_look_while_the_page_is_asking_is_not_forgotten(
    site: Site, new_visitor: NewVisitor
) -> None:
    claimed = site.world.claim(site.world.open().creation)
    visitor = new_visitor(site.base_url)
    visitor.context.add_init_script(NO_POLL_WHEN_HIDDEN)
    page = visitor.sign_in("ada", DRAFTS)
    expect(page.get_by_role("progressbar")).to_be_visible()
    asked: list[Route] = []

    def hold(route: Route) -> None:
        asked.append(route)

    page.route("**/api/generate/drafts?*", hold, times=1)
    page.evaluate(LOOK, "away")
    eventually(lambda: pumped(page) or asked)
    old_answer = asked[0].fetch()

    site.world.held(claimed).complete(site.media_of(claimed))
    page.evaluate("dispatchEvent(new Event('online'))")
    asked[0].fulfill(response=old_answer)

    expect(page).to_have_title("(1) Drafts · Phoenix")


def test_pictures_are_not_loaded_again_while_their_path_is_the_same(
    site: Site, new_visitor: NewVisitor
) -> None:
    draft = site.draft()
    visitor = new_visitor(site.base_url)
    page = visitor.sign_in("ada", DRAFTS)
    expect(page.locator("#cards img")).to_be_visible()

    site.world.clock.sleep(3600)  # another half hour: links have other signatures
    site.world.phoenix.publishing.publish(draft.creation_id, owner=ADA, caption="x")
    expect(page.locator("#cards > li")).to_have_count(0)
    site.world.phoenix.publishing.unpublish(draft.creation_id, owner=ADA)
    expect(page.locator("#cards > li")).to_have_count(1)
    page.reload()
    expect(page.locator("#cards img")).to_be_visible()
    eventually(lambda: page.evaluate("[...document.images].every((image) => image.complete)"))
    site.world.clock.sleep(3600)
    before = [url for url in visitor.requests if "_thumb" in url]
    page.evaluate("dispatchEvent(new Event('offline'))")
    expect(page.get_by_text("Not connected")).to_be_visible()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()

    assert [url for url in visitor.requests if "_thumb" in url] == before
    assert re.search(r"expires=\d+", page.locator("#cards img").get_attribute("src") or "")


def test_refusals_are_what_the_browser_complains_of(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    page = visitor.page("/soho/explore")
    page.evaluate("() => fetch('/api/me')")

    eventually(lambda: visitor.complaints or pumped(page))
    visitor.expect_refusals(401)
    assert visitor.complaints[0].startswith(f"{REFUSED}401")
