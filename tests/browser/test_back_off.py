"""A page that cannot take its changes waits longer each time before it reads them again."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewVisitor, Site
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [needs("browser"), pytest.mark.slow]

FULL_STORAGE = """
const later = setTimeout;
globalThis.waits = [];
globalThis.setTimeout = (act, delay, ...rest) => {
  const isBackOff = delay >= 375 && delay <= 25_000;
  if (isBackOff) waits.push(delay);
  return later(act, isBackOff ? 10 : delay, ...rest);
};
sessionStorage.removeItem("phoenix.balance"); // which the page would show before any change
const setItem = Storage.prototype.setItem;
Storage.prototype.setItem = function (key, value) {
  if (key === "phoenix.balance" && !globalThis.isStorageFree) throw new Error("The storage is full.");
  setItem.call(this, key, value);
};
"""


def test_page_that_fails_to_take_changes_backs_off(site: Site, new_visitor: NewVisitor) -> None:
    site.draft()
    visitor = new_visitor(site.base_url)
    page = visitor.sign_in("ada")
    page.add_init_script(FULL_STORAGE)
    page.goto(f"{site.base_url}/soho/ada?tab=drafts")

    eventually(lambda: page.evaluate("Math.max(...waits) >= 15_000"))

    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    page.evaluate("isStorageFree = true")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
