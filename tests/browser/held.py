"""Requests that a test holds: Playwright calls a route's handler after `expect_request` returned."""

from collections.abc import Sequence

from playwright.sync_api import Page, Route

from tests.support.eventually import eventually


def hold(page: Page, url: str, *, times: int | None = None) -> list[Route]:
    """Hold the requests to the URL, or so many of them, and return the list that they come into."""
    held: list[Route] = []
    page.route(url, lambda route: held.append(route), times=times)  # noqa: PLW0108 (Playwright marks its handlers)
    return held


def held_route(page: Page, routes: Sequence[Route], number: int = 1) -> Route:
    """Wait until so many requests are held, and return the last of them."""
    eventually(lambda: len(routes) >= number or process_events(page))
    return routes[number - 1]


def process_events(page: Page) -> bool:
    """Process pending browser events, which Playwright does during a call only."""
    page.title()
    return False
