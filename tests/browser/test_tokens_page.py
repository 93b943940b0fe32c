"""The tokens page: the balance, the prices, and every movement of tokens in words."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from shared.domain.kind import Kind
from shared.domain.ledger import Actor
from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site, Visitor
from tests.browser.held import held_route, hold
from tests.support.builders import ADA
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

NewSite = Callable[..., Site]
LEDGER = "**/api/me/transactions*"
PHONE = {"width": 320, "height": 568}
MINUS = "\N{MINUS SIGN}"
OVERFLOW_PX = "document.documentElement.scrollWidth - innerWidth"


def grant(site: Site, tokens: int, reference: str = "order 7") -> None:
    site.world.phoenix.accounts.grant(ADA, tokens, reference=reference, actor=Actor.OPERATOR)


def show_creations(visitor: Visitor, creations: dict[str, Any]) -> None:
    """Answer as an API that adds the creation to each entry; one that is not given is deleted."""

    def answer(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        for entry in body["transactions"]:
            entry["creation"] = creations.get(entry["creationId"])
        route.fulfill(response=response, json=body)

    visitor.context.route(LEDGER, answer)


def rows(page: Page) -> list[str]:
    expect(page.locator("li.ledger-row").first).to_be_visible()
    return [text.replace("\n", " ") for text in page.locator("li.ledger-row").all_inner_texts()]


def test_movements_are_explained_and_lead_to_their_creations(
    site: Site, new_visitor: NewVisitor
) -> None:
    published = site.published(caption="First snow")
    failed = site.world.failed()
    deleted = site.world.open(kind=Kind.IMAGE).creation
    grant(site, 25)
    visitor = new_visitor(site.base_url, color_scheme="dark", reduced_motion="reduce")
    show_creations(
        visitor,
        {
            published.creation_id: {"type": "video", "prompt": "a fox", "status": "published"},
            failed.creation_id: {"type": "video", "prompt": "ثعلب", "status": "failed"},
        },
    )
    page = visitor.sign_in("ada", "/tokens")

    titles = page.locator(".ledger-title")
    expect(titles).to_have_text(
        [
            "Tokens added",
            "Creation",
            "Video refunded",
            "Video created",
            "Video created",
            "Welcome tokens",
        ]
    )
    amounts = ["+25", MINUS + "1", "+10", MINUS + "10", MINUS + "10", "+100"]
    expect(page.locator(".ledger-amount")).to_have_text(amounts)
    expect(page.locator(".ledger-detail")).to_have_text(
        ["order 7", "Deleted since then", "ثعلب", "ثعلب", "a fox", ""]
    )
    expect(page.locator(".ledger-facts").first).to_contain_text("Balance 114")
    expect(page.locator("#amount")).to_have_text("114 tokens")
    assert findings(page) == []
    assert [each.get_attribute("href") for each in page.locator("a.ledger-title").all()] == [
        f"/soho/ada?tab=drafts#{failed.creation_id}",
        f"/soho/ada?tab=drafts#{failed.creation_id}",
        f"/soho/ada/{published.creation_id}",
    ]
    assert deleted.creation_id not in page.content()
    page.locator("a.ledger-title").last.press("Enter")
    page.wait_for_url(f"**/soho/ada/{published.creation_id}")


def test_entries_without_their_creation_have_neutral_words(
    site: Site, new_visitor: NewVisitor
) -> None:
    site.world.failed()
    visitor = new_visitor(site.base_url)
    visitor.context.route(LEDGER, without_creations)
    page = visitor.sign_in("ada", "/tokens")

    assert [row.partition(" ")[0] for row in rows(page)] == ["Refund", "Creation", "Welcome"]
    assert page.locator("a.ledger-title").count() == 0


def without_creations(route: Route) -> None:
    response = route.fetch()
    body = response.json()
    for entry in body["transactions"]:
        entry.pop("creation", None)
    route.fulfill(response=response, json=body)


def test_history_is_grouped_by_day_and_has_further_pages(
    new_site: NewSite, new_visitor: NewVisitor
) -> None:
    site = new_site(PHOENIX_WELCOME_TOKENS="1000", PHOENIX_POLICY_OPENED_PER_HOUR_MAX="1000")
    for _ in range(30):
        site.world.failed()
        site.world.clock.sleep(3600)
    page = new_visitor(site.base_url).sign_in("ada", "/tokens")

    def all_are_shown() -> bool:
        page.keyboard.press("End")
        return page.locator("li.ledger-row").count() == 61

    eventually(all_are_shown)
    expect(page.locator(".ledger-day")).to_have_count(page.locator(".ledger-day h3").count())
    headings = page.locator(".ledger-day h3").all_text_contents()
    assert len(headings) == len(set(headings)) >= 2
    expect(page.locator("li.ledger-row").last).to_contain_text("Welcome tokens")


def test_balance_and_history_follow_changes(site: Site, new_visitor: NewVisitor) -> None:
    creation = site.world.open().creation
    page = new_visitor(site.base_url).sign_in("ada", "/tokens")
    expect(page.locator("li.ledger-row")).to_have_count(2)
    expect(page.get_by_role("link", name="90 tokens")).to_be_visible()

    site.world.phoenix.failing.cancel(creation.creation_id, owner=ADA)

    expect(page.locator("#amount")).to_have_text("100 tokens")
    expect(page.locator("li.ledger-row")).to_have_count(3)
    expect(page.locator(".ledger-amount").first).to_have_text("+10")
    expect(page.get_by_role("link", name="100 tokens")).to_be_visible()


@pytest.mark.parametrize("url", [None, "https://pay.example.com/tokens"])
def test_page_says_where_to_get_tokens_and_what_things_cost(
    new_site: NewSite, new_visitor: NewVisitor, url: str | None
) -> None:
    site = new_site(**{"PHOENIX_GET_TOKENS_URL": url} if url else {})
    page = new_visitor(site.base_url, viewport=PHONE).sign_in("ada", "/tokens")

    expect(page.locator(".account-prices dd")).to_have_text(["1 token", "10 tokens"])
    link = page.get_by_role("link", name="Get tokens")
    expect(link).to_have_count(1 if url else 0)
    expect(page.locator("#get")).to_have_text(
        "Get tokens" if url else "Need more? Ask the operator of this installation."
    )
    if url:
        expect(link).to_have_attribute("href", url)
    assert page.evaluate(OVERFLOW_PX) <= 0
    assert findings(page) == []


def test_page_reserves_its_space_while_it_loads(site: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(site.base_url).sign_in("ada", "/soho/explore")
    held = hold(page, LEDGER)
    page.goto(f"{site.base_url}/tokens")
    held_route(page, held)
    expect(page.locator(".ledger > .ledger-row")).to_have_count(6)

    held[0].continue_()

    assert len(rows(page)) == 1
    expect(page.locator(".ledger > .ledger-row")).to_have_count(0)


def test_account_without_movements_says_so(new_site: NewSite, new_visitor: NewVisitor) -> None:
    site = new_site(PHOENIX_WELCOME_TOKENS="0")
    page = new_visitor(site.base_url).sign_in("ada", "/tokens")

    expect(page.locator(".empty-state")).to_contain_text("No movements yet")
    expect(page.locator("#amount")).to_have_text("0 tokens")


def test_history_that_cannot_be_loaded_says_so_and_loads_again(
    site: Site, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor(site.base_url)
    visitor.expect_statuses(503)
    page = visitor.sign_in("ada", "/soho/explore")
    visitor.context.route(LEDGER, lambda route: route.fulfill(status=503, body="{}"))
    page.goto(f"{site.base_url}/tokens")
    expect(page.locator("#more .message")).to_be_visible()
    expect(page.locator(".ledger > .ledger-row")).to_have_count(0)

    visitor.context.unroute(LEDGER)
    page.locator("#more button").click()

    expect(page.locator("li.ledger-row")).to_have_count(1)


def test_signed_out_visitor_signs_in_and_comes_back(site: Site, new_visitor: NewVisitor) -> None:
    page = new_visitor(site.base_url).page("/tokens")
    page.wait_for_url("**/sign-in?next=%2Ftokens")
    page.get_by_label("Your name").fill("ada")
    page.keyboard.press("Enter")

    page.wait_for_url("**/tokens")
    expect(page.locator("#amount")).to_have_text("100 tokens")


def test_page_speaks_german(site: Site, new_visitor: NewVisitor) -> None:
    visitor = new_visitor(site.base_url, locale="de-DE", viewport=PHONE)
    page = visitor.page("/tokens")
    page.wait_for_url("**/sign-in?*")
    page.locator("input").fill("ada")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tokens")

    expect(page.locator(".ledger-title")).to_have_text(["Willkommens-Tokens"])
    expect(page.get_by_text("Frag den Betreiber dieser Installation.")).to_be_visible()
    assert page.evaluate(OVERFLOW_PX) <= 0
