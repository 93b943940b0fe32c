"""The cloud on this machine: the API and the jobs as processes with the cloud adapters.

Firestore is Google's emulator; Cloud Tasks, Cloud Run's Admin API, R2, the generators and Google's
certificates are local servers that implement the real protocols.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
from google.cloud import tasks_v2

from shared import settings, wiring
from shared.adapters.system.clock import SystemClock
from shared.domain.creation import Creation, creation_key
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.lifecycle.violation import Violation
from shared.wiring import Phoenix
from tests.end_to_end.conftest import SCALED_DOWN
from tests.end_to_end.job_phases import JobPhase, phase_of
from tests.servers.certificate_server import CertificateServer
from tests.servers.cloud_tasks_server import CloudTasksServer
from tests.servers.firestore_emulator import free_port
from tests.servers.google_models_server import GoogleModelsServer
from tests.servers.google_models_vendor import Vendor
from tests.servers.google_settings import google_settings
from tests.servers.r2_server import R2Server
from tests.servers.run_admin_server import LOCATION, Job, RunAdminServer
from tests.support.builders import seconds
from tests.support.eventually import eventually

UNFINISHED = ("pending", "processing")


class CloudInABox:
    """All servers and the API process; `phoenix` gives the test the same store."""

    def __init__(
        self,
        folder: Path,
        *,
        firestore: str,
        prefix: str,
        models: dict[str, str],
        starts_a_second: float = 20,
        image_job: str = "jobs.image_generation_job",
    ) -> None:
        """`starts_a_second` limits each queue; `image_job` is the module that makes images."""
        self._starts_a_second = starts_a_second
        self._modules = {Kind.IMAGE: image_job, Kind.VIDEO: "jobs.video_generation_job"}
        self.folder = folder
        self.vendor = Vendor(takes_s=0.5)
        self.tokens: list[str] = []
        self.running = ExitStack()
        self._models = models
        self._own = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME")},
            "FIRESTORE_EMULATOR_HOST": firestore,
            "PHOENIX_COLLECTION_PREFIX": prefix,
        }

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.running.close()
            raise
        return self

    def _start(self) -> None:
        enter = self.running.enter_context
        self.google = enter(CertificateServer())
        self.r2 = enter(R2Server())
        self.generators = enter(GoogleModelsServer(self.vendor))
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        environment: dict[str, str] = {}
        jobs = {f"{kind}-generation-job": self._job(kind, environment) for kind in Kind}
        self.run = enter(RunAdminServer(jobs, logs=self.folder, job_prefix="local/"))
        self.tasks = enter(
            CloudTasksServer([self._queue(kind) for kind in Kind], clock=SystemClock())
        )
        self.environment = self._environment()
        environment.update(self.environment)
        self.tasks.dispatching()
        os.environ["FIRESTORE_EMULATOR_HOST"] = self._own["FIRESTORE_EMULATOR_HOST"]
        self.running.callback(os.environ.pop, "FIRESTORE_EMULATOR_HOST")
        self.phoenix: Phoenix = wiring.build(settings.load(self.environment))
        self.running.callback(self.phoenix.ports.close)
        enter(self._api())

    def __exit__(self, *_: object) -> None:
        self.running.close()

    def _environment(self) -> dict[str, str]:
        r2 = self.r2.settings
        return {
            **self._own,
            **google_settings(self.google, self.tasks),
            **SCALED_DOWN,
            **self._models,
            "PHOENIX_BASE_URL": self.base_url,
            "PHOENIX_WELCOME_TOKENS": "100",
            "PHOENIX_WELCOME_KEY": "key-of-the-welcome-grants-of-tests",
            "PHOENIX_RUN_ENDPOINT": self.run.url,
            "PHOENIX_GENERATOR_ENDPOINT": self.generators.url,
            "R2_ENDPOINT_URL": r2["endpoint_url"],
            "R2_ACCESS_KEY_ID": r2["access_key_id"],
            "R2_SECRET_ACCESS_KEY": r2["secret_access_key"],
            "R2_DRAFTS_BUCKET_NAME": r2["drafts_bucket"],
            "R2_BUCKET_NAME": r2["public_bucket"],
            "R2_PUBLIC_URL": r2["public_url"],
        }

    def _job(self, kind: Kind, environment: dict[str, str]) -> Job:
        policy = {**SCALED_DOWN, **self._models}
        return Job(
            command=[sys.executable, "-m", self._modules[kind]],
            environment=environment,
            timeout_s=float(policy[f"PHOENIX_POLICY_{kind.upper()}_JOB_TIMEOUT_S"]),
        )

    def _queue(self, kind: Kind) -> tasks_v2.Queue:
        return tasks_v2.Queue(
            name=f"{LOCATION}/queues/{kind}-generation-queue",
            rate_limits=tasks_v2.RateLimits(
                max_dispatches_per_second=self._starts_a_second, max_concurrent_dispatches=5
            ),
            retry_config=tasks_v2.RetryConfig(
                min_backoff=seconds(0.5), max_backoff=seconds(2), max_doublings=2, max_attempts=10
            ),
        )

    @contextmanager
    def _api(self) -> Iterator[None]:
        command = (
            *(sys.executable, "-m", "api_service"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
        )
        with (
            (self.folder / "api.log").open("ab") as output,
            subprocess.Popen(
                command, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            ) as process,
        ):
            try:
                eventually(lambda: self._is_up() or process.poll() is not None, within_s=60)
                assert process.poll() is None, (self.folder / "api.log").read_text()
                yield
            finally:
                process.terminate()

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.base_url}/api/health").is_success
        except httpx.TransportError:
            return False

    # Actions of tests

    def client(self, user: str) -> httpx.Client:
        headers = self._bearer(self.google.user_token(user))
        client = httpx.Client(base_url=self.base_url, headers=headers, timeout=60)
        return self.running.enter_context(client)

    def sweep(self) -> dict[str, int]:
        """Call the sweep as Cloud Scheduler does."""
        headers = self._bearer(self.google.service_token())
        answer = httpx.post(f"{self.base_url}/internal/cleanup", headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        counts: dict[str, int] = answer.json()
        return counts

    def _bearer(self, token: str) -> dict[str, str]:
        self.tokens.append(token)
        return {"Authorization": f"Bearer {token}"}

    def logs(self) -> str:
        """Return all logs of the API and the jobs."""
        return "".join(path.read_text() for path in self.folder.rglob("*.log"))

    def open(self, client: httpx.Client, prompt: str, kind: str = "video") -> str:
        answer = client.post("/api/generate/creation", json={"type": kind, "prompt": prompt})
        assert answer.status_code == 202, answer.text
        creation_id: str = answer.json()["creationId"]
        return creation_id

    def view(self, client: httpx.Client, creation_id: str) -> dict[str, Any]:
        answer = client.get(f"/api/generate/creation/{creation_id}")
        assert answer.status_code == 200, answer.text
        view: dict[str, Any] = answer.json()["creation"]
        return view

    def settled(self, client: httpx.Client, creation_id: str) -> dict[str, Any]:
        """Wait until a creation is settled, and return it."""
        eventually(
            lambda: self.view(client, creation_id)["status"] not in UNFINISHED,
            within_s=60,
            poll_interval_s=0.2,
        )
        return self.view(client, creation_id)

    def document(self, creation_id: str) -> Creation:
        found = self.phoenix.ports.store.get(creation_key(CreationId(creation_id)))
        assert found is not None
        return found

    def phase(self, creation_id: str) -> JobPhase:
        """Return the phase of a creation's job; prompts must be unique."""
        creation = self.document(creation_id)
        is_paid = any(work.prompt == creation.prompt for work in self.vendor.works)
        return phase_of(creation, is_paid=is_paid)

    def balance(self, client: httpx.Client) -> int:
        balance: int = client.get("/api/me").json()["tokenBalance"]
        return balance

    def violations(self) -> list[Violation]:
        return self.phoenix.auditing.audit().violations
