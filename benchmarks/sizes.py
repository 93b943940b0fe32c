"""What many creations cost: pages 5,000 deep, and 100,000 creations against 1,000."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from benchmarks.bench import Bench
from benchmarks.phoenix import Data, Server, Size, filled, served, variables
from benchmarks.reads import OK, PATHS
from benchmarks.table import Goal, Samples, Table
from benchmarks.trees import BEFORE, NOW, Tree
from benchmarks.wrk import Request, Requests

DEPTH = 5_000
PAGE_REPEATS, QUICK_PAGE_REPEATS = 300, 20
CONNECTIONS = 16
SMALL = Size(users=40, drafts=20, published=5)
LARGE = Size(users=40, drafts=1_760, published=440, heavy=6_000)
QUICK_LARGE = Size(users=40, drafts=160, published=40, heavy=6_000)
"""40 users have 1,000 creations, 100,000, and 20,000."""
MORE_AT_MOST = 1.1
LISTS = ("feed", "drafts", "ledger", "profile")
POST = "POST"
POST_S = 1
"""Short, so that the small store stays small."""


def run(bench: Bench) -> list[Table]:
    """Measure both trees on data that the tree before wrote."""
    size = QUICK_LARGE if bench.is_quick else LARGE
    small = filled(bench.before, bench.folder / "small", SMALL)
    large = filled(bench.before, bench.folder / "large", size)
    return [
        _deep_pages(bench, large, count=size.creations),
        _many_creations(bench, {SMALL.creations: small, size.creations: large}),
    ]


def _deep_pages(bench: Bench, large: Data, *, count: int) -> Table:
    note = f"In process, {count:,} creations: pages of 20, CPU time. Deep: after {DEPTH:,}."
    samples = Samples("Deep pages", [BEFORE, NOW], note)
    repeats = str(QUICK_PAGE_REPEATS if bench.is_quick else PAGE_REPEATS)
    for _ in range(bench.repeats):
        for tree in bench.trees:
            arguments = (tree.script("pages"), large.users[0].name, str(DEPTH), repeats)
            with bench.scratch() as folder:
                data = large.copied(folder / "data")
                found = json.loads(tree.output(*arguments, **variables(data)))
            for name in LISTS:
                first_us, deep_us = found[name]["first"], found[name]["deep"]
                samples.add(tree.name, f"{name}, first page, us", first_us)
                samples.add(tree.name, f"{name}, deep page, us", deep_us)
                samples.add(tree.name, f"{name}, deep / first", deep_us / first_us)
    return samples.table({f"{name}, deep / first": Goal(limit=MORE_AT_MOST) for name in LISTS})


def _many_creations(bench: Bench, stores: dict[int, Data]) -> Table:
    [small, large] = stores
    note = f"CPU of the API process for each request, {CONNECTIONS} connections, first pages of 20."
    samples = Samples(f"{large:,} creations against {small:,}", [BEFORE, NOW], note)
    kinds: dict[str, Callable[[Data], Requests]] = {POST: Data.posts}
    if not bench.is_quick:
        kinds |= {name: partial(_reads, name) for name in PATHS}
    starts = {
        f"{tree.name} {count}": partial(_start, bench, tree, data)
        for tree in bench.trees
        for count, data in stores.items()
    }
    small_ms: dict[str, float] = {}
    for name, server in bench.in_turn(starts):
        subject, count = name.split()
        data = stores[int(count)]
        bench.warm_up(server, data.posts())
        for what, requests in kinds.items():
            load, cpu_ms = bench.load(
                server,
                requests(data),
                connections=CONNECTIONS,
                seconds=POST_S if what == POST else bench.load_s,
            )
            samples.add(subject, f"{what}, CPU ms with {int(count):,}", cpu_ms, bad=load.bad)
            if int(count) == small:
                small_ms[what] = cpu_ms
            else:
                samples.add(subject, f"{what}, ratio", cpu_ms / small_ms[what])
    return samples.table({f"{what}, ratio": Goal(limit=MORE_AT_MOST) for what in kinds})


def _start(bench: Bench, tree: Tree, data: Data) -> AbstractContextManager[Server]:
    return served(tree, data, bench.scratch())


def _reads(name: str, data: Data) -> Requests:
    return Requests(tuple(Request(PATHS[name](user), user.token) for user in data.users), OK)
