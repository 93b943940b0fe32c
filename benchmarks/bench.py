"""What every part gets: the two trees, a folder, and how long to measure."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.phoenix import Api
from benchmarks.trees import Tree
from benchmarks.wrk import Load, Requests, loaded


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


def load_with_cpu(
    bench: Bench, requests: Requests, *, api: Api, connections: int
) -> tuple[Load, float]:
    """Return a load run, and the API's CPU time in milliseconds for each of its requests."""
    with bench.scratch() as folder:
        before_s = api.cpu_s()
        load = loaded(
            api.urls, requests, connections=connections, seconds=bench.load_s, folder=folder
        )
        cpu_s = api.cpu_s() - before_s
    return load, cpu_s * 1000 / max(1, load.requests)
