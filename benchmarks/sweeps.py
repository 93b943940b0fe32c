"""One call of the sweep on a backlog of overdue creations, in SQLite and in Firestore's emulator."""

import json
from collections.abc import Mapping

from benchmarks.bench import Bench
from benchmarks.firestore import running_cloud
from benchmarks.table import Goal, Samples, Table
from benchmarks.trees import BEFORE, NOW, Tree

EACH = 20
SQLITE_USERS, CLOUD_USERS, QUICK_USERS = 500, 100, 50
BUDGET_S = 45
NOTE = (
    f"Refunds of one call; each user left a burst of {EACH} images. In the cloud, every refund also"
    " withdraws a task; the emulator and the queue share the two cores."
)


def run(bench: Bench) -> list[Table]:
    samples = Samples("A backlog of overdue creations", [BEFORE, NOW], NOTE)
    goals: dict[str, Goal] = {}
    for _ in range(bench.repeats):
        for tree in bench.trees:
            with bench.scratch() as folder:
                users = QUICK_USERS if bench.is_quick else SQLITE_USERS
                data = {"PHOENIX_DATA": str(folder)}
                goals |= _measured(samples, "SQLite", tree, data, users=users)
    with running_cloud() as cloud:
        for _ in range(bench.repeats):
            for tree in bench.trees:
                users = QUICK_USERS if bench.is_quick else CLOUD_USERS
                goals |= _measured(samples, "Firestore", tree, cloud.settings(), users=users)
    return [samples.table(goals)]


def _measured(
    samples: Samples, where: str, tree: Tree, environment: Mapping[str, str], *, users: int
) -> dict[str, Goal]:
    """Add the figures of one call and return their goals."""
    output = tree.output(tree.script("sweep"), str(users), str(EACH), **environment)
    found = json.loads(output.splitlines()[-1])
    settled, seconds = f"{where}, settled of {users * EACH:,}", f"{where}, s of a call"
    samples.add(tree.name, settled, found["settled"])
    samples.add(tree.name, seconds, found["seconds"])
    samples.add(tree.name, f"{where}, settled a second", found["settled"] / found["seconds"])
    samples.add(tree.name, f"{where}, CPU ms each", 1000 * found["cpu_s"] / found["settled"])
    samples.add(tree.name, f"{where}, peak MiB", found["peak_mib"])
    return {
        settled: Goal(limit=users * EACH, at_least=True),
        seconds: Goal(limit=BUDGET_S),
    }
