"""The servers that Phoenix is compared with: empty endpoints, and the old design."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.phoenix import ACCEPTED, IMAGE, Server
from benchmarks.processes import BenchError, accepts, base_environment, check_programs, running
from benchmarks.trees import HERE
from benchmarks.wrk import Request, Requests
from tests.servers.firestore_emulator import HOST, free_port

VENV_PYTHON = HERE / ".cache/bench-venv/bin/python"
WORKERS, THREADS = 2, 8
USERS = 100


@contextmanager
def empty_endpoint(
    path: str, scratch: AbstractContextManager[Path]
) -> Iterator[tuple[Server, Requests]]:
    """Run the empty endpoints; yield the address and the requests for one of them."""
    port = free_port()
    options = ["--port", str(port), "--no-access-log", "--loop", "uvloop", "--http", "httptools"]
    with (
        scratch as folder,
        running(
            [sys.executable, "-m", "uvicorn", "benchmarks.empty:app", "--host", HOST, *options],
            cwd=HERE,
            environment=base_environment(),
            log=folder / "empty.log",
            is_ready=lambda: accepts(port),
        ) as process,
    ):
        yield Server([f"http://{HOST}:{port}"], [process]), _posts(path)


@contextmanager
def old_design(scratch: AbstractContextManager[Path]) -> Iterator[tuple[Server, Requests]]:
    """Run the old design in two processes; yield its address and its requests."""
    check_programs("redis-server")
    if not VENV_PYTHON.exists():
        raise BenchError("the old design's packages are missing: run `make bench`")
    redis_port, port = free_port(), free_port()
    redis = ["redis-server", "--port", str(redis_port), "--bind", HOST, "--save", ""]
    options = ["--bind", f"{HOST}:{port}", "--workers", str(WORKERS), "--worker-class", "gthread"]
    options += ["--threads", str(THREADS), "--no-control-socket"]
    environment = {
        **base_environment(),
        "OLD_DESIGN_REDIS_URL": f"redis://{HOST}:{redis_port}/0",
    }
    with (
        scratch as folder,
        running(
            [*redis, "--appendonly", "no"],
            cwd=folder,
            environment=base_environment(),
            log=folder / "redis.log",
            is_ready=lambda: accepts(redis_port),
        ),
        running(
            [str(VENV_PYTHON), "-m", "gunicorn", *options, "benchmarks.old_design:app"],
            cwd=HERE,
            environment=environment,
            log=folder / "old_design.log",
            is_ready=lambda: accepts(port),
        ) as process,
    ):
        yield Server([f"http://{HOST}:{port}"], [process]), _posts("/generate")


def _posts(path: str) -> Requests:
    users = (Request(path, f"user-{number:04}") for number in range(USERS))
    return Requests(tuple(users), ACCEPTED, method="POST", body=IMAGE)
