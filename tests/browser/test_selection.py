"""Many drafts at once: selecting by keyboard, by Shift and click, and on a narrow phone."""

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from tests.browser.conftest import NewVisitor, Site
from tests.support.builders import ADA, a_brief, a_caller
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

DRAFTS = "/soho/ada?tab=drafts"


def drafts(site: Site, count: int) -> list[CreationId]:
    """Return the ids of new drafts, newest first."""
    made = []
    for number in range(count):
        made.append(site.draft(key=f"key {number}").creation_id)
        site.world.clock.sleep(1)
    return made[::-1]


def box(creation_id: str) -> str:
    return f"#cards > [data-id='{creation_id}'] input"


def status(site: Site, creation_id: str) -> str:
    return site.world.phoenix.reading.any_creation(creation_id).status


def test_drafts_are_selected_published_and_deleted_with_the_keyboard(
    site: Site, new_visitor: NewVisitor
) -> None:
    first, second, third, fourth = drafts(site, 4)
    visitor = new_visitor(site.base_url)
    page = visitor.sign_in("ada", DRAFTS)
    keys = page.keyboard
    expect(page.locator("#cards > li")).to_have_count(4)

    # Space selects one, Shift and an arrow key select the next one, too.
    page.get_by_role("button", name="Select").press("Enter")
    expect(page.locator(box(first))).to_be_focused()
    keys.press("Space")
    keys.press("Shift+ArrowDown")
    expect(page.locator(box(second))).to_be_checked()
    publish = page.get_by_role("button", name="Publish 2")
    publish.press("Enter")
    expect(page.locator("#announcer")).to_have_text("2 published.")
    expect(page.locator("#cards > li")).to_have_count(2)

    # Deleting is confirmed once; Escape closes the dialog without an effect.
    page.get_by_role("button", name="Select", exact=True).press("Enter")
    page.get_by_role("button", name="Select all").press("Enter")
    page.get_by_role("button", name="Delete 2").press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Delete 2 creations?")
    keys.press("Escape")
    expect(page.locator("input.card-select:checked")).to_have_count(2)
    page.get_by_role("button", name="Delete 2").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete 2").press("Enter")
    expect(page.get_by_text("No drafts yet")).to_be_visible()
    assert [status(site, each) for each in (first, second)] == ["published"] * 2
    assert not [each for each in site.world.stored_keys() if third in each or fourth in each]


def test_range_is_selected_by_shift_and_click_and_failures_are_named(
    site: Site, new_visitor: NewVisitor
) -> None:
    ids = drafts(site, 4)
    failed = site.world.failed(key="failed").creation_id
    page = new_visitor(site.base_url, viewport={"width": 360, "height": 740}).sign_in("ada", DRAFTS)
    expect(page.locator("#cards > li")).to_have_count(5)
    page.get_by_role("button", name="Select").click()

    page.locator(box(ids[0])).click()
    page.locator(box(ids[2])).click(modifiers=["Shift"])
    expect(page.locator("input.card-select:checked")).to_have_count(3)
    page.locator(box(ids[1])).click()
    page.locator(box(failed)).click()
    expect(page.get_by_text("3 selected")).to_be_visible()
    expect(page.get_by_role("button", name="Delete 3")).to_be_visible()
    site.world.media.is_down = True
    page.get_by_role("button", name="Publish 2").click()

    message = page.get_by_role("alert").filter(has_text="2 failed:")
    expect(message.locator("li")).to_have_text(["a fox Try again in a moment."] * 2)
    expect(page.locator("#cards > li")).to_have_count(5)


def test_selected_drafts_are_downloaded_at_320_pixels(
    site: Site, new_visitor: NewVisitor, tmp_path: Path
) -> None:
    ids = drafts(site, 2)
    page = new_visitor(site.base_url, viewport={"width": 320, "height": 640}).sign_in("ada", DRAFTS)
    page.get_by_role("button", name="Select").click()
    page.get_by_role("button", name="Select all").click()
    bar = page.get_by_role("toolbar")
    for each in bar.get_by_role("button").all():
        each.click(trial=True)  # nothing covers it
    assert page.evaluate("document.documentElement.scrollWidth") == 320

    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download 2").click()

    downloading.value.save_as(tmp_path / "archive.zip")
    with zipfile.ZipFile(tmp_path / "archive.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    assert {name.removesuffix(".mp4").rsplit("_")[-1] for name in names} == set(ids)
    expect(bar).to_be_hidden()
    expect(page.locator("#announcer")).to_contain_text("Downloading 2 files")


def test_variations_are_selected_one_by_one_with_the_keyboard(
    site: Site, new_visitor: NewVisitor
) -> None:
    phoenix = site.world.phoenix
    opened = phoenix.opening.open(a_brief(Kind.IMAGE, count=3), caller=a_caller())
    for each in opened.creations:
        phoenix.failing.cancel(each.creation_id, owner=ADA)
    page = new_visitor(site.base_url, viewport={"width": 360, "height": 740}).sign_in("ada", DRAFTS)
    boxes, keys = page.locator("input.card-select:visible"), page.keyboard
    page.get_by_role("button", name="Select", exact=True).press("Enter")

    expect(boxes).to_have_count(3)
    expect(boxes.first).to_be_focused()
    for box in boxes.all():
        box.click(trial=True, position={"x": 20, "y": 20})  # none covers another
    keys.press("Shift+ArrowDown")
    expect(page.get_by_text("2 selected")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("radio", name="Variation")).to_have_count(3)
    page.get_by_role("radio", name="Variation 2").check(force=True)
    expect(page.locator(".group-items > li:visible")).to_have_count(1)
