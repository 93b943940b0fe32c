"""Google and Apple in a pop-up, and Trusted Types with Firebase's real web SDK.

Only Google's `api.js` is a stand-in (gapi_stand_in.js): it is on Google's servers only.
"""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewVisitor, Site
from tests.browser.signing_in.conftest import (
    ADA,
    PASSWORD,
    NewPerson,
    in_the_cloud,
    sign_in,
    visitor_of,
)
from tests.servers.auth_emulator import AuthEmulator
from tests.support.machine import needs

pytestmark = [needs("browser"), needs("auth"), pytest.mark.slow]


# Google and Apple


@pytest.mark.parametrize(
    ("name", "provider", "scopes"),
    [("Google", "google.com", "profile"), ("Apple", "apple.com", "email,name")],
)
def test_pop_up_signs_in(new_person: NewPerson, name: str, provider: str, scopes: str) -> None:
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


def test_offered_ways_are_those_of_the_setting(
    new_visitor: NewVisitor, site: Site, emulator: AuthEmulator
) -> None:
    with in_the_cloud(site, emulator, providers=("apple",)) as firebase:
        page = visitor_of(new_visitor, site, firebase).page("/sign-in?mode=sign-up")

        expect(page.get_by_role("button", name="Continue with Apple")).to_be_visible()
        expect(page.locator("#methods button")).to_have_count(1)
        expect(page.get_by_label("Email")).to_have_count(0)


# Trusted Types


SCRIPT_URLS = {
    "https://apis.google.com/js/api.js?onload=__iframefcb123": True,
    "https://apis.google.com/js/api.js?onload=__iframefcb": False,
    "https://apis.google.com/js/api.js?onload=alert": False,
    "https://apis.google.com/js/api.js?onload=__iframefcb1&x=1": False,
    "https://apis.google.com/js/api.js": False,
    "https://apis.google.com/js/client.js?onload=__iframefcb123": False,
    "https://apis.google.com.evil.example/js/api.js?onload=__iframefcb1": False,
    "http://apis.google.com/js/api.js?onload=__iframefcb123": False,
    "https://www.gstatic.com/firebasejs/13.2.0/firebase-auth.js": False,
    "/static/x/dom.js": False,
    "data:text/javascript,pwned=1": False,
    "": False,
}
IS_ACCEPTED = """([sink, text]) => {
  const accepts = {
    scriptUrl: () => document.createElement("script").setAttribute("src", text),
    script: () => { document.createElement("script").text = text; },
    html: () => { document.createElement("div").innerHTML = text; },
    newPolicy: () => trustedTypes.createPolicy(text, {}),
  };
  try { accepts[sink](); return true; } catch { return false; }
}"""
VIOLATIONS = ("This document requires", "Creating a TrustedTypePolicy", "The Content Security")


def test_trusted_types_let_the_loader_of_pop_ups_pass_and_nothing_else(
    new_person: NewPerson,
) -> None:
    person = new_person()
    person.expected += VIOLATIONS
    page = person.page("/sign-in")
    expect(page.get_by_label("Email")).to_be_visible()

    accepted = {url: page.evaluate(IS_ACCEPTED, ["scriptUrl", url]) for url in SCRIPT_URLS}

    assert accepted == SCRIPT_URLS
    for sink, text in (("html", "<b>x</b>"), ("script", "pwned=1"), ("newPolicy", "mine")):
        assert not page.evaluate(IS_ACCEPTED, [sink, text]), sink
    assert not page.evaluate(IS_ACCEPTED, ["newPolicy", "default"])


def test_pages_without_pop_ups_have_no_policy_at_all(
    new_person: NewPerson, emulator: AuthEmulator
) -> None:
    emulator.add_user(email=ADA, password=PASSWORD, emailVerified=True)
    person = new_person()
    person.expected += VIOLATIONS
    page = person.page("/sign-in")
    sign_in(page)

    for sink, text in (
        ("scriptUrl", next(iter(SCRIPT_URLS))),
        ("html", "<b>x</b>"),
        ("newPolicy", "default"),
        ("newPolicy", "gapi#gapi"),
    ):
        assert not page.evaluate(IS_ACCEPTED, [sink, text]), (sink, text)
