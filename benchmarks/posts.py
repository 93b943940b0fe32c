"""POST /api/generate/creation on one machine, in one process and in two."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from benchmarks.bench import Bench, Start
from benchmarks.compared import empty_endpoint, old_design
from benchmarks.phoenix import Data, Server, Size, filled, served
from benchmarks.table import Goal, Samples, Table
from benchmarks.trees import BEFORE, NOW, Tree
from benchmarks.wrk import Requests

ASYNC, SYNC, OLD = "empty async", "empty sync", "old design x 2"
CONNECTIONS = (1, 16, 64)
QUICK_CONNECTIONS = (16,)
LONG_CONNECTIONS, LONG_S = 64, 30
NOTE = (
    "100 users, one image each time, one `wrk` thread. The empty endpoints run FastAPI under the same"
    " server. The old design is Flask in two gunicorn processes of 8 threads, a debit in Redis and"
    " Celery's `apply_async`, without authentication, ledger or fsync. CPU is that of the server."
)
ONE_PROCESS_GOALS = {
    "req/s, 16 connections": Goal(limit=2.5, at_least=True, than=BEFORE),
    "p99 ms, 16 connections": Goal(limit=100),
}
LONG_GOALS = {
    "p99 ms, 64 connections": Goal(limit=300),
    "answers that are not 202, 64 connections": Goal(limit=0),
}
TWO_PROCESSES_GOALS = {"req/s, 16 connections": Goal(limit=1, at_least=True, than=OLD)}
Loaded = tuple[Server, Requests]


def run(bench: Bench) -> list[Table]:
    data = {
        tree.name: filled(tree, bench.folder / f"posts-{tree.name}", Size()) for tree in bench.trees
    }
    tables = [_one_process(bench, data), _two_processes(bench, data)]
    return tables if bench.is_quick else [*tables, _long(bench, data)]


def _one_process(bench: Bench, data: Mapping[str, Data]) -> Table:
    starts: dict[str, Start[Loaded]] = {
        **_phoenix(bench, data, processes=1),
        SYNC: lambda: empty_endpoint("/sync", bench.scratch()),
        ASYNC: lambda: empty_endpoint("/async", bench.scratch()),
        OLD: lambda: old_design(bench.scratch()),
    }
    samples = Samples("POST, one process", list(starts), NOTE)
    measure(bench, starts, samples)
    return samples.table(ONE_PROCESS_GOALS)


def _two_processes(bench: Bench, data: Mapping[str, Data]) -> Table:
    starts: dict[str, Start[Loaded]] = {
        **_phoenix(bench, data, processes=2),
        OLD: lambda: old_design(bench.scratch()),
    }
    note = "Two API processes on one data folder; each gets half of the connections."
    samples = Samples("POST, two processes", list(starts), note)
    measure(bench, starts, samples, processes=2)
    return samples.table(TWO_PROCESSES_GOALS)


def _long(bench: Bench, data: Mapping[str, Data]) -> Table:
    samples = Samples(f"POST, one process, {LONG_S} s", [BEFORE, NOW])
    bad = f"answers that are not 202, {LONG_CONNECTIONS} connections"
    for subject, start in _phoenix(bench, data, processes=1).items():
        with start() as (server, requests):
            load, cpu_ms = bench.load(
                server, requests, connections=LONG_CONNECTIONS, seconds=LONG_S
            )
        samples.add_load(subject, LONG_CONNECTIONS, load, cpu_ms=cpu_ms)
        samples.add(subject, bad, load.bad.total())
    return samples.table(LONG_GOALS)


def measure(
    bench: Bench, starts: Mapping[str, Start[Loaded]], samples: Samples, *, processes: int = 1
) -> None:
    """Load each server in turn with each number of connections."""
    warm: set[Server] = set()
    for subject, (server, requests) in bench.in_turn(starts):
        if server not in warm:
            bench.warm_up(server, requests)
            warm.add(server)
        for connections in QUICK_CONNECTIONS if bench.is_quick else CONNECTIONS:
            if connections < processes:
                continue
            load, cpu_ms = bench.load(server, requests, connections=connections)
            samples.add_load(subject, connections, load, cpu_ms=cpu_ms)


def _phoenix(bench: Bench, data: Mapping[str, Data], *, processes: int) -> dict[str, Start[Loaded]]:
    def start(tree: Tree) -> Start[Loaded]:
        @contextmanager
        def started() -> Iterator[Loaded]:
            its = data[tree.name]
            with served(tree, its, bench.scratch(), processes=processes) as server:
                yield server, its.posts()

        return started

    return {tree.name: start(tree) for tree in bench.trees}
