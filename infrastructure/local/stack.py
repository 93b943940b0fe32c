"""The one-machine stack: the API's process, a dispatcher that starts jobs, and the sweep's clock.

What Google Cloud does around the API and the jobs, with the same restarts: an API that dies is
started again, a task that is dispatched starts an execution, and regularly somebody calls the
sweep over HTTP with a service token.
"""

import contextlib
import fcntl
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Self

import httpx

from shared import settings, wiring
from shared.domain.errors import Unavailable
from shared.domain.policy import STOP_GRACE_S, Kind
from shared.settings import LocalBackend
from shared.wiring import LocalParts, Phoenix

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
START_TIMEOUT_S = 30
LOOK_EVERY_S = 0.05
SWEEP_TIMEOUT_S = 60
SWEEPER = "local-scheduler"
LOGS = "logs"


class StackError(Exception):
    """The stack cannot start; the message says why and what to do."""


class Stack:
    """A stack that runs while its `with` block does; stopping it loses nothing."""

    def __init__(self, environment: Mapping[str, str], *, port: int = 0) -> None:
        """Prepare a stack on this port of the machine; 0 takes a free one.

        Raises:
            WrongSetting, StackError
        """
        self.base_url = f"http://{HOST}:{_checked_port(port)}"
        self.settings = settings.load({**environment, "PHOENIX_BASE_URL": self.base_url})
        if not isinstance(self.settings.backend, LocalBackend):
            raise StackError("the one-machine stack needs the local backend")
        self.data = self.settings.backend.data
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._logs = self.data / LOGS
        self._logs.mkdir(exist_ok=True)
        self._is_stopping = threading.Event()
        self._running = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Start everything and return when the API answers."""
        with contextlib.ExitStack() as running:
            running.enter_context(_alone(self.data / "stack.lock"))
            self.phoenix: Phoenix = wiring.build(self.settings)
            running.callback(self.phoenix.ports.close)
            local = self.phoenix.local
            if local is None:
                raise StackError("the one-machine stack needs the local backend")
            running.callback(local.executions.stop)
            self._api = self._start_api()
            running.callback(self._stop_api)
            running.callback(self._is_stopping.set)
            self._wait_for_api()
            works: list[Callable[[], None]] = [
                self._keep_api,
                partial(self._sweep_regularly, local),
                *(partial(self._dispatch, local, kind) for kind in Kind),
            ]
            for work in works:
                thread = threading.Thread(target=work, daemon=True)
                thread.start()
                running.callback(thread.join)
            running.callback(self._is_stopping.set)
            self._running = running.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the dispatcher, the API and the jobs, which hand their work back."""
        self._running.close()

    # The API

    def _start_api(self) -> "subprocess.Popen[bytes]":
        host_and_port = ("--host", HOST, "--port", self.base_url.rpartition(":")[2])
        with (self._logs / "api.log").open("ab") as output:
            return subprocess.Popen(  # noqa: S603 (our own module)
                [
                    *(sys.executable, "-m", "api_service"),
                    *host_and_port,
                ],
                env=dict(self.settings.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait_for_api(self) -> None:
        for _ in range(int(START_TIMEOUT_S / LOOK_EVERY_S)):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.base_url}/api/health", trust_env=False).is_success:
                    return
            if self._api.poll() is not None:
                break
            self._is_stopping.wait(LOOK_EVERY_S)
        raise StackError(f"the API did not start: see {self._logs / 'api.log'}")

    def _keep_api(self) -> None:
        while not self._is_stopping.wait(LOOK_EVERY_S):
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

    # The dispatcher and the sweep's clock

    def _dispatch(self, local: LocalParts, kind: Kind) -> None:
        while not self._is_stopping.wait(LOOK_EVERY_S):
            try:
                while local.queue.dispatch(kind, partial(local.executions.run, kind=kind)):
                    pass
            except Unavailable as error:
                log.warning("queue_failed", extra={"reason": repr(error)})

    def _sweep_regularly(self, local: LocalParts) -> None:
        while not self._is_stopping.wait(self.settings.policy.sweep_every_s):
            token = local.identity.service_token(SWEEPER)
            try:
                httpx.post(
                    f"{self.base_url}/internal/cleanup",
                    headers={"Authorization": f"Bearer {token}"},
                    timeout=SWEEP_TIMEOUT_S,
                    trust_env=False,  # no proxy leads to this machine
                ).raise_for_status()
            except httpx.HTTPError as error:
                log.warning("sweep_failed", extra={"reason": repr(error)})


def _checked_port(port: int) -> int:
    """Return the port, or a free one for 0; raises `StackError` if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise StackError(f"port {port} is taken: choose another with --port") from error
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the data folder's lock, or raise `StackError`: two dispatchers would start jobs twice."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(f"another stack is running in {path.parent}") from error
        yield
