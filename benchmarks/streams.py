"""Watching: many open event streams, and changes that another process commits."""

import asyncio
import contextlib
import json
import resource
import statistics
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from benchmarks.bench import Bench
from benchmarks.phoenix import Data, Size, User, api, filled, variables
from benchmarks.processes import BenchError, Process
from benchmarks.table import Goal, Samples, Table
from benchmarks.trees import BEFORE, NOW, Tree

STREAMS, QUICK_STREAMS = 1_000, 200
CREATIONS = 100
CHANGES_PER_S = 5
CHANGING_S, QUICK_CHANGING_S = 30, 6
OPEN_TIMEOUT_S = 120
LATE_S = 5
"""How long to wait for changes after the last one."""
OPENED_AT_ONCE = 20
FILES_RESERVED = 500
READ_BYTES = 256 * 1024
P99 = 98
"""The place of the 99th percentile among 99 cut points."""
GOALS = {
    "CPU, % of a core": Goal(limit=10),
    "delivery p99 ms": Goal(limit=150),
    "KB a stream": Goal(limit=100),
    "changes not delivered": Goal(limit=0),
}


@dataclass
class Watcher:
    """The client of one user's stream."""

    user: User
    received_s: float | None = None
    """When the first change arrived."""
    has_snapshot: asyncio.Event = field(default_factory=asyncio.Event)
    has_change: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self, host: str, port: int) -> None:
        """Open the stream and read it until it is cancelled."""
        reader, writer = await asyncio.open_connection(host, port, limit=READ_BYTES)
        writer.write(
            f"GET /api/generate/events HTTP/1.1\r\nHost: {host}\r\n"
            f"Authorization: Bearer {self.user.token}\r\n\r\n".encode()
        )
        try:
            while line := await reader.readline():
                if line.startswith(b"event: snapshot"):
                    self.has_snapshot.set()
                elif line.startswith(b"event: change") and self.received_s is None:
                    self.received_s = time.monotonic()
                    self.has_change.set()
        finally:
            writer.close()


def run(bench: Bench) -> list[Table]:
    streams = QUICK_STREAMS if bench.is_quick else STREAMS
    changing_s = QUICK_CHANGING_S if bench.is_quick else CHANGING_S
    raise_file_limit(streams + FILES_RESERVED)
    data = filled(bench.before, bench.folder / "streams", Size(users=streams, drafts=CREATIONS))
    note = (
        f"{streams:,} streams of as many users with {CREATIONS} creations each; {CHANGES_PER_S} changes"
        f" a second for {changing_s} s, committed by another process. A lower cap of streams is raised."
    )
    samples = Samples("Watching", [BEFORE, NOW], note)
    for _ in range(1 if bench.is_quick else bench.repeats):
        for tree in bench.trees:
            _measure(bench, tree, data, samples, changing_s=changing_s)
    return [samples.table(GOALS)]


def raise_file_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def _measure(bench: Bench, tree: Tree, data: Data, samples: Samples, *, changing_s: int) -> None:
    has_room = _streams_max(tree) >= len(data.users)
    module = ("-m", "api_service") if has_room else (tree.script("api"),)
    with bench.scratch() as folder, ExitStack() as stack:
        settings = variables(data.copied(folder / "data"))
        url, process = stack.enter_context(api(tree, folder, settings, module=module))
        count = CHANGES_PER_S * changing_s
        command = tree.command(tree.script("change"), str(1 / CHANGES_PER_S), str(count))
        change = Change(tree, command, settings)
        asyncio.run(_watched(url, process, data.users, change, samples=samples))


def _streams_max(tree: Tree) -> int:
    code = "from api_service.events import StreamLimits; print(StreamLimits().streams_max)"
    return int(tree.output("-c", code))


@dataclass(frozen=True)
class Change:
    """The process that commits changes."""

    tree: Tree
    command: Sequence[str]
    settings: dict[str, str]

    async def run(self, users: Sequence[User]) -> dict[str, float]:
        """Run it; return the moment of each change by the name of its user."""
        process = await asyncio.create_subprocess_exec(
            *self.command,
            cwd=self.tree.path,
            env=self.tree.environment(**self.settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        lines = "".join(json.dumps(vars(user)) + "\n" for user in users)
        output, _ = await process.communicate(lines.encode())
        rows = [json.loads(line) for line in output.splitlines()]
        return {row["name"]: row["at_s"] for row in rows}


async def _watched(
    url: str, process: Process, users: Sequence[User], change: Change, *, samples: Samples
) -> None:
    address = urlsplit(url)
    watchers = {user.name: Watcher(user) for user in users}
    idle_kb = process.resident_kb()
    tasks: list[asyncio.Task[None]] = []
    began_s = time.monotonic()
    for watcher in watchers.values():
        watching = watcher.watch(str(address.hostname), int(address.port or 0))
        tasks.append(asyncio.create_task(watching))
        if len(tasks) % OPENED_AT_ONCE == 0:
            await _opened(watcher)
    await asyncio.gather(*map(_opened, watchers.values()))
    opened_s = time.monotonic() - began_s
    subject, stream_kb = change.tree.name, (process.resident_kb() - idle_kb) / len(users)

    cpu_s, began_s = process.cpu_s(), time.monotonic()
    changed_s = await change.run(users)
    share = (process.cpu_s() - cpu_s) / (time.monotonic() - began_s)
    with contextlib.suppress(TimeoutError):
        arrivals = (watchers[name].has_change.wait() for name in changed_s)
        await asyncio.wait_for(asyncio.gather(*arrivals), LATE_S)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    arrivals_s = {name: watchers[name].received_s for name in changed_s}
    delays_ms = [
        (arrived_s - changed_s[name]) * 1000
        for name, arrived_s in arrivals_s.items()
        if arrived_s is not None
    ]
    samples.add(subject, "CPU, % of a core", share * 100)
    samples.add(subject, "delivery p50 ms", statistics.median(delays_ms))
    samples.add(subject, "delivery p99 ms", statistics.quantiles(delays_ms, n=100)[P99])
    samples.add(subject, "KB a stream", stream_kb)
    samples.add(subject, "changes not delivered", len(changed_s) - len(delays_ms))
    samples.add(subject, "ms to open a stream", opened_s * 1000 / len(users))


async def _opened(watcher: Watcher) -> None:
    try:
        await asyncio.wait_for(watcher.has_snapshot.wait(), OPEN_TIMEOUT_S)
    except TimeoutError as error:
        raise BenchError(f"the stream of {watcher.user.name} sent no snapshot") from error
