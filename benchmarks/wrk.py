"""Load from `wrk`, the cheapest generator: it shares the cores with what it measures."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import BenchError

SCRIPT = Path(__file__).parent / "load.lua"
TIMEOUT_S = 10


@dataclass(frozen=True)
class Request:
    path: str
    token: str = ""
    etag: str = ""


@dataclass(frozen=True)
class Requests:
    """What a load run sends, in turn, and the only status that it expects."""

    each: tuple[Request, ...]
    expected: int
    method: str = "GET"
    body: str = ""


@dataclass(frozen=True, kw_only=True)
class Load:
    """The outcome of a load run: answers, latencies, and answers that were not expected."""

    requests: int
    duration_s: float
    p50_ms: float
    p99_ms: float
    bad: Counter[str] = field(default_factory=Counter)
    """Answers by each unexpected status, and requests without an answer as `none`."""

    @property
    def per_s(self) -> float:
        return self.requests / self.duration_s


def parsed(output: str) -> Load:
    """Return the load that the last line of wrk's output describes; raise `BenchError`."""
    try:
        found = json.loads(output.strip().splitlines()[-1])
        return Load(
            requests=found["requests"],
            duration_s=found["duration_us"] / 1e6,
            p50_ms=found["p50_us"] / 1e3,
            p99_ms=found["p99_us"] / 1e3,
            bad=Counter({status: count for status, count in found["bad"].items() if count}),
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BenchError(f"wrk printed something else: {output[-500:]!r}") from error


def together(loads: Sequence[Load]) -> Load:
    """Return loads that ran at the same time as one: the sum of the rates, the worst latencies."""
    duration_s = max(load.duration_s for load in loads)
    return Load(
        requests=round(sum(load.per_s for load in loads) * duration_s),
        duration_s=duration_s,
        p50_ms=max(load.p50_ms for load in loads),
        p99_ms=max(load.p99_ms for load in loads),
        bad=sum((load.bad for load in loads), Counter()),
    )


def loaded(
    urls: Sequence[str],
    requests: Requests,
    *,
    connections: int,
    seconds: int,
    folder: Path,
) -> Load:
    """Send requests for a time, from the same number of connections to each server."""
    file = folder / "requests.tsv"
    file.write_text("".join(_lines(requests.each)))
    each = max(1, connections // len(urls))
    rest = [str(file), requests.method, str(requests.expected)]
    rest += [requests.body] if requests.body else []
    options = ["-t1", f"-c{each}", f"-d{seconds}s", f"--timeout={TIMEOUT_S}s", "-s", str(SCRIPT)]
    running = [
        subprocess.Popen(["wrk", *options, url, "--", *rest], stdout=subprocess.PIPE, text=True)
        for url in urls
    ]
    return together([parsed(process.communicate()[0]) for process in running])


def _lines(requests: Iterable[Request]) -> Iterable[str]:
    return (f"{each.path}\t{each.token}\t{each.etag}\n" for each in requests)
