"""Reads on one machine: lists and single creations, and the same as a 304."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial

import httpx

from benchmarks.bench import Bench
from benchmarks.phoenix import Data, Server, Size, User, filled, served
from benchmarks.table import Goal, Samples, Table
from benchmarks.trees import BEFORE, NOW, Tree
from benchmarks.wrk import Request, Requests

CONNECTIONS = 16
OK, NOT_MODIFIED = 200, 304
SIZE = Size(users=40, drafts=30, published=10)
PATHS: dict[str, Callable[[User], str]] = {
    "drafts": lambda _: "/api/generate/drafts",
    "one creation": lambda user: f"/api/generate/creation/{user.draft}",
    "feed": lambda _: "/api/feed",
    "ledger": lambda _: "/api/me/transactions",
}
QUICK_PATHS = ("drafts",)
NOTE = (
    f"{CONNECTIONS} connections, pages of 20. CPU is that of the API process. A list without an ETag"
    " has no 304."
)


def run(bench: Bench) -> list[Table]:
    data = {
        tree.name: filled(tree, bench.folder / f"reads-{tree.name}", SIZE) for tree in bench.trees
    }
    starts = {tree.name: partial(_start, bench, tree, data[tree.name]) for tree in bench.trees}
    samples = Samples("Reads", [BEFORE, NOW], NOTE)
    for subject, server in bench.in_turn(starts):
        for name in QUICK_PATHS if bench.is_quick else PATHS:
            _measure(bench, samples, subject, name, data[subject].users, server=server)
    return [samples.table(goals())]


def _start(bench: Bench, tree: Tree, data: Data) -> AbstractContextManager[Server]:
    return served(tree, data, bench.scratch())


def goals() -> Mapping[str, Goal]:
    rates = {f"{name}, req/s": Goal(limit=3, at_least=True, than=BEFORE) for name in PATHS}
    shares = {f"{name}, CPU of a 304 / a 200": Goal(limit=1 / 3) for name in PATHS}
    return rates | shares


def _measure(
    bench: Bench,
    samples: Samples,
    subject: str,
    name: str,
    users: Sequence[User],
    *,
    server: Server,
) -> None:
    requests = tuple(Request(PATHS[name](user), user.token) for user in users)
    full_ms = _sample(bench, samples, subject, name, Requests(requests, OK), server=server)
    tagged = with_etags(server.urls[0], requests)
    if tagged:
        unchanged = Requests(tagged, NOT_MODIFIED)
        short_ms = _sample(bench, samples, subject, f"{name} as a 304", unchanged, server=server)
        samples.add(subject, f"{name}, CPU of a 304 / a 200", short_ms / full_ms)


def _sample(
    bench: Bench, samples: Samples, subject: str, name: str, requests: Requests, *, server: Server
) -> float:
    """Add the rate and the CPU time of requests; return the latter in milliseconds for each."""
    load, cpu_ms = bench.load(server, requests, connections=CONNECTIONS)
    samples.add(subject, f"{name}, req/s", load.per_s, bad=load.bad)
    samples.add(subject, f"{name}, CPU ms", cpu_ms)
    return cpu_ms


def with_etags(url: str, requests: Sequence[Request]) -> tuple[Request, ...]:
    """Return the requests with the ETags that they get; none if there is no ETag."""
    with httpx.Client(base_url=url, trust_env=False) as client:
        answers = [
            client.get(each.path, headers={"Authorization": f"Bearer {each.token}"})
            for each in requests
        ]
    return tuple(
        Request(each.path, each.token, answer.headers["ETag"])
        for each, answer in zip(requests, answers, strict=True)
        if "ETag" in answer.headers
    )
