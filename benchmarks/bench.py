"""What every part gets: the two trees, a folder, and how long to measure."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.phoenix import Server
from benchmarks.trees import Tree
from benchmarks.wrk import Load, Requests, loaded

WARM_UP_CONNECTIONS, WARM_UP_S = 16, 1

ServedT = TypeVar("ServedT")
Start = Callable[[], AbstractContextManager[ServedT]]


@dataclass(frozen=True, kw_only=True)
class Bench:
    before: Tree
    now: Tree
    folder: Path
    is_quick: bool
    repeats: int = 3

    @property
    def trees(self) -> tuple[Tree, Tree]:
        """Return both trees in the order in which they take turns."""
        return self.before, self.now

    @property
    def load_s(self) -> int:
        """Return the length of one load run, in whole seconds as wrk takes them."""
        return 1 if self.is_quick else 5

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Yield an empty folder for one server and its data."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def in_turn(self, starts: Mapping[str, Start[ServedT]]) -> Iterator[tuple[str, ServedT]]:
        """Yield each server in turn, as often as there are repeats.

        Each is started afresh for each repeat, so that the faster one does not serve more data. A
        quick run starts each only once.
        """
        if not self.is_quick:
            for _ in range(self.repeats):
                for name, start in starts.items():
                    with start() as served:
                        yield name, served
            return
        with ExitStack() as stack:
            running = {name: stack.enter_context(start()) for name, start in starts.items()}
            for _ in range(self.repeats):
                yield from running.items()

    def warm_up(self, server: Server, requests: Requests) -> None:
        self.load(server, requests, connections=WARM_UP_CONNECTIONS, seconds=WARM_UP_S)

    def load(
        self,
        server: Server,
        requests: Requests,
        *,
        connections: int,
        seconds: int | None = None,
    ) -> tuple[Load, float]:
        """Return a load run, and the server's CPU time in milliseconds for each request."""
        with self.scratch() as folder:
            before_s = server.cpu_s()
            load = loaded(
                server.urls,
                requests,
                connections=connections,
                seconds=seconds or self.load_s,
                folder=folder,
            )
            cpu_s = server.cpu_s() - before_s
        return load, cpu_s * 1000 / max(1, load.requests)
