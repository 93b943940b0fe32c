"""The installed app: its service worker, a start without a network, and an update."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from api_service import static_files
from shared.domain.keys import UserId
from tests.browser.conftest import NewVisitor, Site, Visitor
from tests.browser.held import process_events
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

NETWORK_ERROR = "Failed to load resource: net::ERR_"
KEPT = """async () => {
  const kept = {};
  for (const name of await caches.keys()) {
    const requests = await (await caches.open(name)).keys();
    kept[name] = requests.map(({ url }) => new URL(url).pathname).sort();
  }
  return kept;
}"""
IS_CONTROLLED = "() => navigator.serviceWorker.controller?.state === 'activated'"


@pytest.fixture
def new_app(new_visitor: NewVisitor) -> Callable[[Site], Visitor]:
    def make(site: Site) -> Visitor:
        visitor = new_visitor(site.base_url, service_workers="allow")
        visitor.expected.append(NETWORK_ERROR)
        return visitor

    return make


def wait_for_worker(page: Page) -> None:
    eventually(lambda: page.evaluate(IS_CONTROLLED))


def kept(page: Page) -> dict[str, list[str]]:
    found: dict[str, list[str]] = page.evaluate(KEPT)
    return found


def test_app_starts_offline_and_says_so(site: Site, new_app: Callable[[Site], Visitor]) -> None:
    visitor = new_app(site)
    page = visitor.sign_in("ada")
    wait_for_worker(page)
    visitor.context.set_offline(True)

    page.goto(f"{site.base_url}/create")

    expect(page.locator("h1")).to_have_text("What do you want to see?")
    expect(page.locator("#banner")).to_have_text(
        "You’re offline. Nothing is sent until you’re back online."
    )
    visitor.context.set_offline(False)
    expect(page.locator("#banner")).to_be_hidden()


def test_page_that_was_open_before_starts_offline(
    site: Site, new_app: Callable[[Site], Visitor]
) -> None:
    visitor = new_app(site)
    page = visitor.sign_in("ada")
    wait_for_worker(page)
    page.goto(f"{site.base_url}/soho/ada?tab=drafts")
    expect(page.get_by_text("No drafts yet")).to_be_visible()
    visitor.context.set_offline(True)

    page.reload()

    expect(page.locator("#profile-tabs")).to_be_visible()
    expect(page.locator("#banner")).to_contain_text("You’re offline.")


def test_unknown_page_offline_explains_itself_and_loads_when_online(
    site: Site, new_app: Callable[[Site], Visitor]
) -> None:
    visitor = new_app(site)
    page = visitor.sign_in("ada")
    wait_for_worker(page)
    visitor.context.set_offline(True)

    page.goto(f"{site.base_url}/settings")

    expect(page.locator("h1")).to_have_text("You’re offline")
    visitor.context.set_offline(False)
    expect(page.locator("h1")).to_have_text("Settings")


def test_worker_keeps_pages_and_files_only(site: Site, new_app: Callable[[Site], Visitor]) -> None:
    visitor = new_app(site)
    published = site.published(caption="First snow")
    site.draft()
    shared = site.world.phoenix.sharing.share(site.draft().creation_id, owner=UserId("ada"))
    link = f"/shared/{shared.creation_id}/{shared.sharing.secret}"
    page = visitor.sign_in("ada")
    wait_for_worker(page)
    for path in (
        "/soho/ada?tab=drafts",
        "/soho/ada",
        "/soho/explore",
        f"/soho/{published.username}/{published.creation_id}",
        link,
        "/create",
    ):
        page.goto(f"{site.base_url}{path}")
        expect(page.locator("h1").first).to_be_visible()
    pages = {"/create", "/offline", "/soho/-", "/soho/explore"}
    eventually(lambda: all(pages <= set(paths) for paths in kept(page).values()))

    (paths,) = kept(page).values()

    assert {path for path in paths if not path.startswith("/static/")} == pages
    assert any(path.endswith("/create.js") for path in paths)


def test_kept_pages_are_the_same_for_everyone(site: Site) -> None:
    api = site.serve()
    with api.clients:
        for path in ("/", "/create", "/settings", "/tokens", "/soho/ada?tab=drafts"):
            signed_in, signed_out = api.client("ada").get(path), api.client().get(path)
            assert signed_in.content == signed_out.content
        assert api.client().get("/soho/ada").content == api.client().get("/soho/ben").content


def test_new_release_replaces_the_old_one(
    site: Site,
    new_app: Callable[[Site], Visitor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    visitor = new_app(site)
    page = visitor.sign_in("ada")
    wait_for_worker(page)
    (old,) = kept(page)

    changed = shutil.copytree(static_files.STATIC_FOLDER, tmp_path / "static")
    (changed / "base.css").write_text("/* another release */\n")
    monkeypatch.setattr(static_files, "STATIC_FOLDER", changed)
    site.serve()
    page.reload()

    eventually(lambda: len(kept(page)) == 1 and old not in kept(page))
    (paths,) = kept(page).values()
    assert "/create" in paths
    assert len({path.split("/")[2] for path in paths if path.startswith("/static/")}) == 1


def test_worker_keeps_no_file_of_another_release(
    site: Site, new_app: Callable[[Site], Visitor]
) -> None:
    visitor = new_app(site)
    page = visitor.page("/create")
    wait_for_worker(page)
    script = """async () => {
      const { pathname } = new URL(document.querySelector("link[rel=icon]").href);
      const other = pathname.replace("icon.svg", "admin.css");
      await (await fetch(other)).text();
      return other;
    }"""

    def answer_as_another_release(route: Route) -> None:
        route.fulfill(body="", content_type="text/css", headers={"Cache-Control": "no-cache"})

    visitor.context.route("**/admin.css", answer_as_another_release)
    path = page.evaluate(script)

    (paths,) = kept(page).values()
    assert path not in paths
    visitor.context.unroute("**/admin.css")
    page.evaluate(script)
    assert path in next(iter(kept(page).values()))


@pytest.mark.parametrize("kind", ["page", "file"])
def test_installation_fails_on_what_another_release_responds(
    site: Site, new_app: Callable[[Site], Visitor], kind: str
) -> None:
    visitor = new_app(site)
    answers: list[str] = []

    def answer_as_another_release(route: Route) -> None:
        answers.append(route.request.url)
        route.fulfill(body="", headers={"Cache-Control": "no-cache"})

    address = {"page": "**/offline", "file": "**/offline.js"}[kind]
    visitor.context.route(address, answer_as_another_release)
    page = visitor.page("/create")

    eventually(lambda: answers or process_events(page))
    state = """async () => {
      const [registration] = await navigator.serviceWorker.getRegistrations();
      return Boolean(registration?.active ?? registration?.waiting ?? registration?.installing);
    }"""
    eventually(lambda: not page.evaluate(state))


def test_kept_pages_follow_the_language(site: Site, new_app: Callable[[Site], Visitor]) -> None:
    visitor = new_app(site)
    page = visitor.page("/settings")
    wait_for_worker(page)
    page.get_by_label("Deutsch").check()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    script = "async () => (await (await caches.match('/create')).text()).includes('lang=\"de\"')"
    eventually(lambda: page.evaluate(script))
    visitor.context.set_offline(True)

    page.goto(f"{site.base_url}/create")

    expect(page.locator("html")).to_have_attribute("lang", "de")


def test_failed_installation_does_not_disturb_the_page(
    site: Site, new_app: Callable[[Site], Visitor]
) -> None:
    visitor = new_app(site)
    visitor.expected.append("A bad HTTP response code (404)")
    visitor.expect_statuses(404)
    answers: list[str] = []

    def refuse(route: Route) -> None:
        answers.append(route.request.url)
        route.fulfill(status=404)

    visitor.context.route("**/sw.js", refuse)

    page = visitor.sign_in("ada")

    eventually(lambda: answers or process_events(page))
    assert page.evaluate("navigator.serviceWorker.controller") is None
    expect(page.get_by_role("button", name="Create image")).to_be_visible()


def test_another_script_cannot_become_the_worker(
    site: Site, new_app: Callable[[Site], Visitor]
) -> None:
    visitor = new_app(site)
    visitor.expected += ["This document requires", "The action"]
    page = visitor.page("/settings")

    tried = page.evaluate(
        """async () => {
          try { await navigator.serviceWorker.register("/static/x/drafts.js"); return "registered"; }
          catch (error) { return error.name; }
        }"""
    )

    assert tried == "TypeError"
