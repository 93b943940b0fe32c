"""Draining: the whole stack on one machine, one image after an idle minute, and a backlog."""

import json

from benchmarks.bench import Bench
from benchmarks.phoenix import variables
from benchmarks.processes import BenchError
from benchmarks.table import Goal, Samples, Table
from benchmarks.trees import BEFORE, NOW, Tree

IMAGES, QUICK_IMAGES = 400, 100
USERS = 50
IDLE_S, QUICK_IDLE_S = 60, 5
LATER_THAN_BEFORE = 1.05
"""The noise that a lone image's time may have: starting a process takes most of what varies."""
WARM_UP = ("2", "1", "0")
NOTE = (
    f"`phoenix up` on all cores of the machine, {IMAGES} images (quick: {QUICK_IMAGES}) of"
    f" {USERS} users with the sample"
    " generator, whose drawing alone takes 163 ms of CPU. The time ends with the last draft. CPU is that"
    " of all processes: of the API, the dispatcher and the jobs, from the start of the stack to its end."
    f" The lone image comes after {IDLE_S} s without any (quick: {QUICK_IDLE_S} s)."
)
LONE = "s, first image after an idle minute"
PER_MINUTE = "images a minute"
GOALS = {
    PER_MINUTE: Goal(limit=1.6, at_least=True, than=BEFORE),
    LONE: Goal(limit=LATER_THAN_BEFORE, than=BEFORE),
}


def run(bench: Bench) -> list[Table]:
    samples = Samples("Images on one machine", [BEFORE, NOW], NOTE)
    images, idle_s = (QUICK_IMAGES, QUICK_IDLE_S) if bench.is_quick else (IMAGES, IDLE_S)
    for tree in bench.trees:  # caches the bytecode
        _measured(bench, tree, *WARM_UP)
    for _ in range(bench.repeats):
        for tree in bench.trees:
            measured = _measured(bench, tree, str(images), str(USERS), str(idle_s))
            samples.add(tree.name, PER_MINUTE, images * 60 / measured["drafts_s"])
            samples.add(tree.name, "CPU ms an image", measured["cpu_s"] * 1000 / (images + 1))
            samples.add(tree.name, "executions", measured["executions"])
            samples.add(tree.name, LONE, measured["lone_s"])
    return [samples.table(GOALS)]


def _measured(bench: Bench, tree: Tree, *arguments: str) -> dict[str, float]:
    with bench.scratch() as folder:
        output = tree.output(tree.script("drain"), *arguments, **variables(folder / "data"))
    if not output:
        raise BenchError(f"the stack of {tree.name} printed nothing")
    measured: dict[str, float] = json.loads(output.splitlines()[-1])
    return measured
