"""Run the benchmarks: `python -m benchmarks [--quick] [--before REF] [--only PART ..]`.

Prints a table for each part. A whole run, or one with --write, also records them in results.md.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benchmarks import (
    audits,
    drain,
    firestore,
    posts,
    reads,
    results,
    sizes,
    starts,
    streams,
    sweeps,
)
from benchmarks.bench import Bench
from benchmarks.processes import BenchError, check_programs
from benchmarks.table import Table
from benchmarks.trees import checked_out, this_tree

PLAIN_WIDTH = 160
BEFORE = "5e62715"
"""The commit before the work on speed began."""
PARTS: dict[str, Callable[[Bench], list[Table]]] = {
    "posts": posts.run,
    "firestore": firestore.run,
    "reads": reads.run,
    "sizes": sizes.run,
    "streams": streams.run,
    "starts": starts.run,
    "sweep": sweeps.run,
    "drain": drain.run,
    "audit": audits.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 3 minutes, and only printed")
    parser.add_argument("--before", default=BEFORE, help="the commit to compare with")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--write", action="store_true", help="record the tables in results.md")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # ends all servers first
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    try:
        found = _run(options, console)
    except BenchError as error:
        sys.exit(str(error))
    console.print(found.summary(), markup=False)
    sys.exit(1 if found.problems else 0)


def _run(options: argparse.Namespace, console: Console) -> results.Results:
    check_programs("wrk", "redis-server")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(
            before=stack.enter_context(checked_out(options.before, folder)),
            now=this_tree(),
            folder=folder,
            is_quick=options.quick,
        )
        found = results.Results(before=bench.before.commit, now=bench.now.commit)
        console.print(found.heading(), markup=False)
        is_recorded = options.write or not (options.quick or options.only != list(PARTS))
        for part in options.only:
            _run_part(part, bench, found, console)
            if is_recorded:  # after each part: a run may be ended early
                results.record(found)
    return found


def _run_part(part: str, bench: Bench, found: results.Results, console: Console) -> None:
    """Add a part's tables; one that cannot run must not lose those of the others."""
    console.print(f"Measuring {part} ..")
    try:
        tables = PARTS[part](bench)
    except BenchError as error:
        found.problems.append(f"{part}: {error}")
        return
    found.tables += tables
    for table in tables:
        console.print(table.rich())


if __name__ == "__main__":
    main()
