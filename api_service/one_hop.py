"""Routes that make one thread hop at most.

A route declares its dependencies as usual, and FastAPI describes them; this module runs them. The
`async` ones do not block and run first, on the event loop: they authenticate the caller and read
the body. All others then run in one thread, followed by the route's function.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from api_service.threads import THREADS

READ = ["GET", "HEAD"]
"""The methods of a page or file."""

Results = dict[Callable[..., Any], Any]
"""The results of one request's dependencies."""


@dataclass(frozen=True)
class _Step:
    """A dependency or the route's function, and where its arguments come from."""

    call: Callable[..., Any]
    arguments: tuple[tuple[str, Callable[[Request, Results], Any]], ...]

    def __call__(self, request: Request, results: Results) -> Any:  # noqa: ANN401 (any dependency's result)
        return self.call(**{name: get(request, results) for name, get in self.arguments})


class OneHopRoute(APIRoute):
    threads = THREADS

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 (FastAPI's own arguments)
        super().__init__(*args, **options)
        steps = list({step.call: step for step in _steps(self.dependant)}.values())
        self._on_loop = [step for step in steps if _is_async(step.call)]
        self._in_thread = [step for step in steps if not _is_async(step.call)]
        self.app = self._serve

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, results = Request(scope, receive), Results()
        for step in self._on_loop:
            results[step.call] = await step(request, results)
        if self._in_thread:
            await self.threads.run(lambda: self._run(request, results))
        response: Response = results[cast("Callable[..., Any]", self.dependant.call)]
        await response(scope, receive, send)

    def _run(self, request: Request, results: Results) -> None:
        for step in self._in_thread:
            results[step.call] = step(request, results)


def _steps(dependant: Dependant) -> Iterator[_Step]:
    """Yield what a dependency needs, and the dependency last."""
    for needed in dependant.dependencies:
        yield from _steps(needed)
        may_need = _is_async(needed.call) or not _is_async(dependant.call)
        assert may_need, "an async function cannot need one that may block"
    assert dependant.call is not None
    yield _Step(dependant.call, tuple(_arguments(dependant)))


def _is_async(call: object) -> bool:
    function = call if inspect.isroutine(call) else type(call).__call__
    return inspect.iscoroutinefunction(function)


def _arguments(dependant: Dependant) -> Iterator[tuple[str, Callable[[Request, Results], Any]]]:
    """Yield the name of each parameter, and how a request's value is found."""
    others = [*dependant.body_params, *dependant.cookie_params]
    assert not others, "read cookies and the body from the request"
    if name := dependant.request_param_name or dependant.http_connection_param_name:
        yield name, lambda request, _: request
    for needed in dependant.dependencies:
        if needed.name is not None:
            yield needed.name, _result_of(cast("Callable[..., Any]", needed.call))
    for source, fields in (
        (_path, dependant.path_params),
        (_query, dependant.query_params),
        (_headers, dependant.header_params),
    ):
        for field in fields:
            is_text = field.field_info.annotation in (str, str | None)
            is_valid = is_text and (source is _path or not field.field_info.is_required())
            assert is_valid, "only a text with a default needs no validation"
            yield field.name, _text(source, field.alias, field.default)


def _result_of(call: Callable[..., Any]) -> Callable[[Request, Results], Any]:
    return lambda _, results: results[call]


def _text(
    source: Callable[[Request], Mapping[str, str]], name: str, default: str | None
) -> Callable[[Request, Results], str | None]:
    return lambda request, _: source(request).get(name, default)


def _path(request: Request) -> Mapping[str, str]:
    return request.path_params


def _query(request: Request) -> Mapping[str, str]:
    return request.query_params


def _headers(request: Request) -> Mapping[str, str]:
    return request.headers
