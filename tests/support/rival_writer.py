"""Another process that writes to a local file."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.adapters.local.writer import LOCK_SUFFIX


@contextmanager
def rival_writer(path: Path) -> Iterator[None]:
    """Hold the writers' turn at a file, as another process does during its transaction."""
    with path.with_name(f"{path.name}{LOCK_SUFFIX}").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
