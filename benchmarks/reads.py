"""Reads on one machine: lists and single creations, and the same as a 304."""

from collections.abc import Callable, Mapping, Sequence

import httpx

from benchmarks.bench import Bench, load_with_cpu
from benchmarks.phoenix import Api, Size, User, apis, filled
from benchmarks.table import Goal, Samples, Table
from benchmarks.trees import BEFORE, NOW
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
NOTE = (
    f"{CONNECTIONS} connections, pages of 20. CPU is that of the API process. A list without an ETag"
    " has no 304."
)


def run(bench: Bench) -> list[Table]:
    data = {
        tree.name: filled(tree, bench.folder / f"reads-{tree.name}", SIZE) for tree in bench.trees
    }
    samples = Samples("Reads", [BEFORE, NOW], NOTE)
    for _ in range(bench.repeats):
        for tree in bench.trees:
            with (
                bench.scratch() as folder,
                data[tree.name].copy(folder) as copied,
                apis(tree, copied) as api,
            ):
                for name, path in PATHS.items():
                    requests = [Request(path(user), user.token) for user in data[tree.name].users]
                    _measure(bench, samples, tree.name, name, requests, api=api)
    return [samples.table(goals())]


def goals() -> Mapping[str, Goal]:
    rates = {f"{name}, req/s": Goal(limit=3, at_least=True, than=BEFORE) for name in PATHS}
    shares = {f"{name}, CPU of a 304 / a 200": Goal(limit=1 / 3) for name in PATHS}
    return rates | shares


def _measure(
    bench: Bench,
    samples: Samples,
    subject: str,
    name: str,
    requests: Sequence[Request],
    *,
    api: Api,
) -> None:
    full_ms = _sample(bench, samples, subject, name, Requests(tuple(requests), OK), api=api)
    tagged = with_etags(api.urls[0], requests)
    if not tagged:
        return
    unchanged = Requests(tuple(tagged), NOT_MODIFIED)
    short_ms = _sample(bench, samples, subject, f"{name} as a 304", unchanged, api=api)
    samples.add(subject, f"{name}, CPU of a 304 / a 200", short_ms / full_ms)


def _sample(
    bench: Bench, samples: Samples, subject: str, name: str, requests: Requests, *, api: Api
) -> float:
    """Add the rate and the CPU time of requests; return the latter in milliseconds for each."""
    load, cpu_ms = load_with_cpu(bench, requests, api=api, connections=CONNECTIONS)
    samples.add(subject, f"{name}, req/s", load.per_s, bad=load.bad)
    samples.add(subject, f"{name}, CPU ms", cpu_ms)
    return cpu_ms


def with_etags(url: str, requests: Sequence[Request]) -> list[Request]:
    """Return the requests with the ETags that they get; none if there is no ETag."""
    with httpx.Client(base_url=url, trust_env=False) as client:
        answers = [
            client.get(each.path, headers={"Authorization": f"Bearer {each.token}"})
            for each in requests
        ]
    return [
        Request(each.path, each.token, answer.headers["ETag"])
        for each, answer in zip(requests, answers, strict=True)
        if "ETag" in answer.headers
    ]
