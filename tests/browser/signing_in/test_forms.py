"""The forms of signing in: errors, keyboard, password managers, phones."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.browser.signing_in.conftest import (
    ADA,
    PASSWORD,
    NewPerson,
    fill,
    sign_up,
)
from tests.servers.auth_emulator import AuthEmulator
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), needs("auth"), pytest.mark.slow]

PHONE = {"width": 320, "height": 640}
MODES = ("sign-in", "sign-up", "reset")


# Forms


def test_fields_tell_password_managers_what_they_are(new_person: NewPerson) -> None:
    page = new_person().page("/sign-in")
    for mode, password in (("sign-in", "current-password"), ("sign-up", "new-password")):
        page.goto(f"{page.url.partition('?')[0]}?mode={mode}")
        expect(page.get_by_label("Email")).to_have_attribute("autocomplete", "username")
        field = page.get_by_label("Password", exact=True)
        expect(field).to_have_attribute("autocomplete", password)
    expect(field).to_have_accessible_description("At least 6 characters.")


def test_password_can_be_shown(new_person: NewPerson) -> None:
    page = new_person().page("/sign-in")
    fill(page, ADA, PASSWORD)
    page.get_by_role("button", name="Show password").click()
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("type", "text")
    page.get_by_role("button", name="Hide password").click()
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("type", "password")


def test_keyboard_is_enough_to_create_an_account(
    new_person: NewPerson, emulator: AuthEmulator
) -> None:
    page = new_person().page("/sign-in?mode=sign-up")
    expect(page.get_by_label("Email")).to_be_focused()
    page.keyboard.type(ADA)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Show password")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Verify your email")).to_be_visible()
    eventually(lambda: emulator.links(ADA, "VERIFY_EMAIL"))


def test_forms_fit_a_phone_and_are_accessible(new_person: NewPerson) -> None:
    person = new_person(viewport=PHONE)
    page = person.page("/sign-in")
    for mode in MODES:
        page.goto(f"{page.url.partition('?')[0]}?mode={mode}")
        expect(page.get_by_label("Email")).to_be_visible()
        assert_fits_and_accessible(page)
    page.goto(f"{page.url.partition('?')[0]}?mode=sign-up")
    sign_up(page)
    assert_fits_and_accessible(page)
    page.get_by_role("link", name="Later").click()
    expect(page.get_by_role("link", name="Verify", exact=True)).to_be_visible()
    assert_fits_and_accessible(page)


def assert_fits_and_accessible(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert findings(page) == []
