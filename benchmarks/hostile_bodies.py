"""Response times of hostile bodies relative to an ordinary refusal.

Run it with `python -m benchmarks.hostile_bodies`.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial

import httpx
from rich import box
from rich.console import Console
from rich.table import Table

from infrastructure.local.stack import Stack
from tests.api.hostile import HOSTILE_BODIES, Hostile

ROUNDS = 15
ORDINARY = Hostile("an ordinary refusal", lambda: b'{"type":"video","prompt":""}')


def main() -> None:
    """Print the median for each body and its ratio to the ordinary refusal."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PHOENIX_DATA": folder}
        with (
            Stack(environment) as stack,
            httpx.Client(base_url=stack.base_url, trust_env=False) as client,
        ):
            token = client.post("/api/local/sign-in", json={"username": "ada"}).json()["token"]
            client.headers["Authorization"] = f"Bearer {token}"
            table = Table("body", "status", "bytes", "median", "ratio", box=box.SIMPLE)
            ordinary_s = 0.0
            for hostile in (ORDINARY, *HOSTILE_BODIES):
                answer, median_s = measured(partial(send, client, hostile))
                ordinary_s = ordinary_s or median_s
                table.add_row(
                    hostile.name,
                    str(answer.status_code),
                    str(len(answer.content)),
                    f"{median_s * 1000:.1f} ms",
                    f"{median_s / ordinary_s:.1f}",
                )
    Console().print(table)


def send(client: httpx.Client, hostile: Hostile) -> httpx.Response:
    return client.post(
        "/api/generate/creation",
        content=hostile.body(),
        headers={"Content-Type": hostile.content_type},
    )


def measured(send_once: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    """Return the last response and the median time of several, after a warm-up."""
    answer = send_once()
    times_s = []
    for _ in range(ROUNDS):
        began_s = time.perf_counter()
        answer = send_once()
        times_s.append(time.perf_counter() - began_s)
    return answer, statistics.median(times_s)


if __name__ == "__main__":
    main()
