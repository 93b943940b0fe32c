"""The menu behind a button "More"."""

from playwright.sync_api import Locator, Page


def choose(within: Page | Locator, name: str) -> None:
    """Open the first menu, and choose an item."""
    within.get_by_role("button", name="More", exact=True).first.click()
    within.get_by_role("menuitem", name=name, exact=True).click()
