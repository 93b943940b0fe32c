"""A newcomer's way from the first page to the last draft, by touch, by keyboard and in German."""

import zipfile
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from shared.domain.creation import Creation
from shared.domain.kind import Kind
from shared.domain.ledger import EntryType
from shared.domain.status import Status
from tests.browser.axe import findings
from tests.browser.conftest import Site, Visitor
from tests.browser.signing_in.catalog import Texts
from tests.browser.signing_in.conftest import ADA, PASSWORD, NewPerson
from tests.browser.signing_in.hands import Fingers, Hands, Keys
from tests.servers.auth_emulator import AuthEmulator
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), needs("auth"), pytest.mark.slow]

PROMPT = "koi 42"
CAPTION = "xyz 7"
"""Words of no language, so that no message looks like them."""
COUNT = 4
BALANCE = 96
BEFORE_EXPIRY = timedelta(days=28)
UNTIL_PUBLISHED = timedelta(hours=2)


class Newcomer:
    """A new user with a browser in one language, and a way to use it."""

    def __init__(self, site: Site, person: Visitor, texts: Texts, hands: Hands) -> None:
        self.site, self.person, self.texts, self.hands = site, person, texts, hands
        self.checked: set[str] = set()
        self.show_time()
        self.page = person.page("/")

    def button(self, key: str, within: Locator | None = None, **values: object) -> Locator:
        name = self.texts(key, **values)
        return (within or self.page.locator("body")).get_by_role("button", name=name, exact=True)

    def link(self, key: str) -> Locator:
        return self.page.locator("main").get_by_role("link", name=self.texts(key), exact=True)

    def tab(self, key: str) -> Locator:
        tabs = self.page.get_by_role("navigation", name=self.texts("shell.main"), exact=True)
        return tabs.get_by_role("link", name=self.texts(key))

    def dialog(self, key: str, **values: object) -> Locator:
        return self.page.get_by_role("dialog", name=self.texts(key, **values), exact=True)

    def show_time(self) -> None:
        """Let the browser's clock show the site's time."""
        self.person.context.clock.set_fixed_time(self.site.world.clock.now())

    def look(self, name: str, page: Page | None = None) -> None:
        """Check the language and width of what is shown, and once its accessibility."""
        page = page or self.page
        width = page.viewport_size["width"] if page.viewport_size else 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate("document.documentElement.lang") == self.texts.language, name
        assert self.texts.english_on(page) == [], name
        if name not in self.checked:
            self.checked.add(name)
            assert findings(page) == [], name

    # Steps

    def fill_in_the_form(self) -> None:
        page, texts, hands = self.page, self.texts, self.hands
        expect(page.get_by_role("heading", name=texts("pages.landing.heading"))).to_be_visible()
        self.look("landing")
        hands.press(self.link("pages.landing.start"))
        page.wait_for_url("**/create")
        expect(page.get_by_text(texts("createPage.signedOut"))).to_be_visible()
        hands.write(page.get_by_label(texts("pages.create.prompt"), exact=True), PROMPT)
        hands.pick(page.get_by_role("radio", name=str(COUNT), exact=True))
        self.look("form")
        hands.press(self.create_button())
        page.wait_for_url("**/sign-in?*")

    def create_button(self) -> Locator:
        return self.button("createMany", count=COUNT, tokens=self.texts("tokens", count=COUNT))

    def sign_up(self, emulator: AuthEmulator) -> None:
        page, texts, hands = self.page, self.texts, self.hands
        self.look("sign in")
        hands.press(self.link("createAccount"))
        title = page.get_by_role("heading", name=texts("signInPage.sign-up.title"), exact=True)
        expect(title).to_be_visible()
        self.look("sign up")
        hands.write(page.get_by_label(texts("email"), exact=True), ADA)
        hands.write(page.get_by_label(texts("password"), exact=True), PASSWORD)
        hands.press(self.button("createAccount"))
        expect(page.get_by_text(texts("verifyHint", email=ADA))).to_be_visible()
        eventually(lambda: emulator.links(ADA, "VERIFY_EMAIL"))
        self.look("verify")
        [link] = emulator.links(ADA, "VERIFY_EMAIL")
        emailed = self.person.context.new_page()
        emailed.goto(link)
        emailed.wait_for_url("**/create")
        expect(emailed.locator("#balance")).to_have_text(texts("tokens", count=100))
        emailed.close()
        page.bring_to_front()
        hands.press(self.button("verified"))
        page.wait_for_url("**/create")
        expect(page.locator("#balance")).to_have_text(texts("tokens", count=100))

    def create(self) -> None:
        page, texts = self.page, self.texts
        expect(page.get_by_label(texts("pages.create.prompt"), exact=True)).to_have_value(PROMPT)
        self.look("create")
        self.hands.press(self.create_button())
        page.wait_for_url("**?tab=drafts#*")
        expect(page.locator("#balance")).to_have_text(texts("tokens", count=BALANCE))
        expect(page.get_by_role("group", name=texts("variations", count=COUNT))).to_be_visible()
        expect(self.shown().get_by_text(texts("stages.queued"), exact=True)).to_be_visible()
        self.look("queued")
        self.generate()
        for number in range(1, COUNT + 1):
            name = texts("variation", number=number, state=texts("stateReady"))
            expect(page.get_by_role("radio", name=name)).to_be_attached()
        expect(self.shown().locator("img")).to_have_js_property("complete", value=True)
        self.look("ready")

    def generate(self) -> None:
        world = self.site.world
        for creation in self.creations():
            claimed = world.claim(creation, kind=Kind.IMAGE)
            world.held(claimed).complete(self.site.media_of(claimed))

    def creations(self) -> list[Creation]:
        everything: Iterable[object] = self.site.world.sqlite.everything()
        return [each for each in everything if isinstance(each, Creation)]

    def shown(self) -> Locator:
        """Return the card of the variation that is chosen."""
        return self.page.locator(".group-items > li:visible")

    def keep(self) -> Creation:
        """Keep the first draft when the others will soon be deleted, and return it."""
        self.site.world.clock.sleep(BEFORE_EXPIRY.total_seconds())
        self.show_time()
        self.page.reload()
        card = self.shown()
        expect(card.get_by_text(self.texts.pattern("deletedOn"))).to_be_visible()
        self.look("expiring")
        self.hands.press(self.button("keep", card))
        kept = card.get_by_role("button", name=self.texts("kept"), pressed=True, exact=True)
        expect(kept).to_be_visible()
        self.look("kept")
        [creation] = [each for each in self.creations() if each.is_kept]
        return creation

    def schedule(self) -> None:
        card, texts, hands = self.shown(), self.texts, self.hands
        item = self.page.get_by_role("menuitem", name=texts("publishLater"), exact=True)
        hands.choose(self.button("draft.more", card), item)
        sheet = self.dialog("publishLaterTitle.image")
        expect(sheet).to_be_visible()
        self.look("schedule")
        hands.write(sheet.get_by_label(texts("caption"), exact=True), CAPTION)
        hands.press(self.button("schedule", sheet))
        expect(sheet).to_have_count(0)
        expect(card.get_by_text(texts.pattern("publishesAt"))).to_be_visible()
        self.look("scheduled")

    def share(self) -> str:
        """Create a link, and return it."""
        sheet = self.dialog("shareTitle.image")
        self.hands.press(self.button("share", self.shown()))
        expect(sheet).to_be_visible()
        self.look("share")
        self.hands.press(self.button("createLink", sheet))
        expect(sheet.get_by_role("status")).to_have_text(self.texts("linkCreated"))
        self.look("shared")
        url = sheet.get_by_role("textbox", name=self.texts("link"), exact=True).input_value()
        self.hands.leave(sheet, self.texts("done"))
        return url

    def see_it_published(self, scheduled: Creation) -> None:
        page, world = self.page, self.site.world
        page.evaluate("window.isTheSamePage = true")
        world.clock.sleep(UNTIL_PUBLISHED.total_seconds())
        world.phoenix.sweeping.sweep()
        assert world.now(scheduled).status is Status.PUBLISHED
        expect(page.locator(".group-choice")).to_have_count(COUNT - 1)
        assert page.evaluate("window.isTheSamePage")
        self.hands.press(self.tab("shell.explore"))
        page.wait_for_url("**/soho/explore")
        expect(self.button("openTile.image", name=CAPTION)).to_be_visible()
        self.look("explore")
        self.hands.press(self.button("openTile.image", name=CAPTION))
        expect(page.get_by_role("dialog").get_by_text(CAPTION)).to_be_visible()
        self.look("viewer")
        page.go_back()
        expect(page.get_by_role("dialog")).to_have_count(0)

    def download(self, path: Path) -> set[str]:
        """Download two drafts, and return the ids of the archive's files."""
        self.hands.press(self.tab("shell.drafts"))
        self.page.wait_for_url("**?tab=drafts")
        expect(self.shown()).to_be_visible()
        boxes = self.select()
        for number in range(2):
            self.hands.tick(boxes.nth(number))
        self.look("selection")
        with self.page.expect_download() as downloading:
            self.hands.press(self.button("downloadCount", count=2))
        downloading.value.save_as(path)
        expect(self.page.get_by_role("toolbar")).to_be_hidden()
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            names = archive.namelist()
            sizes = [len(archive.read(name)) for name in names]
        assert min(sizes) > 1000, sizes
        return {name.removesuffix(".png").rsplit("_")[-1] for name in names}

    def select(self) -> Locator:
        """Turn on the selection mode, and return its checkboxes."""
        self.hands.press(self.button("select"))
        boxes = self.page.locator("input.card-select")
        expect(boxes).to_have_count(COUNT - 1)
        return boxes

    def delete_the_rest(self) -> None:
        page, hands, count = self.page, self.hands, COUNT - 1
        self.select()
        hands.press(self.button("selectAll"))
        hands.press(self.button("deleteCount", count=count))
        sheet = self.dialog("deleteTitle", count=count)
        expect(sheet).to_be_visible()
        self.look("delete")
        hands.press(self.button("deleteCount", sheet, count=count))
        expect(page.get_by_role("heading", name=self.texts("noDrafts"))).to_be_visible()
        self.look("no drafts")

    def compare_tokens(self, user_id: str) -> None:
        """Compare the page's balance and movements with the ledger."""
        page, world = self.page, self.site.world
        self.hands.press(page.locator("#balance"))
        page.wait_for_url("**/tokens")
        expect(page.locator("#amount")).to_have_text(self.texts("tokens", count=BALANCE))
        ledger = world.ledger(user_id)
        expected = [
            self.texts(
                f"tokensPage.{'minus' if each.entry_type is EntryType.DEBIT else 'plus'}",
                count=each.amount_tokens,
            )
            for each in ledger
        ]
        expect(page.locator(".ledger-amount")).to_have_text(expected)
        assert (world.account(user_id).balance_tokens, len(ledger)) == (BALANCE, 1 + COUNT)
        expect(page.get_by_text(self.texts("tokensPage.deleted"))).to_have_count(COUNT - 1)
        self.look("tokens")


