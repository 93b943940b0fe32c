"""POST /api/generate/creation on one machine, in one process and in two."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.compared import empty_endpoint, old_design
from benchmarks.phoenix import Data, Size, apis, filled
from benchmarks.table import Goal, Samples, Table
from benchmarks.trees import BEFORE, NOW, Tree
from benchmarks.wrk import Requests, loaded

ASYNC, SYNC, OLD = "empty async", "empty sync", "old design x 2"
CONNECTIONS = (1, 16, 64)
QUICK_CONNECTIONS = (16,)
WARM_UP_CONNECTIONS, WARM_UP_S = 16, 1
LONG_CONNECTIONS, LONG_S = 64, 30
NOTE = (
    "100 users, one image each time, one `wrk` thread. The empty endpoints run FastAPI under the same"
    " server. The old design is Flask in two gunicorn processes of 8 threads, a debit in Redis and"
    " Celery's `apply_async`, without authentication, ledger or fsync."
)
Server = Callable[[Path], AbstractContextManager[tuple[list[str], Requests]]]
"""Runs in a folder; yields its addresses and the requests for it."""
ONE_PROCESS_GOALS = {
    "req/s, 16 connections": Goal(limit=2.5, at_least=True, than=BEFORE),
    "p99 ms, 16 connections": Goal(limit=100),
}
LONG_GOALS = {
    "p99 ms, 64 connections, 30 s": Goal(limit=300),
    "answers that are not 202, 64 connections, 30 s": Goal(limit=0),
}
TWO_PROCESSES_GOALS = {"req/s, 16 connections": Goal(limit=1, at_least=True, than=OLD)}


def run(bench: Bench) -> list[Table]:
    data = {tree.name: _data(bench, tree) for tree in bench.trees}
    tables = [_one_process(bench, data), _two_processes(bench, data)]
    return tables if bench.is_quick else [*tables, _long(bench, data)]


def _data(bench: Bench, tree: Tree) -> Data:
    return filled(tree, bench.folder / f"posts-{tree.name}", Size())


def _one_process(bench: Bench, data: Mapping[str, Data]) -> Table:
    servers: dict[str, Server] = {
        **{tree.name: _phoenix(tree, data[tree.name], processes=1) for tree in bench.trees},
        SYNC: _compared(lambda folder: empty_endpoint("/sync", folder)),
        ASYNC: _compared(lambda folder: empty_endpoint("/async", folder)),
        OLD: _compared(old_design),
    }
    samples = Samples("POST, one process", [BEFORE, NOW, SYNC, ASYNC, OLD], NOTE)
    measure(bench, servers, samples)
    return samples.table(ONE_PROCESS_GOALS)


def _two_processes(bench: Bench, data: Mapping[str, Data]) -> Table:
    servers: dict[str, Server] = {
        **{tree.name: _phoenix(tree, data[tree.name], processes=2) for tree in bench.trees},
        OLD: _compared(old_design),
    }
    note = "Two API processes on one data folder; each gets half of the connections."
    samples = Samples("POST, two processes", [BEFORE, NOW, OLD], note)
    measure(bench, servers, samples)
    return samples.table(TWO_PROCESSES_GOALS)


def _long(bench: Bench, data: Mapping[str, Data]) -> Table:
    samples = Samples("POST, one process, a long run", [BEFORE, NOW])
    after = f"{LONG_CONNECTIONS} connections, {LONG_S} s"
    for tree in bench.trees:
        server = _phoenix(tree, data[tree.name], processes=1)
        with bench.scratch() as folder, server(folder) as (urls, requests):
            load = loaded(
                urls, requests, connections=LONG_CONNECTIONS, seconds=LONG_S, folder=folder
            )
        samples.add(tree.name, f"req/s, {after}", load.per_s, bad=load.bad)
        samples.add(tree.name, f"p99 ms, {after}", load.p99_ms)
        samples.add(tree.name, f"answers that are not 202, {after}", load.bad)
    return samples.table(LONG_GOALS)


def measure(bench: Bench, servers: Mapping[str, Server], samples: Samples) -> None:
    """Load each server in turn, from a fresh start each time."""
    for _ in range(bench.repeats):
        for subject, server in servers.items():
            with bench.scratch() as folder, server(folder) as (urls, requests):
                _measure_one(bench, subject, urls, requests, folder=folder, samples=samples)


def _measure_one(
    bench: Bench,
    subject: str,
    urls: list[str],
    requests: Requests,
    *,
    folder: Path,
    samples: Samples,
) -> None:
    loaded(urls, requests, connections=WARM_UP_CONNECTIONS, seconds=WARM_UP_S, folder=folder)
    for connections in QUICK_CONNECTIONS if bench.is_quick else CONNECTIONS:
        if connections < len(urls):
            continue
        load = loaded(urls, requests, connections=connections, seconds=bench.load_s, folder=folder)
        after = "1 connection" if connections == 1 else f"{connections} connections"
        samples.add(subject, f"req/s, {after}", load.per_s, bad=load.bad)
        samples.add(subject, f"p50 ms, {after}", load.p50_ms)
        samples.add(subject, f"p99 ms, {after}", load.p99_ms)


def _phoenix(tree: Tree, data: Data, *, processes: int) -> Server:
    @contextmanager
    def serve(folder: Path) -> Iterator[tuple[list[str], Requests]]:
        with data.copy(folder) as copied, apis(tree, copied, processes=processes) as api:
            yield list(api.urls), data.posts()

    return serve


def _compared(
    server: Callable[[Path], AbstractContextManager[tuple[str, Requests]]],
) -> Server:
    @contextmanager
    def serve(folder: Path) -> Iterator[tuple[list[str], Requests]]:
        with server(folder) as (url, requests):
            yield [url], requests

    return serve
