"""The whole one-machine stack: real API process, jobs and files."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from infrastructure.local.stack import Stack
from shared.domain.creation import Creation, creation_key
from shared.domain.keys import CreationId
from tests.support.eventually import eventually

SCALED_DOWN = {
    "PHOENIX_POLICY_DEADLINE_S": "60",
    "PHOENIX_POLICY_VIDEO_JOB_TIMEOUT_S": "40",
    "PHOENIX_POLICY_IMAGE_JOB_TIMEOUT_S": "40",
    "PHOENIX_POLICY_VIDEO_DRAIN_S": "20",
    "PHOENIX_POLICY_VIDEO_ROOM_S": "20",
    "PHOENIX_POLICY_IMAGE_DRAIN_S": "20",
    "PHOENIX_POLICY_IMAGE_ROOM_S": "20",
    "PHOENIX_POLICY_LEASE_S": "3",
    "PHOENIX_POLICY_LEASE_GRACE_S": "0.5",
    "PHOENIX_POLICY_CLOCK_SKEW_S": "0.3",
    "PHOENIX_POLICY_HEARTBEAT_S": "0.5",
    "PHOENIX_POLICY_SWEEP_EVERY_S": "1",
    "PHOENIX_POLICY_RETRY_DELAYS_S": "1,1,1",
    "PHOENIX_POLICY_RETRY_EARLY_S": "0.2",
    "PHOENIX_POLICY_VIDEO_MINIMUM_RUN_S": "5",
    "PHOENIX_POLICY_IMAGE_MINIMUM_RUN_S": "5",
    "PHOENIX_POLICY_VIDEO_TYPICAL_S": "5",
    "PHOENIX_POLICY_IMAGE_TYPICAL_S": "5",
    "PHOENIX_POLICY_VIDEO_POLL_S": "0.2",
    "PHOENIX_POLICY_IMAGE_POLL_S": "0.2",
    "PHOENIX_POLICY_OUTPUT_SEARCH_S": "3",
}
"""A policy with seconds instead of minutes."""


class OneMachine:
    """A running stack and its data folder."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.data = stack.data
        self.clients = ExitStack()
        self.tokens: list[str] = []

    def client(self, user: str = "ada") -> httpx.Client:
        client = self.clients.enter_context(httpx.Client(base_url=self.stack.base_url, timeout=30))
        token = client.post("/api/local/sign-in", json={"username": user}).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        self.tokens.append(token)
        return client

    def open(self, client: httpx.Client, prompt: str, kind: str = "video", **body: Any) -> str:
        answer = client.post(
            "/api/generate/creation", json={"type": kind, "prompt": prompt, **body}
        )
        assert answer.status_code == 202, answer.text
        creation_id: str = answer.json()["creationId"]
        return creation_id

    def document(self, creation_id: str) -> Creation:
        found = self.stack.phoenix.ports.store.get(creation_key(CreationId(creation_id)))
        assert found is not None
        return found

    def settled(self, creation_id: str, *, within_s: float = 90) -> Creation:
        eventually(lambda: not self.document(creation_id).is_unfinished, within_s=within_s)
        return self.document(creation_id)

    def starts(self, creation_id: str = "") -> int:
        """Return how many operations the sample generator has started."""
        return len(list((self.data / "generator/operations").glob(f"{creation_id}*.json")))

    def logs(self) -> str:
        """Return all logs of the API and the jobs."""
        return "".join(path.read_text() for path in self.data.rglob("*.log"))

    def violations(self) -> list[Any]:
        return list(self.stack.phoenix.auditing.audit().violations)


@pytest.fixture
def new_machine(tmp_path: Path) -> Iterator[Callable[..., OneMachine]]:
    """Start stacks on the test's folder; at the end, audit the books and search the logs for tokens."""
    with ExitStack() as running:

        def start(**environment: str) -> OneMachine:
            variables = {**os.environ, "PHOENIX_DATA": str(tmp_path), **SCALED_DOWN, **environment}
            machine = OneMachine(running.enter_context(Stack(variables)))
            running.callback(lambda: check_books(machine))
            running.callback(machine.clients.close)
            return machine

        yield start


def check_books(machine: OneMachine) -> None:
    assert machine.violations() == []
    logs = machine.logs()
    assert not any(token in logs for token in machine.tokens)


@pytest.fixture
def machine(new_machine: Callable[..., OneMachine]) -> OneMachine:
    return new_machine()
