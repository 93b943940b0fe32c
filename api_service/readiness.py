"""The readiness check of the store, the queue and the media store."""

import threading
from collections.abc import Callable
from typing import Literal

from api_service.responses import View
from shared.domain.errors import Unavailable
from shared.domain.kind import Kind
from shared.health import probe_media, probe_queue, probe_store, run_probe
from shared.wiring.ports import Ports

TTL_S = 10


class PartHealth(View):
    """Whether a part responds, and how fast."""

    ok: bool
    milliseconds: float


class Readiness(View):
    """Whether every part that a creation needs responds; a part is null until it was checked."""

    status: Literal["ok", "unavailable", "unknown"] = "unknown"
    store: PartHealth | None = None
    queue: PartHealth | None = None
    media: PartHealth | None = None


class ReadinessCheck:
    """Runs one check at a time and keeps its result for 10 s."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._running = threading.Lock()
        self._latest: tuple[float, Readiness] | None = None

    def readiness(self) -> Readiness:
        """Return the state of every part; while a check is running, the latest known one.

        A check may last as long as an outage, and waiting for it would hold a thread that other
        requests need.
        """
        if self._running.acquire(blocking=False):
            try:
                now_s = self._ports.clock.monotonic_s()
                if self._latest is None or now_s - self._latest[0] >= TTL_S:
                    readiness = self._check()
                    self._latest = (self._ports.clock.monotonic_s(), readiness)
            finally:
                self._running.release()
        return Readiness() if self._latest is None else self._latest[1]

    def _check(self) -> Readiness:
        ports = self._ports
        store = self._part(lambda: probe_store(ports.store))
        queue = self._part(self._probe_queues)
        media = self._part(lambda: probe_media(ports.media))
        is_ok = store.ok and queue.ok and media.ok
        return Readiness(
            status="ok" if is_ok else "unavailable", store=store, queue=queue, media=media
        )

    def _probe_queues(self) -> None:
        for kind in Kind:
            probe_queue(self._ports.queue, kind)

    def _part(self, probe: Callable[[], object]) -> PartHealth:
        result = run_probe(probe, clock=self._ports.clock, expecting=Unavailable)
        return PartHealth(ok=result.is_ok, milliseconds=round(1000 * result.took_s, 1))
