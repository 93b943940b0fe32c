"""Error messages: what happened, and whether tokens were charged."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import Route, expect

from api_service.events import StreamLimits
from shared.domain.kind import Kind
from shared.ports.store import Page
from tests.browser.conftest import ERROR_STATUS, NewVisitor, Site
from tests.browser.held import held_route, hold, process_events
from tests.browser.menus import choose
from tests.support.builders import ADA
from tests.support.documents import parsed
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

NewSite = Callable[..., Site]
DRAFTS = "/soho/ada?tab=drafts"
NO_POLL_WHEN_HIDDEN = """
const later = setTimeout;
globalThis.setTimeout = (act, delay, ...rest) => later(act, delay === 10_000 ? 1e9 : delay, ...rest);
"""
NOT_CHARGED = "You weren’t charged."
SET_HIDDEN = """(state) => {
  Object.defineProperty(document, "hidden", { value: state === "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def request_video(page: BrowserPage) -> None:
    page.get_by_role("radio", name="Video").check()
    page.get_by_label("Prompt").fill("a fox in the snow")
    page.get_by_role("button", name="Create video · 10 tokens").click()


def expect_message(page: BrowserPage, code: str, *words: str) -> None:
    message = page.locator(f".message[data-code={code}]")
    for each in words:
        expect(message).to_contain_text(each)


def test_too_few_tokens_show_price_and_balance(new_site: NewSite, new_visitor: NewVisitor) -> None:
    site = new_site(PHOENIX_WELCOME_TOKENS="3")
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(402)
    page = visitor.sign_in("ada")
    page.get_by_role("radio", name="Video").check()
    expect(page.get_by_text("You need 10 tokens and have 3.")).to_be_visible()

    request_video(page)

    expect_message(page, "insufficient_tokens", "You need 10 tokens and have 3.", NOT_CHARGED)
    expect(page.get_by_label("Prompt")).to_have_value("a fox in the snow")


def test_limit_of_unfinished_creations_is_explained(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(429)
    page = visitor.sign_in("ada")
    for _ in range(5):
        site.world.open(kind=Kind.VIDEO)
    expect(page.locator("#balance")).to_have_text("50 tokens")

    request_video(page)

    expect_message(page, "too_many_unfinished", "limit of 5 in progress", NOT_CHARGED)


def test_hourly_limit_is_explained(new_site: NewSite, new_visitor: NewVisitor) -> None:
    site = new_site(PHOENIX_POLICY_OPENED_PER_HOUR_MAX="1")
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(429)
    site.world.open(kind=Kind.IMAGE)
    page = visitor.sign_in("ada")

    request_video(page)

    expect_message(page, "too_many_opened", "Try again at", NOT_CHARGED)


def test_queue_outage_shows_banner_and_refund(site: Site, new_visitor: NewVisitor) -> None:
    site.world.queue.is_down = True
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(503)
    page = visitor.sign_in("ada")
    expect(page.locator("#banner")).to_contain_text("We can’t start new creations right now.")

    request_video(page)

    expect_message(page, "queue_unavailable", "We couldn’t start this.", "10 tokens refunded.")
    expect(page.locator("#balance")).to_have_text("100 tokens")
    page.get_by_role("link", name="Drafts").click()
    expect(page.locator("#cards > li")).to_contain_text("10 tokens refunded")


def test_store_outage_is_explained(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(503)
    page = visitor.sign_in("ada")
    site.world.store.faults = ["down"] * 9

    request_video(page)

    expect_message(page, "store_unavailable", "temporarily unavailable", NOT_CHARGED)


def test_new_click_has_a_new_key_but_an_unanswered_one_keeps_its_key(
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
    request_video(page)
    expect_message(page, "unreachable", "may have been started", "You won’t be charged twice.")
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


def test_offline_click_sends_nothing_and_its_repetition_is_charged_once(
    site: Site, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expected.append("Failed to load resource: net::ERR_")
    page = visitor.sign_in("ada")
    expect(page.get_by_role("radio", name="Video")).to_be_visible()

    visitor.context.set_offline(True)
    request_video(page)
    expect_message(page, "offline", "You’re offline.", "Nothing was sent.")
    visitor.context.set_offline(False)
    assert site.world.account().balance_tokens == 100

    page.get_by_role("button", name="Create video").click()
    page.wait_for_url(f"**{DRAFTS}*")
    assert site.world.account().balance_tokens == 90


def test_unknown_outcome_is_resolved_with_the_same_key(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(503)
    page = visitor.sign_in("ada")
    site.world.store.faults = ["lost", *["down"] * 9]
    request_video(page)
    expect_message(page, "outcome_unknown", "We don’t know yet", "You won’t be charged twice.")
    site.world.store.faults = []

    page.get_by_role("button", name="Create video").click()

    page.wait_for_url(f"**{DRAFTS}*")
    assert site.world.account().balance_tokens == 90


def test_double_click_creates_once(site: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(site.base_url).sign_in("ada")
    page.get_by_label("Prompt").fill("a fox")

    page.get_by_role("button", name="Create image").dblclick()

    page.wait_for_url(f"**{DRAFTS}*")
    assert site.world.account().balance_tokens == 99


def test_button_stays_busy_while_the_next_page_loads(site: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(site.base_url).sign_in("ada")
    page.get_by_label("Prompt").fill("a fox")

    page.evaluate(
        """() => {
          sessionStorage.clicks = 0;
          setInterval(() => {
            sessionStorage.clicks = Number(sessionStorage.clicks) + 1;
            document.querySelector("#submit").click();
          }, 5);
        }"""
    )
    page.wait_for_url(f"**{DRAFTS}*")

    assert int(page.evaluate("sessionStorage.clicks")) > 1
    expect(page.locator("#cards > li")).to_have_count(1)
    assert site.world.account().balance_tokens == 99


def test_malformed_address_of_the_next_page_leads_to_create(
    site: Site, new_visitor: NewVisitor
) -> None:
    page = new_visitor(site.base_url).page("/sign-in?next=//")
    page.get_by_label("Your name").fill("ada")
    page.keyboard.press("Enter")

    page.wait_for_url("**/create")


def test_expired_session_leads_to_sign_in_and_back(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(401)
    page = visitor.sign_in("ada")
    page.get_by_label("Prompt").fill("kept while signing in")
    page.evaluate('localStorage[\'phoenix.session\'] = \'{"username": "ada", "token": "old"}\'')

    page.get_by_role("button", name="Create image").click()

    page.wait_for_url("**/sign-in?*")
    expect(page.get_by_text("You’ve been signed out.")).to_be_visible()
    page.get_by_label("Your name").fill("ada")
    page.keyboard.press("Enter")
    page.wait_for_url("**/create")
    expect(page.get_by_label("Prompt")).to_have_value("kept while signing in")


def test_public_pages_stay_when_the_session_has_expired(
    site: Site, new_visitor: NewVisitor
) -> None:
    published, draft = site.published(caption="Open to all"), site.draft(key="other")
    shared = site.world.phoenix.sharing.share(draft.creation_id, owner=draft.user_id)
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(401)
    page = visitor.sign_in("ada")
    page.evaluate('localStorage[\'phoenix.session\'] = \'{"username": "ada", "token": "old"}\'')
    for path in (
        *("/soho/explore", "/soho/ada", f"/soho/ada/{published.creation_id}"),
        f"/shared/{draft.creation_id}/{shared.sharing.secret}",
    ):
        with page.expect_response("**/api/me"):
            page.goto(f"{site.base_url}{path}")
        page.wait_for_load_state("networkidle")

        assert page.url == f"{site.base_url}{path}"


def test_page_polls_for_changes_without_a_stream(
    new_site: NewSite, new_visitor: NewVisitor
) -> None:
    site = new_site({"stream_limits": StreamLimits(streams_max=0)})
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(503)
    claimed = site.world.claim(site.world.open().creation)
    statuses: list[int] = []
    visitor.context.on(
        "response",
        lambda answer: statuses.append(answer.status) if "limit=50" in answer.url else None,
    )
    page = visitor.sign_in("ada", DRAFTS)
    card = page.locator("#cards > li")
    expect(card).to_have_attribute("data-status", "processing")
    eventually(lambda: 304 in statuses or process_events(page))

    site.world.held(claimed).complete(site.media_of(claimed))

    expect(card).to_have_attribute("data-status", "draft")


def test_deletion_can_be_undone_and_is_sent_when_the_page_is_left(
    site: Site, new_visitor: NewVisitor
) -> None:
    draft = site.draft()
    page = new_visitor(site.base_url).sign_in("ada", DRAFTS)
    choose(page, "Delete")
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_focused()
    undo.click()
    expect(page.get_by_role("button", name="Publish", exact=True)).to_be_visible()

    choose(page, "Delete")
    page.goto(f"{site.base_url}/soho/explore")

    eventually(lambda: not site.world.phoenix.ports.store.get(draft.key))


def test_queued_creation_can_be_cancelled(site: Site, new_visitor: NewVisitor) -> None:
    site.world.open()
    page = new_visitor(site.base_url).sign_in("ada", DRAFTS)

    page.get_by_role("button", name="Cancel").click()

    expect(page.locator("#cards > li")).to_contain_text("10 tokens refunded")
    expect(page.locator("#balance")).to_have_text("100 tokens")


def test_retry_without_tokens_shows_the_error_on_its_card(
    new_site: NewSite, new_visitor: NewVisitor
) -> None:
    site = new_site(PHOENIX_WELCOME_TOKENS="10")
    site.world.failed()
    site.world.open(kind=Kind.IMAGE)
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(402)
    page = visitor.sign_in("ada", DRAFTS)

    page.get_by_role("button", name="Retry · 10 tokens").click()

    expect_message(page, "insufficient_tokens", "You need 10 tokens and have 9.", NOT_CHARGED)


def test_failed_publication_keeps_the_caption(site: Site, new_visitor: NewVisitor) -> None:
    site.draft()
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(503)
    page = visitor.sign_in("ada", DRAFTS)
    page.get_by_role("button", name="Publish", exact=True).click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Caption").fill("First snow")
    site.world.media.is_down = True
    sheet.get_by_role("button", name="Publish").click()
    expect(sheet).to_contain_text("Files are unavailable at the moment")
    site.world.media.is_down = False

    sheet.get_by_role("button", name="Publish").click()

    expect(page.get_by_text("Published.").first).to_be_visible()
    [published] = parsed(site.world.phoenix.ports.store.feed(Page(limit=9)))
    assert published.caption == "First snow"


def test_drafts_are_hidden_from_other_users(site: Site, new_visitor: NewVisitor) -> None:
    site.draft()
    page = new_visitor(site.base_url).sign_in("ben", DRAFTS)

    expect(page.locator(".empty-state")).to_have_text("Nothing published yet")
    expect(page.get_by_role("link", name="Published")).to_have_count(0)


def test_profile_of_an_unknown_user_says_so(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(404)
    page = visitor.page("/soho/nobody")

    expect(page.get_by_text("We couldn’t find @nobody")).to_be_visible()


def test_hidden_page_shows_finished_creation_in_title_and_notification(
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
    page.evaluate(SET_HIDDEN, "hidden")

    site.world.held(claimed).complete(site.media_of(claimed))
    page.evaluate("dispatchEvent(new Event('online'))")  # wake up before the 10 s are up

    expect(page).to_have_title("(1) Drafts · Phoenix")
    assert page.evaluate("notices") == ["Your video is ready."]
    page.evaluate(SET_HIDDEN, "visible")
    expect(page).to_have_title("Drafts · Phoenix")


def test_wake_up_during_a_poll_triggers_another_poll(site: Site, new_visitor: NewVisitor) -> None:
    claimed = site.world.claim(site.world.open().creation)
    visitor = new_visitor(site.base_url)
    visitor.context.add_init_script(NO_POLL_WHEN_HIDDEN)
    page = visitor.sign_in("ada", DRAFTS)
    expect(page.get_by_role("progressbar")).to_be_visible()
    held = hold(page, "**/api/generate/drafts?*", times=1)
    page.evaluate(SET_HIDDEN, "hidden")
    held_route(page, held)
    old_answer = held[0].fetch()

    site.world.held(claimed).complete(site.media_of(claimed))
    page.evaluate("dispatchEvent(new Event('online'))")
    held[0].fulfill(response=old_answer)

    expect(page).to_have_title("(1) Drafts · Phoenix")


def test_second_click_before_the_viewer_is_loaded_opens_no_second_one(
    site: Site, new_visitor: NewVisitor
) -> None:
    image = site.world.open(kind=Kind.IMAGE).creation
    claimed = site.world.claim(image, kind=Kind.IMAGE)
    site.world.held(claimed).complete(site.media_of(claimed))
    page = new_visitor(site.base_url).sign_in("ada", DRAFTS)
    held = hold(page, "**/viewer.css")

    page.locator(".media-open").dblclick()
    held_route(page, held)
    held[0].continue_()

    expect(page.get_by_role("dialog")).to_have_count(1)
    expect(page.get_by_role("dialog")).to_have_css("display", "grid")
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#cards")).to_be_visible()
    assert len(held) == 1


def test_images_are_not_reloaded_for_a_new_signature_of_the_same_path(
    site: Site, new_visitor: NewVisitor
) -> None:
    draft = site.draft()
    visitor = new_visitor(site.base_url)
    visitor.expected.append("Failed to load resource: net::ERR_INTERNET_DISCONNECTED")
    page = visitor.sign_in("ada", DRAFTS)
    expect(page.locator("#cards img")).to_be_visible()

    site.world.clock.sleep(3600)  # an hour later links have other signatures
    site.world.phoenix.publishing.publish(draft.creation_id, owner=ADA, caption="x")
    expect(page.locator("#cards > li")).to_have_count(0)
    site.world.phoenix.publishing.unpublish(draft.creation_id, owner=ADA)
    expect(page.locator("#cards > li")).to_have_count(1)
    page.reload()
    expect(page.locator("#cards img")).to_be_visible()
    eventually(lambda: page.evaluate("[...document.images].every((image) => image.naturalWidth)"))
    site.world.clock.sleep(3600)
    before = [url for url in visitor.requests if "_thumb" in url]
    visitor.context.set_offline(True)
    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    visitor.context.set_offline(False)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()

    assert [url for url in visitor.requests if "_thumb" in url] == before
    assert re.search(r"expires=\d+", page.locator("#cards img").get_attribute("src") or "")


def test_error_responses_appear_as_console_errors(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url)
    page = visitor.page("/soho/explore")
    page.evaluate("() => fetch('/api/me')")

    status = f"{ERROR_STATUS}401"
    eventually(
        lambda: any(each.startswith(status) for each in visitor.errors) or process_events(page)
    )
    visitor.expect_statuses(401)
