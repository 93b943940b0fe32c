"""A rate-limited log of closed connections, so that an attacker cannot flood the log."""

import asyncio
import logging
from collections import Counter

log = logging.getLogger(__name__)

INTERVAL_S = 10
EXPECTED = {"idle"}  # browsers open connections that they then do not use


class ConnectionLog:
    """Logs why connections were closed: the first at once, later ones as counts every 10 s."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def count(self, reason: str) -> None:
        self._counts[reason] += 1
        if self._timer is None:
            self._write()

    def _write(self) -> None:
        self._timer = None
        if not self._counts:
            return
        level = logging.INFO if self._counts.keys() <= EXPECTED else logging.WARNING
        log.log(level, "connections_closed", extra={"counts": dict(self._counts)})
        self._counts.clear()
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._write)
