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
    submit,
)
from tests.servers.auth_emulator import AuthEmulator
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), needs("auth"), pytest.mark.slow]

PHONE = {"width": 320, "height": 640}
BAD_REQUEST = 400
MODES = ("sign-in", "sign-up", "reset")


# Errors


@pytest.mark.parametrize(
    ("mode", "email", "password", "message"),
    [
        ("sign-in", ADA, "wrong password", "Wrong email or password."),
        ("sign-in", "ben@example.com", PASSWORD, "Wrong email or password."),
        ("sign-up", ADA, PASSWORD, "There is already an account with this email."),
        ("sign-up", "ben@example.com", "12345", "This password is too weak."),
        ("sign-up", "ben@example.com", "", "Enter your password."),
        ("sign-up", "ben", PASSWORD, "This is not an email address."),
        ("sign-in", "", PASSWORD, "This is not an email address."),
        ("sign-in", "off@example.com", PASSWORD, "This account is disabled."),
    ],
)
def test_error_says_what_is_wrong(
    new_person: NewPerson,
    emulator: AuthEmulator,
    mode: str,
    email: str,
    password: str,
    message: str,
) -> None:
    emulator.add_user(email=ADA, password=PASSWORD)
    emulator.add_user(email="off@example.com", password=PASSWORD, disabled=True)
    person = new_person()
    person.expect_statuses(BAD_REQUEST)
    page = person.page(f"/sign-in?mode={mode}")
    fill(page, email, password)
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert").get_by_text(message)).to_be_visible()
    expect(page.get_by_label("Email")).to_be_focused()


FIREBASE_ERRORS = {
    "TOO_MANY_ATTEMPTS_TRY_LATER": "Too many attempts.",
    "OPERATION_NOT_ALLOWED": "This way to sign in is turned off.",
    "SOMETHING_NEW": "Sign-in didn’t work.",
}
WITH_PASSWORD = "**/v1/accounts:signInWithPassword*"


@pytest.mark.parametrize(("code", "message"), FIREBASE_ERRORS.items(), ids=FIREBASE_ERRORS)
def test_refusal_of_firebase_is_explained(new_person: NewPerson, code: str, message: str) -> None:
    person = new_person()
    person.expect_statuses(BAD_REQUEST)
    page = person.page("/sign-in")
    answer = {"error": {"code": BAD_REQUEST, "message": code}}
    page.route(WITH_PASSWORD, lambda route: route.fulfill(status=BAD_REQUEST, json=answer))
    fill(page, ADA, PASSWORD)
    submit(page)

    expect(page.get_by_role("alert").get_by_text(message)).to_be_visible()


def test_lost_connection_is_explained(new_person: NewPerson) -> None:
    person = new_person()
    person.expected.append("Failed to load resource: net::ERR_FAILED")
    page = person.page("/sign-in")
    page.route(WITH_PASSWORD, lambda route: route.abort())
    fill(page, ADA, PASSWORD)
    submit(page)

    expect(page.get_by_role("alert").get_by_text("No response.")).to_be_visible()


# Fields


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


def test_other_pages_can_ask_for_a_new_account(new_person: NewPerson) -> None:
    page = new_person().page("/soho/explore")
    expect(page.locator("h1")).to_be_visible()
    page.evaluate(
        "void import('/static/x/session.js').then((all) => all.goToSignIn({mode: 'sign-up'}))"
    )

    page.wait_for_url("**/sign-in?next=%2Fsoho%2Fexplore&mode=sign-up")
    expect(page.get_by_role("heading", name="Create account")).to_be_visible()
