"""Whether the process is alive, and whether everything it needs is in reach."""

import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api_service.answers import answer
from api_service.dependencies import PhoenixDep
from api_service.views import Alive, PartHealth, Readiness
from shared.domain.errors import Unavailable
from shared.domain.kind import Kind
from shared.health import probe_media, probe_queue, probe_store, run_probe
from shared.ports.task_queue import TaskQueue
from shared.wiring import Phoenix

router = APIRouter(tags=["health"])

ANSWER_KEPT_S = 10


class Probing:
    """One probe at a time; its answer is kept for 10 s from when it came."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._kept: tuple[float, Readiness] | None = None

    def readiness(self, phoenix: Phoenix) -> Readiness:
        """Return the state of every part, or the last known one while it is being asked for.

        Nobody waits for another's probe: it may last as long as an outage, and waiters would hold
        the threads that every other request needs.
        """
        if self._turn.acquire(blocking=False):
            try:
                if self._is_old(phoenix):
                    probed = _probed(phoenix)
                    self._kept = (phoenix.ports.clock.monotonic_s(), probed)
            finally:
                self._turn.release()
        return Readiness() if self._kept is None else self._kept[1]

    def _is_old(self, phoenix: Phoenix) -> bool:
        now_s = phoenix.ports.clock.monotonic_s()
        return self._kept is None or now_s - self._kept[0] >= ANSWER_KEPT_S


def _probed(phoenix: Phoenix) -> Readiness:
    ports = phoenix.ports

    def part(question: Callable[[], object]) -> PartHealth:
        answered = run_probe(question, clock=ports.clock, expecting=Unavailable)
        return PartHealth(ok=answered.is_ok, milliseconds=round(1000 * answered.took_s, 1))

    store = part(lambda: probe_store(ports.store))
    queue = part(partial(_ask_queues, ports.queue))
    media = part(lambda: probe_media(ports.media))
    is_ok = store.ok and queue.ok and media.ok
    return Readiness(status="ok" if is_ok else "unavailable", store=store, queue=queue, media=media)


def _ask_queues(queue: TaskQueue) -> None:
    for kind in Kind:
        probe_queue(queue, kind)


async def _probing(request: Request) -> Probing:
    probing: Probing = request.app.state.probing
    return probing


ProbingDep = Annotated[Probing, Depends(_probing)]


@router.get("/api/health", response_model=Alive)
async def health() -> Response:
    """Answer at once: the process is alive."""
    return answer(Alive())


@router.get(
    "/api/health/ready",
    response_model=Readiness,
    responses={HTTPStatus.SERVICE_UNAVAILABLE: {"model": Readiness}},
)
def ready(phoenix: PhoenixDep, probing: ProbingDep) -> Response:
    """Name each part that a creation needs, whether it answers, and in how many milliseconds."""
    readiness = probing.readiness(phoenix)
    is_ok = readiness.status == "ok"
    return answer(readiness, HTTPStatus.OK if is_ok else HTTPStatus.SERVICE_UNAVAILABLE)
