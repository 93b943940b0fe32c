"""A sweep of a data folder in a process that SIGKILL ends at one call of the media store.

    python -m tests.end_to_end.dying_sweep DATA publish|delete COUNT

It dies right after its call number COUNT, or in place of the first one if that is 0.
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shared import settings, wiring


class DyingMediaStore:
    """Forwards to a media store until the process ends."""

    def __init__(self, media: Any, *, method: str, count: int) -> None:
        self._media, self._method, self._left = media, method, count

    def publish(self, key: str, public_key: str) -> None:
        self._dying("publish", self._media.publish, key, public_key)

    def delete(self, key: str) -> None:
        self._dying("delete", self._media.delete, key)

    def _dying(self, method: str, call: Callable[..., None], *keys: str) -> None:
        is_counted = method == self._method
        if is_counted and self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        call(*keys)
        self._left -= is_counted
        if is_counted and self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._media, name)


def main(data: str, method: str, count: str) -> None:
    phoenix = wiring.build(settings.load({"PHOENIX_DATA": data}))
    media: Any = DyingMediaStore(phoenix.ports.media, method=method, count=int(count))
    ports = replace(phoenix.ports, media=media)
    wiring.assembled(phoenix.settings, ports, local=phoenix.local).sweeping.sweep()


if __name__ == "__main__":
    main(*sys.argv[1:])
