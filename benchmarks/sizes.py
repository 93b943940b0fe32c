"""What many creations cost: pages 5,000 deep, and 100,000 creations against 1,000."""

import json
from collections.abc import Callable

from benchmarks.bench import Bench, load_with_cpu
from benchmarks.phoenix import Data, Size, apis, filled, variables
from benchmarks.reads import OK, PATHS
from benchmarks.table import Goal, Samples, Table
from benchmarks.trees import BEFORE, NOW, Tree
from benchmarks.wrk import Request, Requests

DEPTH = 5_000
PAGE_REPEATS, QUICK_PAGE_REPEATS = 300, 30
CONNECTIONS = 16
SMALL = Size(users=40, drafts=20, published=5)
LARGE = Size(users=40, drafts=1_760, published=440, heavy=6_000)
"""40 users have 1,000 and 100,000 creations, which the commit before writes."""
MORE_AT_MOST = 1.1
LISTS = ("feed", "drafts", "ledger", "profile")
POST = "POST"


def run(bench: Bench) -> list[Table]:
    small = filled(bench.before, bench.folder / "small", SMALL)
    large = filled(bench.before, bench.folder / "large", LARGE)
    return [_deep_pages(bench, large), _many_creations(bench, small, large)]


def _deep_pages(bench: Bench, large: Data) -> Table:
    note = f"In process, in a store of 100,000 creations: pages of 20, CPU time. Deep: after {DEPTH:,}."
    samples = Samples("Deep pages", [BEFORE, NOW], note)
    repeats = str(QUICK_PAGE_REPEATS if bench.is_quick else PAGE_REPEATS)
    for tree in bench.trees:
        with bench.scratch() as folder, large.copy(folder) as data:
            arguments = (tree.script("pages"), large.users[0].name, str(DEPTH), repeats)
            for _ in range(bench.repeats):
                found = json.loads(tree.output(*arguments, **variables(data)))
                for name in LISTS:
                    first_us, deep_us = found[name]["first"], found[name]["deep"]
                    samples.add(tree.name, f"{name}, first page, us", first_us)
                    samples.add(tree.name, f"{name}, deep page, us", deep_us)
                    samples.add(tree.name, f"{name}, deep / first", deep_us / first_us)
    return samples.table({f"{name}, deep / first": Goal(limit=MORE_AT_MOST) for name in LISTS})


def _many_creations(bench: Bench, small: Data, large: Data) -> Table:
    note = f"CPU of the API process for each request, {CONNECTIONS} connections, first pages of 20."
    samples = Samples("100,000 creations against 1,000", [BEFORE, NOW], note)
    whats = {POST: _posts, **{name: _reads(name) for name in PATHS}}
    for _ in range(bench.repeats):
        for tree in bench.trees:
            small_ms = _cpu_ms(bench, tree, small, whats)
            large_ms = _cpu_ms(bench, tree, large, whats)
            for what in whats:
                samples.add(tree.name, f"{what}, CPU ms with 1,000", small_ms[what])
                samples.add(tree.name, f"{what}, CPU ms with 100,000", large_ms[what])
                samples.add(tree.name, f"{what}, ratio", large_ms[what] / small_ms[what])
    return samples.table({f"{what}, ratio": Goal(limit=MORE_AT_MOST) for what in whats})


def _cpu_ms(
    bench: Bench, tree: Tree, data: Data, whats: dict[str, Callable[[Data], Requests]]
) -> dict[str, float]:
    """Return the API's CPU time for each kind of request."""
    with bench.scratch() as folder, data.copy(folder) as copied, apis(tree, copied) as api:
        load_with_cpu(bench, data.posts(), api=api, connections=CONNECTIONS)  # a warm-up
        found = {}
        for what, requests in whats.items():
            load, found[what] = load_with_cpu(
                bench, requests(data), api=api, connections=CONNECTIONS
            )
            assert not load.bad, f"{what}: {load.statuses}"
    return found


def _posts(data: Data) -> Requests:
    return data.posts()


def _reads(name: str) -> Callable[[Data], Requests]:
    path = PATHS[name]
    return lambda data: Requests(tuple(Request(path(user), user.token) for user in data.users), OK)
