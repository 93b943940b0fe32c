"""Ways to use a page: touching a phone's screen, and the keyboard alone."""

from typing import Any, Protocol

from playwright.sync_api import Locator, expect

from tests.support.eventually import eventually

TABS_MAX = 80
HAS_FOCUS = "element => element === document.activeElement"
IS_FOCUS_SHOWN = """element => {
  const isOutlined = (each) => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(each);
    return (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none";
  };
  const around = [element, element.nextElementSibling, element.closest("label")];
  return element.matches(":focus-visible") && around.some((each) => each && isOutlined(each));
}"""
IS_UNCOVERED = """element => {
  const { left, top, width, height } = element.getBoundingClientRect();
  const hit = document.elementFromPoint(left + width / 2, top + height / 2);
  const shown = element.closest("label") ?? element;
  return shown.contains(hit) || Boolean(hit?.contains(shown) && element.matches("input"));
}"""


class Hands(Protocol):
    options: dict[str, Any]
    """Options of the browser's context."""

    def press(self, control: Locator) -> None: ...

    def write(self, field: Locator, words: str) -> None: ...

    def pick(self, radio: Locator) -> None: ...

    def tick(self, box: Locator) -> None: ...

    def choose(self, opener: Locator, item: Locator) -> None:
        """Choose an item of the menu behind a button."""

    def leave(self, dialog: Locator, done: str) -> None:
        """Close a dialog that has a button of this name."""


class Fingers:
    """Touches on a phone."""

    options: dict[str, Any] = {  # noqa: RUF012 (Playwright only reads it)
        "viewport": {"width": 360, "height": 740},
        "has_touch": True,
        "is_mobile": True,
    }

    def press(self, control: Locator) -> None:
        control.tap()

    def write(self, field: Locator, words: str) -> None:
        field.tap()
        field.page.keyboard.insert_text(words)

    def pick(self, radio: Locator) -> None:
        radio.locator("xpath=ancestor::label").tap()
        expect(radio).to_be_checked()

    def tick(self, box: Locator) -> None:
        box.tap()
        expect(box).to_be_checked()

    def choose(self, opener: Locator, item: Locator) -> None:
        opener.tap()
        item.tap()

    def leave(self, dialog: Locator, done: str) -> None:
        dialog.get_by_role("button", name=done, exact=True).tap()
        expect(dialog).to_have_count(0)


class Keys:
    """The keyboard alone. What gets the focus must show it, and nothing may cover it."""

    options: dict[str, Any] = {  # noqa: RUF012 (Playwright only reads it)
        "viewport": {"width": 1280, "height": 720}
    }

    def press(self, control: Locator) -> None:
        reach(control)
        control.page.keyboard.press("Enter")

    def write(self, field: Locator, words: str) -> None:
        reach(field)
        field.page.keyboard.type(words)

    def pick(self, radio: Locator) -> None:
        """Tab to the radio buttons of its group, and move to it with the arrow keys."""
        expect(radio).to_be_attached()
        name = radio.get_attribute("name")
        reach(radio.page.locator(f"input[name='{name}']:checked"))
        for _ in range(radio.page.locator(f"input[name='{name}']").count()):
            if radio.is_checked():
                break
            radio.page.keyboard.press("ArrowRight")
        expect(radio).to_be_checked()
        assert_focus_is_shown(radio)

    def tick(self, box: Locator) -> None:
        reach(box)
        box.page.keyboard.press("Space")
        expect(box).to_be_checked()

    def choose(self, opener: Locator, item: Locator) -> None:
        reach(opener)
        item.page.keyboard.press("Enter")
        items = item.page.get_by_role("menuitem")
        expect(items.first).to_be_focused()
        for _ in range(items.count()):
            if item.evaluate(HAS_FOCUS):
                break
            item.page.keyboard.press("ArrowDown")
        assert_focus_is_shown(item)
        item.page.keyboard.press("Enter")

    def leave(self, dialog: Locator, done: str) -> None:
        dialog.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        assert dialog.page.evaluate("document.activeElement !== document.body")


def reach(wanted: Locator) -> None:
    """Press Tab until the element has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(TABS_MAX):
        if wanted.evaluate(HAS_FOCUS):
            return assert_focus_is_shown(wanted)
        wanted.page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {wanted}")


def assert_focus_is_shown(element: Locator) -> None:
    expect(element).to_be_focused()
    eventually(lambda: element.evaluate(IS_FOCUS_SHOWN))
    eventually(lambda: element.evaluate(IS_UNCOVERED))
