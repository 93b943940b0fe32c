"""Sharing a draft and a publication: by keyboard, on a phone, with and without scripts."""

import pytest
from playwright.sync_api import Page, expect

from tests.api.hostile import XSS_CAPTIONS
from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site
from tests.browser.test_journeys import until_focused
from tests.browser.test_safety import assert_nothing_ran
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

PHONE = {"viewport": {"width": 360, "height": 740}, "reduced_motion": "reduce"}
NARROW = {"viewport": {"width": 320, "height": 640}, "reduced_motion": "reduce"}
CLIPBOARD = ["clipboard-read", "clipboard-write"]


def copied(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_link_is_made_and_revoked_by_keyboard_on_a_phone(
    site: Site, new_visitor: NewVisitor
) -> None:
    draft = site.draft()
    visitor = new_visitor(site.base_url, permissions=CLIPBOARD, **PHONE)
    visitor.expect_statuses(404)
    page = visitor.sign_in("ada", "/soho/ada?tab=drafts")
    keys, sheet = page.keyboard, page.get_by_role("dialog")
    until_focused(page, page.get_by_role("button", name="Share", exact=True))
    keys.press("Enter")
    expect(sheet).to_be_visible()
    until_focused(page, sheet.get_by_role("button", name="Create a link"))
    keys.press("Enter")
    expect(sheet.get_by_role("status")).to_have_text("Link created.")
    until_focused(page, sheet.get_by_role("button", name="Copy link"))
    keys.press("Enter")
    expect(sheet.get_by_role("status")).to_have_text("Link copied.")
    sheet.get_by_label("Username").fill("nobody")
    keys.press("Enter")
    expect(sheet.get_by_role("alert")).to_have_text("There is no such account.")
    expect(sheet.locator(".share-status")).to_be_empty()
    sheet.get_by_role("button", name="Copy link").focus()

    anonymous = new_visitor(site.base_url, java_script_enabled=False, **NARROW)
    anonymous.expect_statuses(404)
    theirs = anonymous.page(copied(page).removeprefix(site.base_url))
    expect(theirs.locator("video[controls]")).to_be_visible()
    expect(theirs.get_by_role("link", name="@ada")).to_be_visible()
    expect(theirs.get_by_text(draft.prompt)).to_have_count(0)
    until_focused(page, sheet.get_by_role("checkbox", name="Show the prompt, too"))
    keys.press("Space")
    expect(sheet.get_by_role("status")).to_have_text("Everyone who sees it can read the prompt.")
    theirs.reload()
    expect(theirs.get_by_text(draft.prompt)).to_be_visible()
    assert findings(page) == []
    assert fits(page)

    until_focused(page, sheet.get_by_role("button", name="Turn off link"))
    keys.press("Enter")
    expect(sheet.get_by_role("status")).to_have_text("The link no longer works.")
    keys.press("Escape")
    expect(page.get_by_role("button", name="Share", exact=True)).to_be_focused()
    theirs.reload()
    expect(theirs.get_by_role("heading", name="This link no longer works")).to_be_visible()


def test_person_is_invited_by_keyboard_and_sees_the_draft_until_removed(
    site: Site, new_visitor: NewVisitor
) -> None:
    draft = site.draft()
    visitor, friend = (new_visitor(site.base_url, **PHONE) for _ in range(2))
    visitor.expect_statuses(404)
    theirs = friend.sign_in("ben")
    page = visitor.sign_in("ada", "/soho/ada?tab=drafts")
    keys, sheet = page.keyboard, page.get_by_role("dialog")
    page.get_by_role("button", name="Share", exact=True).press("Enter")
    expect(sheet).to_be_visible()
    until_focused(page, sheet.get_by_label("Username"))
    keys.type("nobody")
    keys.press("Enter")
    expect(sheet.get_by_role("alert")).to_have_text("There is no such account.")
    keys.press("Control+A")
    keys.type("@Ben")
    keys.press("Enter")
    expect(sheet.get_by_role("listitem")).to_have_text("@ben")
    expect(sheet.get_by_role("alert")).to_be_empty()
    until_focused(page, sheet.get_by_role("checkbox", name="Show the prompt, too"))
    keys.press("Space")
    expect(sheet.get_by_role("status")).to_have_text("Everyone who sees it can read the prompt.")
    expect(sheet.get_by_role("button", name="Create a link")).to_be_visible()
    assert findings(page) == []
    assert fits(page)

    theirs.goto(f"{site.base_url}/soho/ben?tab=shared")
    shared = theirs.get_by_role("button", name="Open video: video by ada")
    expect(shared).to_be_visible()
    expect(theirs.get_by_text(f"Prompt: {draft.prompt}")).to_be_visible()
    assert findings(theirs) == []
    assert fits(theirs)
    until_focused(theirs, shared)
    theirs.keyboard.press("Enter")
    expect(theirs.get_by_role("dialog").locator("video")).to_be_visible()
    theirs.keyboard.press("Escape")
    expect(shared).to_be_focused()

    until_focused(page, sheet.get_by_role("button", name="Remove @ben"))
    keys.press("Enter")
    expect(sheet.get_by_role("listitem")).to_have_count(0)
    theirs.reload()
    expect(theirs.get_by_text("Nothing shared with you yet")).to_be_visible()


def test_shared_drafts_open_after_their_links_ended_and_one_was_withdrawn(
    site: Site, new_visitor: NewVisitor
) -> None:
    sharing, drafts = site.world.phoenix.sharing, [site.draft() for _ in range(2)]
    friend = new_visitor(site.base_url, **PHONE)
    theirs = friend.sign_in("ben")
    for each in drafts:
        sharing.add_collaborator(each.creation_id, "ben", owner=each.user_id)
    theirs.goto(f"{site.base_url}/soho/ben?tab=shared")
    cards = theirs.locator("#shared > li")
    expect(cards).to_have_count(2)
    theirs.evaluate("Date.now = () => Date.parse('2100-01-01')")
    sharing.remove_collaborator(drafts[1].creation_id, "ben", owner=drafts[1].user_id)

    theirs.locator(f"[data-id='{drafts[1].creation_id}'] button").click()
    expect(theirs.locator("#toasts")).to_have_text("This is no longer shared with you.")
    expect(cards).to_have_count(1)
    theirs.locator(f"[data-id='{drafts[0].creation_id}'] button").click()
    expect(theirs.get_by_role("dialog").locator("video")).to_be_visible()
    theirs.keyboard.press("Escape")

    friend.expected.append("Failed to load resource: net::ERR_")
    friend.context.set_offline(True)
    theirs.locator(f"[data-id='{drafts[0].creation_id}'] button").click()
    expect(theirs.locator("#toasts")).to_have_text("You’re offline. Nothing was sent.")
    expect(theirs.get_by_role("dialog")).to_have_count(0)


def test_link_of_a_published_draft_is_revoked_from_its_viewer(
    site: Site, new_visitor: NewVisitor
) -> None:
    published, sharing = site.published(caption="First snow"), site.world.phoenix.sharing
    sharing.share(published.creation_id, owner=published.user_id, shows_prompt=True)
    visitor = new_visitor(site.base_url, **PHONE)
    page = visitor.sign_in("ada")
    page.goto(f"{site.base_url}/soho/ada")
    page.get_by_role("button", name="Open video: First snow").press("Enter")
    viewer, sheet = page.locator("dialog.viewer"), page.locator("dialog.share-sheet")
    until_focused(page, viewer.get_by_role("button", name="Link and people"))
    page.keyboard.press("Enter")
    expect(sheet).to_be_visible()
    until_focused(page, sheet.get_by_role("button", name="Turn off link"))
    assert findings(page) == []
    assert fits(page)
    page.keyboard.press("Enter")
    expect(sheet.get_by_role("status")).to_have_text("The link no longer works.")
    page.keyboard.press("Escape")

    expect(viewer.get_by_role("button", name="Link and people")).to_be_focused()
    assert not site.world.now(published).sharing.is_shared


def test_publication_is_shared_from_wall_viewer_and_its_own_page(
    site: Site, new_visitor: NewVisitor
) -> None:
    published = site.published(caption="First snow")
    url = f"{site.base_url}/soho/ada/{published.creation_id}"
    visitor = new_visitor(site.base_url, permissions=CLIPBOARD, **PHONE)
    page = visitor.page("/soho/explore")

    until_focused(page, page.get_by_role("button", name="Share: First snow"))
    page.keyboard.press("Enter")
    expect(page.locator("#toasts")).to_have_text("Link copied.")
    assert copied(page) == url
    page.get_by_role("button", name="Open video: First snow").press("Enter")
    viewer = page.get_by_role("dialog")
    page.evaluate("navigator.clipboard.writeText('')")
    until_focused(page, viewer.get_by_role("button", name="Share"))
    page.keyboard.press("Enter")
    expect(viewer.get_by_role("status")).to_have_text("Link copied.")
    assert copied(page) == url
    assert findings(page) == []
    page.keyboard.press("Escape")
    eventually(lambda: not page.evaluate("history.state?.viewer"))  # closing goes back

    page.get_by_role("link", name="Page of: First snow").press("Enter")
    page.wait_for_url(url)
    expect(page.get_by_role("heading", name="First snow")).to_be_visible()
    expect(page.locator("video[controls]")).to_be_visible()
    assert findings(page) == []
    assert fits(page)
    page.evaluate("navigator.share = async (shared) => { window.shared = shared; }")
    until_focused(page, page.get_by_role("button", name="Share"))
    page.keyboard.press("Enter")
    assert page.evaluate("window.shared") == {"title": "First snow · Phoenix", "url": url}


def test_publication_page_works_without_scripts(site: Site, new_visitor: NewVisitor) -> None:
    published = site.published()
    visitor = new_visitor(site.base_url, java_script_enabled=False, **NARROW)
    page = visitor.page(f"/soho/ada/{published.creation_id}")

    expect(page.get_by_role("heading", name="Video by ada")).to_be_visible()
    expect(page.locator("video[controls]")).to_be_visible()
    expect(page.get_by_text("Phoenix needs JavaScript")).to_be_hidden()
    expect(page.get_by_role("button", name="Share")).to_have_count(0)


def test_scripts_in_captions_never_run_on_a_publication_page(
    site: Site, new_visitor: NewVisitor
) -> None:
    visitor = new_visitor(site.base_url)
    page = visitor.page()
    published = site.published()
    for caption in XSS_CAPTIONS[::10]:
        site.world.phoenix.publishing.publish(
            published.creation_id, owner=published.user_id, caption=caption
        )
        site.world.clock.sleep(6)
        page.goto(f"{site.base_url}/soho/ada/{published.creation_id}")
        expect(page.locator("h1")).to_have_text(caption.strip(), use_inner_text=False)
        assert_nothing_ran(page)
