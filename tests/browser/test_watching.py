"""Videos: muted and one at a time on the wall, with sound and keys in the viewer."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewVisitor, Site
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

NewSite = Callable[..., Site]
PHONE = {"viewport": {"width": 390, "height": 700}}
PLAYING = """() => [...document.querySelectorAll(".tile")]
  .map((tile, place) => [place, tile.querySelector("video")])
  .filter(([, video]) => video && !video.paused && video.currentTime > 0)
  .map(([place, video]) => [place, video.muted])"""
VIDEO = "document.querySelector('dialog video')"


def published(site: Site, count: int) -> None:
    for number in range(count):
        site.published(caption=f"Film {count - number}")
        site.world.clock.sleep(1)


def playing(page: Page) -> list[Any]:
    return list(page.evaluate(PLAYING))


def test_only_the_video_in_view_plays_and_it_is_muted(site: Site, new_visitor: NewVisitor) -> None:
    published(site, 10)
    page = new_visitor(site.base_url, viewport={"width": 300, "height": 350}).page("/soho/explore")
    expect(page.locator(".tile")).to_have_count(10)
    [[first, is_muted]] = eventually(lambda: playing(page))
    assert is_muted is True

    page.locator(".tile").last.scroll_into_view_if_needed()

    eventually(lambda: [place for place, _ in playing(page) if place != first])
    assert len(playing(page)) == 1
    page.evaluate("document.querySelector('#main').style.paddingBottom = '3000px'")
    page.evaluate("scrollTo(0, 9000)")
    eventually(lambda: playing(page) == [])


@pytest.mark.parametrize("wish", ["reduced motion", "data saver"])
def test_nothing_autoplays_with_reduced_motion_or_data_saver(
    site: Site, new_visitor: NewVisitor, wish: str
) -> None:
    published(site, 2)
    options: dict[str, Any] = {"reduced_motion": "reduce"} if wish == "reduced motion" else {}
    visitor = new_visitor(site.base_url, **options)
    if wish == "data saver":
        visitor.context.add_init_script(
            "Object.defineProperty(navigator, 'connection', { value: { saveData: true } })"
        )
    page = visitor.page("/soho/explore")
    expect(page.locator(".tile img")).to_have_count(2)
    eventually(lambda: page.evaluate("[...document.images].every((image) => image.naturalWidth)"))

    assert page.locator("video").count() == 0
    assert not [url for url in visitor.requests if url.endswith(".mp4")]
    page.locator(".tile .media-open").first.click()
    eventually(lambda: page.evaluate(f"{VIDEO}.currentTime > 0"))


def test_viewer_has_sound_and_keyboard_control(site: Site, new_visitor: NewVisitor) -> None:
    published(site, 3)
    page = new_visitor(site.base_url).page("/soho/explore")
    page.get_by_role("button", name="Open video: Film 1", exact=True).click()
    viewer = page.get_by_role("dialog")
    expect(viewer.get_by_role("button", name="Previous")).to_be_hidden()
    eventually(lambda: page.evaluate(f"{VIDEO}.currentTime > 0 && !{VIDEO}.muted"))
    assert playing(page) == []

    page.keyboard.press("Space")
    eventually(lambda: page.evaluate(f"{VIDEO}.paused"))
    page.keyboard.press("Space")
    eventually(lambda: not page.evaluate(f"{VIDEO}.paused"))
    page.keyboard.press("ArrowRight")
    expect(viewer).to_contain_text("Film 2")
    page.keyboard.press("ArrowRight")
    expect(viewer.get_by_role("button", name="Next")).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    expect(viewer).to_contain_text("Film 2")
    page.keyboard.press("Escape")

    expect(viewer).to_have_count(0)
    expect(page.get_by_role("button", name="Open video: Film 2", exact=True)).to_be_focused()
    eventually(lambda: len(playing(page)) == 1)


def test_back_closes_the_viewer(site: Site, new_visitor: NewVisitor) -> None:
    published(site, 1)
    page = new_visitor(site.base_url).page("/soho/explore")
    page.locator(".tile .media-open").click()
    expect(page.get_by_role("dialog")).to_be_visible()

    page.go_back()

    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.url.endswith("/soho/explore")


def test_explore_loads_more_until_the_end(new_site: NewSite, new_visitor: NewVisitor) -> None:
    site = new_site(PHOENIX_WELCOME_TOKENS="1000", PHOENIX_POLICY_OPENED_PER_HOUR_MAX="100")
    published(site, 45)
    visitor = new_visitor(site.base_url, **PHONE)
    page = visitor.page("/soho/explore")
    expect(page.locator(".tile").first).to_be_visible()
    assert len([url for url in visitor.requests if "/api/feed" in url]) < 3

    page.get_by_role("button", name="Show more").scroll_into_view_if_needed()

    expect(page.locator(".tile")).to_have_count(45)
    names = page.locator(".tile .tile-caption").all_text_contents()
    assert names == [f"Film {number}" for number in range(1, 46)]
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)


def test_thumbnails_come_first(site: Site, new_visitor: NewVisitor) -> None:
    published(site, 1)
    visitor = new_visitor(site.base_url, reduced_motion="reduce")
    page = visitor.page("/soho/explore")
    picture = page.locator(".tile img")
    eventually(lambda: picture.evaluate("(image) => image.naturalWidth"))

    media = [url.rpartition("/")[2] for url in visitor.requests if "/media/" in url]
    assert len(media) == 1
    assert "thumb" in media[0] or media[0].endswith(".jpg")


def test_owner_edits_caption_and_unpublishes(site: Site, new_visitor: NewVisitor) -> None:
    site.published(caption="First words")
    page = new_visitor(site.base_url).sign_in("ada")
    page.goto(f"{site.base_url}/soho/ada")
    page.get_by_role("button", name="Open video: First words").click()
    page.get_by_role("button", name="Edit caption").click()
    sheet = page.get_by_role("dialog", name="Caption")
    sheet.get_by_role("textbox").fill("Second thoughts")
    sheet.get_by_role("button", name="Save").click()
    viewer = page.get_by_role("dialog", name="Viewer")
    expect(viewer).to_contain_text("Second thoughts")

    viewer.get_by_role("button", name="Unpublish").click()

    expect(page.locator(".tile")).to_have_count(0)
    page.get_by_role("link", name="See drafts").click()
    expect(page.locator("#cards > li")).to_have_attribute("data-status", "draft")
