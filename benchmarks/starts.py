"""Starting: a job without work against its vendors' imports, the API, and the whole stack."""

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from benchmarks.bench import Bench
from benchmarks.phoenix import Data, Size, filled, variables
from benchmarks.processes import BenchError, until
from benchmarks.table import Goal, Samples, Table
from benchmarks.trees import BEFORE, NOW, Tree
from tests.servers.firestore_emulator import HOST, free_port

JOB_MODULE = "jobs.image_generation_job"
NO_CREATION = "c" * 26
REPEATS, QUICK_REPEATS = 7, 3
NOTE = (
    "A job with nothing to claim on one machine. Its bare imports are `import` of the same vendors'"
    " modules, sqlite3 among them, in a new Python. Job and imports are CPU times of the process, the"
    " others are seconds on the clock. Bytecode is cached."
)
JOB_GOALS = {"job, ratio to its bare imports": Goal(limit=1.5)}
GOALS = {
    **JOB_GOALS,
    "API, s to the first answer": Goal(limit=1.5),
    "API, s to the first answer with a token": Goal(limit=1.5),
    "phoenix up, s to ready": Goal(limit=2),
}


def run(bench: Bench) -> list[Table]:
    data = {
        tree.name: filled(tree, bench.folder / f"starts-{tree.name}", Size())
        for tree in bench.trees
    }
    samples = Samples("Starting", [BEFORE, NOW], NOTE)
    imports = {
        tree.name: imports_of(tree, variables(data[tree.name].folder)) for tree in bench.trees
    }
    for _ in range(QUICK_REPEATS if bench.is_quick else REPEATS):
        for tree in bench.trees:
            its = data[tree.name]
            measure_job(tree, variables(its.folder), imports[tree.name], samples)
            with bench.scratch() as folder:
                _measure_api(tree, its, folder, samples)
            with bench.scratch() as folder:
                samples.add(tree.name, "phoenix up, s to ready", _stack_ready_s(tree, folder))
    return [samples.table(GOALS)]


def imports_of(tree: Tree, settings: Mapping[str, str]) -> list[str]:
    """Return the vendors' modules that the job without work imports, in its order."""
    output = tree.output(tree.script("modules"), JOB_MODULE, **job_settings(settings))
    names: list[str] = json.loads(output.strip().splitlines()[-1])
    return names


def measure_job(
    tree: Tree, settings: Mapping[str, str], imports: Sequence[str], samples: Samples
) -> None:
    """Add the CPU times of a job without work and of its vendors' imports, and their ratio."""
    bare = "\n".join(f"import {name}" for name in imports)
    job_ms = _cpu_ms(tree, "-m", JOB_MODULE, settings=job_settings(settings))
    bare_ms = _cpu_ms(tree, "-c", bare, settings={})
    samples.add(tree.name, "job, CPU ms", job_ms)
    samples.add(tree.name, "job's bare imports, CPU ms", bare_ms)
    samples.add(tree.name, "job, ratio to its bare imports", job_ms / bare_ms)


def job_settings(settings: Mapping[str, str]) -> dict[str, str]:
    return {**settings, "CREATION_ID": NO_CREATION}


def _cpu_ms(tree: Tree, *arguments: str, settings: Mapping[str, str]) -> float:
    """Run a command of a tree to its end and return its user and system time."""
    process = subprocess.Popen(
        tree.command(*arguments),
        cwd=tree.path,
        env=tree.environment(**settings),
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchError(f"{arguments} ended with {process.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1000


def _measure_api(tree: Tree, data: Data, folder: Path, samples: Samples) -> None:
    """Add the times from the start of the API's process to its first answers."""
    port = free_port()
    settings = variables(data.copied(folder / "data"))
    headers = {"Authorization": f"Bearer {data.users[0].token}"}
    url = f"http://{HOST}:{port}"
    command = tree.command("-m", "api_service", "--host", HOST, "--port", str(port))
    began_s = time.monotonic()
    with (
        (folder / "api.log").open("wb") as log,
        subprocess.Popen(
            command,
            cwd=tree.path,
            env=tree.environment(PHOENIX_BASE_URL=url, **settings),
            stdout=log,
            stderr=log,
        ) as process,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        try:
            _await_answer(client, "/api/health", {})
            samples.add(tree.name, "API, s to the first answer", time.monotonic() - began_s)
            _await_answer(client, "/api/me", headers)
            what = "API, s to the first answer with a token"
            samples.add(tree.name, what, time.monotonic() - began_s)
        finally:
            process.terminate()


def _await_answer(client: httpx.Client, path: str, headers: dict[str, str]) -> None:
    def is_answered() -> bool:
        with suppress(httpx.TransportError):
            return client.get(path, headers=headers).is_success
        return False

    until(is_answered, what=path)


def _stack_ready_s(tree: Tree, folder: Path) -> float:
    """Return the time from the start of `phoenix up` to the line that names its address."""
    began_s = time.monotonic()
    with subprocess.Popen(
        tree.command("-m", "cli", "up", "--port", "0"),
        cwd=tree.path,
        env=tree.environment(PHOENIX_DATA=str(folder / "data")),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        ready_s = time.monotonic() - began_s
        process.terminate()
    if "Phoenix runs at" not in line:
        raise BenchError(f"phoenix up printed {line!r}")
    return ready_s
