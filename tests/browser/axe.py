"""Accessibility of the page that a browser shows, checked by axe-core."""

from typing import Any

from playwright.sync_api import Page

from tests.support.machine import AXE

SERIOUS = ("serious", "critical")
ANIMATIONS_HAVE_ENDED = """async () => {
  const endless = (each) => each.effect.getComputedTiming().endTime === Infinity;
  const ending = document.getAnimations().filter((each) => !endless(each));
  await Promise.allSettled(ending.map((each) => each.finished));
}"""
RUN = "() => axe.run(document, {resultTypes: ['violations']})"


def findings(page: Page) -> list[str]:
    """Return the serious and critical violations, once animations no longer change the colors."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(AXE.read_text())
    page.evaluate(ANIMATIONS_HAVE_ENDED)
    found: dict[str, Any] = page.evaluate(RUN)
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
        if each["impact"] in SERIOUS
    ]
