"""Finds and kills the processes of a stack."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path


def processes_with(variable: str, value: str) -> Iterator[tuple[int, str]]:
    """Yield the id and command line of every other process with this environment variable."""
    wanted = f"{variable}={value}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_other = int(folder.name) != os.getpid()
            if is_other and wanted in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                yield int(folder.name), command


def jobs_of(creation_id: str) -> list[int]:
    """Return the ids of a creation's job processes."""
    found = processes_with("CREATION_ID", creation_id)
    return [process_id for process_id, command in found if "_generation_job" in command]


def kill(process_ids: list[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to each process that still exists."""
    for process_id in process_ids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, number)
