"""Signing in with Firebase: its real web SDK, its real emulator, and the cloud's security policy.

Only Google's `api.js` is a stand-in (gapi_stand_in.js): it is on Google's servers only.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from api_service.security_policy import FirebaseWeb
from tests.browser.axe import findings
from tests.browser.conftest import NewVisitor, Site, Visitor
from tests.browser.firebase import in_the_cloud, visitor_of
from tests.servers import auth_emulator
from tests.servers.auth_emulator import AuthEmulator
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), needs("auth"), pytest.mark.slow]

ADA = "ada@example.com"
PASSWORD = "a long password"
PHONE = {"width": 320, "height": 640}
MODES = ("sign-in", "sign-up", "reset")
BAD_REQUEST = 400

NewPerson = Callable[..., Visitor]


@pytest.fixture(scope="module")
def running_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthEmulator]:
    with auth_emulator.running(tmp_path_factory.mktemp("auth")) as emulator:
        yield emulator


@pytest.fixture
def emulator(running_emulator: AuthEmulator) -> AuthEmulator:
    running_emulator.clear()
    return running_emulator


@pytest.fixture
def firebase(site: Site, emulator: AuthEmulator) -> Iterator[FirebaseWeb]:
    with in_the_cloud(site, emulator) as firebase:
        yield firebase


@pytest.fixture
def new_person(new_visitor: NewVisitor, site: Site, firebase: FirebaseWeb) -> NewPerson:
    return lambda **options: visitor_of(new_visitor, site, firebase, **options)


def fill(page: Page, email: str, password: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(password)


def sign_up(page: Page, email: str = ADA) -> None:
    fill(page, email, PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Verify your email")).to_be_visible()


def submit(page: Page, name: str = "Sign in") -> None:
    page.locator("form").get_by_role("button", name=name).click()


# Accounts with an email address


def test_new_account_gets_its_tokens_when_the_email_is_verified(
    new_person: NewPerson, emulator: AuthEmulator
) -> None:
    person = new_person()
    page = person.page("/create")
    page.wait_for_url("**/sign-in?*")
    page.get_by_role("link", name="Create account").click()
    sign_up(page)
    expect(page.get_by_text(f"We sent a link to {ADA}.")).to_be_visible()
    eventually(lambda: emulator.links(ADA, "VERIFY_EMAIL"))
    page.get_by_role("button", name="I verified my email").click()
    expect(page.get_by_text("isn’t verified yet")).to_be_visible()
    page.get_by_role("link", name="Later").click()
    expect(page.locator("#balance")).to_have_text("0 tokens")
    page.get_by_role("link", name="Verify", exact=True).click()
    expect(page.get_by_role("button", name="I verified my email")).to_be_visible()

    [link] = emulator.links(ADA, "VERIFY_EMAIL")
    emailed = person.context.new_page()
    emailed.goto(link)  # it leads back to the page, which notices
    emailed.wait_for_url("**/create")
    expect(emailed.locator("#balance")).to_have_text("100 tokens")
    page.get_by_role("button", name="I verified my email").click()

    page.wait_for_url("**/create")
    expect(page.locator("#balance")).to_have_text("100 tokens")
    expect(page.get_by_text("Verify your email")).to_have_count(0)


def test_verification_link_can_be_sent_again(
    new_person: NewPerson, emulator: AuthEmulator
) -> None:
    page = new_person().page("/sign-in?mode=sign-up")
    sign_up(page)
    eventually(lambda: len(emulator.links(ADA, "VERIFY_EMAIL")) == 1)

    page.get_by_role("button", name="Send the link again").click()

    eventually(lambda: len(emulator.links(ADA, "VERIFY_EMAIL")) == 2)
    expect(page.locator("#toasts")).to_contain_text("We sent you a link.")


def test_password_can_be_reset_by_email(new_person: NewPerson, emulator: AuthEmulator) -> None:
    emulator.add_user(email=ADA, password=PASSWORD, emailVerified=True)
    page = new_person().page("/sign-in")
    page.get_by_label("Email").fill(ADA)
    page.get_by_role("link", name="Forgot your password?").click()
    expect(page.get_by_label("Email")).to_have_value(ADA)
    submit(page, "Send link")
    expect(page.get_by_text(f"If there is an account for {ADA}")).to_be_visible()

    [link] = emulator.links(ADA, "PASSWORD_RESET")
    page.goto(f"{link}&newPassword=another+password")

    page.wait_for_url("**/sign-in")  # where the link leads
    fill(page, ADA, "another password")
    submit(page)
    page.wait_for_url("**/create")
    expect(page.locator("#balance")).to_have_text("100 tokens")


def test_reset_does_not_tell_who_has_an_account(new_person: NewPerson) -> None:
    person = new_person()
    person.expect_statuses(BAD_REQUEST)
    page = person.page("/sign-in?mode=reset")
    page.get_by_label("Email").fill("nobody@example.com")
    submit(page, "Send link")

    expect(page.get_by_text("If there is an account for nobody@example.com")).to_be_visible()


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


def test_known_email_leads_from_signing_up_to_signing_in(
    new_person: NewPerson, emulator: AuthEmulator
) -> None:
    emulator.add_user(email=ADA, password=PASSWORD, emailVerified=True)
    person = new_person()
    person.expect_statuses(BAD_REQUEST)
    page = person.page("/sign-in?mode=sign-up")
    fill(page, ADA, PASSWORD)
    submit(page, "Create account")
    page.get_by_role("alert").get_by_role("link", name="Sign in").click()

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_label("Email")).to_have_value(ADA)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    submit(page)
    page.wait_for_url("**/create")


def test_back_returns_to_the_form_before(new_person: NewPerson) -> None:
    page = new_person().page("/sign-in?next=%2Fsoho%2Fexplore")
    page.get_by_role("link", name="Create account").click()
    expect(page.get_by_role("heading", name="Create account")).to_be_visible()
    assert page.url.endswith("?next=%2Fsoho%2Fexplore&mode=sign-up")
    page.get_by_role("link", name="Sign in").click()
    page.get_by_role("link", name="Forgot your password?").click()
    expect(page.get_by_role("heading", name="Reset password")).to_be_visible()

    page.go_back()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Create account")).to_be_visible()


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


# Google and Apple


@pytest.mark.parametrize(
    ("name", "provider", "scopes"),
    [("Google", "google.com", "profile"), ("Apple", "apple.com", "email,name")],
)
def test_pop_up_signs_in(
    new_person: NewPerson, name: str, provider: str, scopes: str
) -> None:
    person = new_person()
    page = person.page("/sign-in")
    with page.expect_popup() as opened:
        page.get_by_role("button", name=f"Continue with {name}").click()
    popup = opened.value
    popup.wait_for_url("**/emulator/auth/handler?*")
    assert re.search(rf"[?&]providerId={provider}(&|$)", popup.url)
    assert f"scopes={scopes}" in popup.url.replace("%2C", ",")
    popup.get_by_text("Add new account").click()
    popup.locator("#email-input").fill(ADA)
    popup.locator("#display-name-input").fill("Ada Lovelace")
    popup.locator("#sign-in").click()

    page.wait_for_url("**/create")
    expect(page.locator("#balance")).to_have_text("100 tokens")
    expect(page.get_by_role("button", name="Account: ada-lovelace")).to_be_visible()


def test_closed_pop_up_is_no_error(new_person: NewPerson) -> None:
    page = new_person().page("/sign-in")
    go = page.get_by_role("button", name="Continue with Google")
    with page.expect_popup() as opened:
        go.click()
    opened.value.wait_for_url("**/emulator/auth/handler?*")
    expect(go).to_have_attribute("aria-disabled", "true")
    opened.value.close()

    expect(go).to_have_attribute("aria-disabled", "false")
    expect(page.get_by_role("alert").locator("p")).to_have_count(0)


def test_blocked_pop_up_is_explained(new_person: NewPerson) -> None:
    page = new_person().page("/sign-in")
    page.evaluate("window.open = () => null")
    page.get_by_role("button", name="Continue with Google").click()

    expect(page.get_by_text("Your browser blocked the sign-in window.")).to_be_visible()