@pytest.mark.parametrize(
    ("hands", "locale"),
    [(Fingers(), "en-US"), (Keys(), "en-US"), (Fingers(), "de-DE")],
    ids=["on a phone", "by keyboard", "in German"],
)
def test_newcomer_creates_keeps_schedules_shares_downloads_and_deletes(
    site: Site,
    emulator: AuthEmulator,
    new_person: NewPerson,
    tmp_path: Path,
    hands: Hands,
    locale: str,
) -> None:
    texts = Texts(locale.partition("-")[0])
    newcomer = Newcomer(site, new_person(locale=locale, **hands.options), texts, hands)
    newcomer.fill_in_the_form()
    newcomer.sign_up(emulator)
    newcomer.create()
    others = {each.creation_id for each in newcomer.creations()}
    kept = newcomer.keep()
    others.remove(kept.creation_id)
    newcomer.schedule()

    url = newcomer.share()
    theirs = new_person(locale=locale, **hands.options).page(url.removeprefix(site.base_url))
    expect(theirs.get_by_role("heading", name=CAPTION)).to_be_visible()
    newcomer.look("shared page", theirs)

    newcomer.see_it_published(kept)
    downloaded = newcomer.download(tmp_path / "archive.zip")
    assert len(downloaded) == 2
    assert downloaded < others
    newcomer.delete_the_rest()
    newcomer.compare_tokens(kept.user_id)
    site.world.phoenix.sweeping.sweep()
    assert [each.creation_id for each in newcomer.creations()] == [kept.creation_id]
    assert site.world.violations() == []
