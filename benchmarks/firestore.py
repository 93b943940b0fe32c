"""POST with the cloud's adapters: Firestore's emulator, and local servers for the other services.

No job runs: the tasks server accepts every task and dispatches none.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import httpx
from google.cloud import tasks_v2

from benchmarks.bench import Bench
from benchmarks.phoenix import ACCEPTED, IMAGE, NO_LIMITS, POST_PATH, Server, api
from benchmarks.processes import BenchError
from benchmarks.starts import JOB_GOALS, imports_of, measure_job
from benchmarks.table import Goal, Samples, Table
from benchmarks.trees import BEFORE, NOW, Tree
from benchmarks.wrk import Request, Requests
from shared.adapters.system.clock import SystemClock
from shared.domain.kind import Kind
from tests.servers import firestore_emulator
from tests.servers.certificate_server import CertificateServer
from tests.servers.cloud_tasks_server import CloudTasksServer
from tests.servers.google_settings import google_settings
from tests.servers.run_admin_server import LOCATION

USERS = 100
CONNECTIONS, QUICK_CONNECTIONS = (1, 16), (16,)
NOTE = (
    "Firestore's emulator and local servers for Google's other services, 100 users, one image each"
    " time; no job runs. CPU is that of the API process."
)
GOALS = {
    "CPU ms, 16 connections": Goal(limit=2.4),
    "req/s, 16 connections": Goal(limit=2, at_least=True, than=BEFORE),
    "p99 ms, 16 connections": Goal(limit=100),
}


@dataclass
class Cloud:
    """The running servers; each API process gets collections of its own."""

    google: CertificateServer
    tasks: CloudTasksServer
    emulator: str
    numbers: Iterator[int] = field(default_factory=count)

    def settings(self) -> dict[str, str]:
        return {
            **google_settings(self.google, self.tasks),
            **NO_LIMITS,
            "FIRESTORE_EMULATOR_HOST": self.emulator,
            "PHOENIX_COLLECTION_PREFIX": f"bench-{next(self.numbers)}-",
            "PHOENIX_WELCOME_KEY": "key-of-the-welcome-grants-of-benchmarks",
        }


def run(bench: Bench) -> list[Table]:
    with running_cloud() as cloud:
        return [_measured(bench, cloud), _job_starts(bench, cloud)]


@contextmanager
def running_cloud() -> Iterator[Cloud]:
    if not firestore_emulator.is_installed():
        raise BenchError("install Firestore's emulator: tests/install_emulator.sh")
    queues = [_queue(kind) for kind in Kind]
    with (
        CertificateServer() as google,
        CloudTasksServer(queues, clock=SystemClock()) as tasks,
        firestore_emulator.running() as emulator,
    ):
        yield Cloud(google, tasks, emulator)


def _measured(bench: Bench, cloud: Cloud) -> Table:
    samples = Samples("POST on Firestore's emulator", [BEFORE, NOW], NOTE)
    requests = _posts(cloud.google)
    with _start(bench, bench.before, cloud, requests) as server:
        bench.warm_up(server, requests)  # of the emulator's Java too
    starts = {tree.name: partial(_start, bench, tree, cloud, requests) for tree in bench.trees}
    for subject, server in bench.in_turn(starts):
        for connections in QUICK_CONNECTIONS if bench.is_quick else CONNECTIONS:
            load, cpu_ms = bench.load(server, requests, connections=connections)
            samples.add_load(subject, connections, load, cpu_ms=cpu_ms)
    return samples.table(GOALS)


def _job_starts(bench: Bench, cloud: Cloud) -> Table:
    note = "A job with nothing to claim, with the cloud's adapters; see Starting."
    samples = Samples("Starting a job in the cloud", [BEFORE, NOW], note)
    settings = cloud.settings()
    imports = {tree.name: imports_of(tree, settings) for tree in bench.trees}
    for _ in range(bench.repeats):
        for tree in bench.trees:
            measure_job(tree, settings, imports[tree.name], samples)
    return samples.table(JOB_GOALS)


@contextmanager
def _start(bench: Bench, tree: Tree, cloud: Cloud, requests: Requests) -> Iterator[Server]:
    """Run an API process in which every user has an account."""
    with bench.scratch() as folder, api(tree, folder, cloud.settings()) as (url, process):
        _create_accounts(url, requests)
        server = Server([url], [process])
        bench.warm_up(server, requests)
        yield server


def _create_accounts(url: str, requests: Requests) -> None:
    with (
        httpx.Client(base_url=url, trust_env=False, timeout=60) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        tokens = (each.token for each in requests.each)
        headers = ({"Authorization": f"Bearer {token}"} for token in tokens)
        for answer in threads.map(lambda each: client.get("/api/me", headers=each), headers):
            answer.raise_for_status()


def _posts(google: CertificateServer) -> Requests:
    tokens = (google.user_token(f"user-{number:04}") for number in range(USERS))
    each = tuple(Request(POST_PATH, token) for token in tokens)
    return Requests(each, ACCEPTED, method="POST", body=IMAGE)


def _queue(kind: Kind) -> tasks_v2.Queue:
    return tasks_v2.Queue(name=f"{LOCATION}/queues/{kind}-generation-queue")
