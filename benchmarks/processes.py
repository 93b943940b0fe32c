"""Processes that are measured: started, awaited, read from /proc, ended."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.servers.firestore_emulator import HOST

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
POLL_INTERVAL_S = 0.01
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
USER_TICKS = 11
"""The place of utime after the command in /proc/PID/stat; stime follows (proc_pid_stat(5))."""
RESIDENT_PAGES = 1
"""The place of the resident size in /proc/PID/statm."""
PROGRAMS = {"wrk": "wrk", "redis-server": "redis-server"}
"""Each program with its Debian package."""


class BenchError(Exception):
    """The benchmark cannot run; the message says what to do."""


@dataclass(frozen=True)
class Process:
    """A running process."""

    process_id: int

    def cpu_s(self) -> float:
        """Return the user and system time since its start of this process and its children."""
        folder = Path(f"/proc/{self.process_id}")
        after_name = (folder / "stat").read_text().rpartition(")")[2]
        user, system = after_name.split()[USER_TICKS : USER_TICKS + 2]
        children = (folder / f"task/{self.process_id}/children").read_text().split()
        of_children_s = sum(Process(int(child)).cpu_s() for child in children)
        return (int(user) + int(system)) / TICKS_PER_S + of_children_s

    def resident_kb(self) -> int:
        pages = Path(f"/proc/{self.process_id}/statm").read_text().split()[RESIDENT_PAGES]
        return int(pages) * PAGE_KB


def base_environment() -> dict[str, str]:
    """Return the variables that every measured process gets; bytecode is cached, as installed."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


@contextmanager
def running(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    log: Path,
    is_ready: Callable[[], bool],
) -> Iterator[Process]:
    """Run a server from its readiness to the end of the block; raise `BenchError` with its log."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command, cwd=cwd, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            until(lambda: is_ready() or process.poll() is not None, what=str(command[:4]))
            if process.poll() is not None:
                raise BenchError(f"{command} ended:\n{log.read_text()[-2000:]}")
            yield Process(process.pid)
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def until(condition: Callable[[], bool], *, what: str, within_s: float = START_TIMEOUT_S) -> None:
    """Poll until a condition is true; raise `BenchError` after the timeout."""
    end_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end_s:
            raise BenchError(f"{what}: not ready within {within_s:.0f} s")
        time.sleep(POLL_INTERVAL_S)


def responds(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=1).is_success
    except httpx.HTTPError:
        return False


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def check_programs(*names: str) -> None:
    """Raise `BenchError` with the command that installs what is missing."""
    missing = [PROGRAMS[name] for name in names if shutil.which(name) is None]
    if missing:
        raise BenchError(f"install what is missing: sudo apt-get install {' '.join(missing)}")
