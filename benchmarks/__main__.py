"""Run the benchmarks: `python -m benchmarks [--quick] [--before REF] [--only PART ..]`.

Prints a table for each part. A whole run, or one with --write, also records them in results.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benchmarks import firestore, posts, reads, results, sizes, starts, streams
from benchmarks.bench import Bench
from benchmarks.processes import BenchError, check_programs
from benchmarks.table import Table
from benchmarks.trees import checked_out, this_tree

BEFORE = "5e62715"
"""The commit before the work on speed began."""
PARTS: dict[str, Callable[[Bench], list[Table]]] = {
    "posts": posts.run,
    "firestore": firestore.run,
    "reads": reads.run,
    "sizes": sizes.run,
    "streams": streams.run,
    "starts": starts.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 3 minutes, and only printed")
    parser.add_argument("--before", default=BEFORE, help="the commit to compare with")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--write", action="store_true", help="record the tables in results.md")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        tables = _run(options, console)
    except BenchError as error:
        sys.exit(str(error))
    if options.write or not (options.quick or options.only != list(PARTS)):
        results.record(tables, console)


def _run(options: argparse.Namespace, console: Console) -> "results.Results":
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
        console.print(found.heading())
        for part in options.only:
            for table in PARTS[part](bench):
                found.tables.append(table)
                console.print(table.rich())
    console.print(found.summary())
    return found


if __name__ == "__main__":
    main()
