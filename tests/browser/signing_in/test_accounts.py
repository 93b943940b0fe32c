"""Accounts with an email address: the real emulator and web SDK of Firebase."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.signing_in.conftest import (
    ADA,
    PASSWORD,
    NewPerson,
    fill,
    sign_in,
    sign_up,
    submit,
)
from tests.servers.auth_emulator import AuthEmulator
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), needs("auth"), pytest.mark.slow]

BAD_REQUEST = 400


def test_new_account_gets_its_tokens_when_the_email_is_verified(
    new_person: NewPerson, emulator: AuthEmulator
) -> None:
    person = new_person()
    page = person.page("/create")
    page.get_by_label("Prompt").fill("a red fox")
    page.get_by_role("button", name="Create image").click()
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
    expect(page.get_by_label("Prompt")).to_have_value("a red fox")


def test_verification_link_can_be_sent_again(new_person: NewPerson, emulator: AuthEmulator) -> None:
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


STORED_USERS = """new Promise((resolve) => {
  const opening = indexedDB.open("firebaseLocalStorageDb");
  opening.onsuccess = () => {
    const store = opening.result.transaction("firebaseLocalStorage").objectStore("firebaseLocalStorage");
    store.count().onsuccess = ({ target }) => resolve(target.result);
  };
})"""


def test_signing_out_forgets_the_user(new_person: NewPerson, emulator: AuthEmulator) -> None:
    emulator.add_user(email=ADA, password=PASSWORD, emailVerified=True)
    page = new_person().page("/sign-in")
    sign_in(page)
    assert page.evaluate(STORED_USERS) == 1
    page.get_by_role("button", name=re.compile("^Account: ")).click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    expect(page.get_by_label("Email")).to_be_visible()

    assert page.evaluate(STORED_USERS) == 0
    assert page.evaluate("localStorage['phoenix.session']") is None


# What was typed before


def test_form_filled_in_before_signing_in_is_kept(
    new_person: NewPerson, emulator: AuthEmulator
) -> None:
    emulator.add_user(email=ADA, password=PASSWORD, emailVerified=True)
    page = new_person().page("/sign-in")
    page.evaluate("sessionStorage['phoenix.form'] = JSON.stringify({prompt: 'a red fox'})")
    sign_in(page)

    expect(page.get_by_label("Prompt")).to_have_value("a red fox")


def test_form_of_another_user_is_dropped(new_person: NewPerson, emulator: AuthEmulator) -> None:
    for email in (ADA, "ben@example.com"):
        emulator.add_user(email=email, password=PASSWORD, emailVerified=True)
    page = new_person().page("/sign-in")
    sign_in(page)
    page.get_by_label("Prompt").fill("a red fox")
    page.evaluate("localStorage.removeItem('phoenix.session')")  # as after an expired session
    page.goto(page.url.replace("/create", "/sign-in"))
    fill(page, "ben@example.com", PASSWORD)
    submit(page)
    page.wait_for_url("**/create")

    expect(page.locator("#balance")).to_have_text("100 tokens")
    expect(page.get_by_label("Prompt")).to_have_value("")


def test_failing_token_means_that_nothing_was_sent(
    new_person: NewPerson, emulator: AuthEmulator
) -> None:
    emulator.add_user(email=ADA, password=PASSWORD, emailVerified=True)
    person = new_person()
    person.expected.append("Failed to load resource: net::ERR_FAILED")
    person.expect_statuses(401)
    page = person.page("/sign-in")
    sign_in(page)
    page.route("**/v1/token*", lambda route: route.abort())
    page.route("**/api/generate/creation", lambda route: route.fulfill(status=401, json={}))
    page.get_by_label("Prompt").fill("a fox")

    page.get_by_role("button", name="Create image").click()

    expect(page.locator("#problem")).to_contain_text("Nothing was sent.")


def test_verification_says_sent_only_after_it_was_sent(
    new_person: NewPerson, emulator: AuthEmulator
) -> None:
    person = new_person()
    person.expect_statuses(BAD_REQUEST)
    page = person.page("/sign-in?mode=sign-up")
    answer = {"error": {"code": BAD_REQUEST, "message": "TOO_MANY_ATTEMPTS_TRY_LATER"}}
    page.route(
        "**/v1/accounts:sendOobCode*",
        lambda route: route.fulfill(status=BAD_REQUEST, json=answer),
    )

    sign_up(page)

    expect(page.get_by_role("heading", name="Verify your email")).to_be_focused()
    expect(page.get_by_role("alert").get_by_text("Too many attempts.")).to_be_visible()
    expect(page.locator("#reason")).to_have_text(
        f"Complete your account: open the link that we email to {ADA}."
    )
    page.unroute("**/v1/accounts:sendOobCode*")
    page.get_by_role("button", name="Send the link again").click()
    expect(page.get_by_text(f"We sent a link to {ADA}.")).to_be_visible()
