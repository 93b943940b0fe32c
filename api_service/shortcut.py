"""A shortcut to routes: a dictionary instead of a regular expression for each of them in turn."""

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from api_service.errors import PageNotFound

NEWLINE, NUL = "\n", "\0"


class Shortcut(BaseRoute):
    """Finds routes without parameters by method and path, and tries others by method.

    A path without parameters wins. The routes themselves follow, and answer 404 and 405.
    Newlines are matched as NUL: the `$` of a route's pattern would match before a final one.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._static: dict[tuple[str, str], Route] = {}
        self._by_method: dict[str, list[Route]] = {}
        for route in routes:
            assert isinstance(route, Route)
            for method in route.methods or ():
                if route.param_convertors:
                    self._by_method.setdefault(method, []).append(route)
                else:
                    self._static.setdefault((method, route.path), route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        method, path = scope.get("method", ""), scope["path"]
        has_newline = NEWLINE in path
        if has_newline:
            scope = {**scope, "path": path.replace(NEWLINE, NUL)}
        static = self._static.get((method, path))
        for route in (static,) if static else self._by_method.get(method, ()):
            match, found = route.matches(scope)
            if match is Match.FULL:
                return match, {**found, "shortcut": route}
        return (Match.FULL, {"shortcut": None}) if has_newline else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["shortcut"] is None:
            raise PageNotFound
        await scope["shortcut"].handle(scope, receive, send)
