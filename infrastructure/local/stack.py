"""The one-machine stack: the API's process, a task dispatcher and a scheduler for the sweep.

It does locally what Google Cloud does around the API and the jobs: it restarts an API that died,
starts an execution for each task, and calls the sweep over HTTP with a service token.
"""

import contextlib
import fcntl
import logging
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Self

import httpx

from shared import settings, wiring
from shared.adapters.local import data_folder
from shared.adapters.local.data_folder import API_LOCK, LOGS, STACK_LOCK
from shared.adapters.local.lifeline import Lifeline
from shared.adapters.local.sqlite import check_whole
from shared.domain.errors import Unavailable
from shared.domain.kind import Kind
from shared.domain.policy import STOP_GRACE_S
from shared.settings import LocalBackend
from shared.wiring import Phoenix
from shared.wiring.local import check_files
from shared.wiring.ports import LocalParts

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
START_TIMEOUT_S = 30
POLL_INTERVAL_S = 0.05
SWEEP_TIMEOUT_S = 60
SWEEPER = "local-scheduler"
ORPHAN_GRACE_S = 2
"""How long an API may finish its requests after its stack was killed; the rest are interrupted."""
ORPHAN_WAIT_S = 10
RESUME_EVERY_S = 0.5


class StackError(Exception):
    """The stack cannot start; the message says what to do."""


class Stack:
    """A stack that runs inside its `with` block; stopping it loses nothing."""

    def __init__(self, environment: Mapping[str, str], *, port: int = 0) -> None:
        """Prepare a stack on this port, or on a free one for 0; raise WrongSetting or StackError."""
        self.base_url = f"http://{HOST}:{port or _free_port()}"
        self.settings = settings.load({**environment, "PHOENIX_BASE_URL": self.base_url})
        if not isinstance(self.settings.backend, LocalBackend):
            raise StackError("the one-machine stack needs the local backend")
        self.data = self.settings.backend.data
        data_folder.prepare(self.data)
        _await_orphan(self.data)
        if not _is_free(port):
            raise StackError(f"port {port} is in use: choose another with --port")
        self._logs = self.data / LOGS
        self._logs.mkdir(exist_ok=True)
        self._is_stopping = threading.Event()
        self._running = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Start everything and return when the API is healthy."""
        with contextlib.ExitStack() as running:
            running.enter_context(_stack_lock(self.data))
            self._api_lock = running.enter_context(_api_lock(self.data))
            self._lifeline = Lifeline()
            running.callback(self._lifeline.close)
            data_folder.close_to_others(self.data)
            check_files(self.data, check=check_whole)
            self.phoenix: Phoenix = wiring.build(self.settings)
            running.callback(self.phoenix.ports.close)
            local = self.phoenix.local
            if local is None:
                raise StackError("the one-machine stack needs the local backend")
            running.callback(local.executions.stop)
            self._api = self._start_api()
            running.callback(self._stop_api)
            self._wait_for_api()
            loops: list[Callable[[], None]] = [
                self._restart_api,
                partial(self._sweep_regularly, local),
                partial(self._resume_regularly, local),
                *(partial(self._dispatch, local, kind) for kind in Kind),
            ]
            for loop in loops:
                thread = threading.Thread(target=loop, daemon=True)
                thread.start()
                running.callback(thread.join)
                running.callback(self._is_stopping.set)
            self._running = running.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def _start_api(self) -> "subprocess.Popen[bytes]":
        host_and_port = ("--host", HOST, "--port", self.base_url.rpartition(":")[2])
        with (self._logs / "api.log").open("ab") as output:
            return subprocess.Popen(  # noqa: S603 (our own module)
                self._lifeline.command("api_service", *host_and_port, grace_s=ORPHAN_GRACE_S),
                env=dict(self.settings.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(self._lifeline.read_end, self._api_lock),
                start_new_session=True,
            )

    def _wait_for_api(self) -> None:
        with httpx.Client(trust_env=False) as client:  # one, because each loads the certificates
            for _ in range(int(START_TIMEOUT_S / POLL_INTERVAL_S)):
                with contextlib.suppress(httpx.TransportError):
                    if client.get(f"{self.base_url}/api/health").is_success:
                        return
                if self._api.poll() is not None:
                    break
                self._is_stopping.wait(POLL_INTERVAL_S)
        raise StackError(f"the API did not start: see {self._logs / 'api.log'}")

    def _restart_api(self) -> None:
        while not self._is_stopping.wait(POLL_INTERVAL_S):
            if self._api.poll() is not None:
                log.warning("api_restarted", extra={"exit_status": self._api.returncode})
                self._api = self._start_api()

    def _stop_api(self) -> None:
        self._api.terminate()
        try:
            self._api.wait(STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            self._api.kill()
            self._api.wait()

    def _dispatch(self, local: LocalParts, kind: Kind) -> None:
        run = partial(local.executions.run, kind=kind, drains=True)
        while not self._is_stopping.wait(POLL_INTERVAL_S):
            try:
                while local.queue.dispatch(kind, run, running=local.executions.running(kind)):
                    pass
            except Unavailable as error:
                log.warning("queue_failed", extra={"reason": repr(error)})

    def _resume_regularly(self, local: LocalParts) -> None:
        """Resume the executions of a stack that died, once their processes have ended."""
        while not self._is_stopping.is_set():
            try:
                for name in local.executions.resume():
                    log.info("execution_resumed", extra={"execution": name})
            except Unavailable as error:
                log.warning("resume_failed", extra={"reason": repr(error)})
            self._is_stopping.wait(RESUME_EVERY_S)

    def _sweep_regularly(self, local: LocalParts) -> None:
        while not self._is_stopping.is_set():
            token = local.identity.service_token(SWEEPER)
            try:
                httpx.post(
                    f"{self.base_url}/internal/cleanup",
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=SWEEP_TIMEOUT_S,
                    trust_env=False,  # a proxy cannot reach this machine
                ).raise_for_status()
            except httpx.HTTPError as error:
                log.warning("sweep_failed", extra={"reason": repr(error)})
            self._is_stopping.wait(self.settings.policy.sweep_every_s)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _await_orphan(data: Path) -> None:
    """Wait a while for the API of a stack that was killed, which may still use the port."""
    with contextlib.suppress(StackError), _stack_lock(data):
        for _ in range(int(ORPHAN_WAIT_S / POLL_INTERVAL_S)):
            with contextlib.suppress(StackError), _api_lock(data):
                return
            time.sleep(POLL_INTERVAL_S)


def _stack_lock(data: Path) -> contextlib.AbstractContextManager[int]:
    """Lock the data folder: two dispatchers would start each job twice."""
    return _locked(data / STACK_LOCK, f"another stack is running in {data}")


def _api_lock(data: Path) -> contextlib.AbstractContextManager[int]:
    return _locked(data / API_LOCK, f"the API of a stack that was killed still uses {data}")


@contextlib.contextmanager
def _locked(path: Path, refusal: str) -> Iterator[int]:
    """Lock a file and yield its descriptor; raise `StackError` if another process holds the lock."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(refusal) from error
        yield lock.fileno()
