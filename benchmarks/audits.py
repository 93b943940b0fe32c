"""The audit's memory and time, for a store that an audit must read whole."""

import json

from benchmarks.bench import Bench
from benchmarks.table import Goal, Samples, Table
from benchmarks.trees import BEFORE, NOW

EACH = 1_000
USERS, QUICK_USERS, MANY_USERS = 100, 10, 1_000
PEAK_MIB = 150
SINCE = ("--since without checkpoints", "--since when nothing moved")
NOTE = (
    f"SQLite; each user has {EACH:,} images with two files each, which are listed and not stored."
    " The largest store is audited once, and only by this tree."
)


def run(bench: Bench) -> list[Table]:
    samples = Samples("The audit", [BEFORE, NOW], NOTE)
    goals: dict[str, Goal] = {}
    sizes = [QUICK_USERS] if bench.is_quick else [USERS, MANY_USERS]
    for users in sizes:
        is_many = users == MANY_USERS
        for _ in range(1 if is_many else bench.repeats):
            for tree in [bench.now] if is_many else bench.trees:
                with bench.scratch() as folder:
                    arguments = (tree.script("audit"), str(users), str(EACH))
                    found = json.loads(tree.output(*arguments, PHOENIX_DATA=str(folder)))
                peak = f"{users * EACH:,} creations, peak MiB"
                samples.add(tree.name, peak, found["peak_mib"])
                samples.add(tree.name, f"{users * EACH:,} creations, s", found["seconds"])
                for case, since in zip(SINCE, found.get("since", []), strict=False):
                    samples.add(
                        tree.name, f"{users * EACH:,} creations, {case}, s", since["seconds"]
                    )
                goals[peak] = Goal(limit=PEAK_MIB)
    return [samples.table(goals)]
