"""Executions on Cloud Run, by its Admin API; named as in CLOUD_RUN_EXECUTION."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.domain.errors import QueueUnavailable
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.once import Once

if TYPE_CHECKING:
    from google.cloud.run_v2 import ExecutionsClient, JobsClient

TIMEOUT_S = 10


@dataclass(kw_only=True, eq=False)
class CloudRunExecutions:
    """The `Executions` on Google Cloud: one job for each kind."""

    project: str
    region: str
    emulator_host: str | None = None
    """`host:port`, called without TLS."""
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        self._location = f"projects/{self.project}/locations/{self.region}"
        self._clients = Once(self._connect)

    def close(self) -> None:
        self._clients.close(_close)

    def is_running(self, execution_name: str, *, kind: Kind) -> bool:
        from google.api_core.exceptions import NotFound

        name = f"{self._job(kind)}/executions/{execution_name}"
        with _translated():
            jobs, executions = self._clients()
            try:
                execution = executions.get_execution(name=name, retry=None, timeout=self.timeout_s)
            except NotFound:  # also if the job is missing
                jobs.get_job(name=self._job(kind), retry=None, timeout=self.timeout_s)
                return False
        return execution.completion_time is None

    def run(self, creation_id: CreationId, *, kind: Kind, debit_failed: bool = False) -> str:
        env = [{"name": "CREATION_ID", "value": str(creation_id)}]
        if debit_failed:
            env.append({"name": "RERUN_FAILED", "value": "debit"})
        overrides = {"container_overrides": [{"env": env}]}
        request = {"name": self._job(kind), "overrides": overrides}
        with _translated():
            # No retry: every call starts an execution.
            jobs, _ = self._clients()
            operation = jobs.run_job(request=request, retry=None, timeout=self.timeout_s)
            name: str = operation.metadata.name
        return name.rsplit("/", 1)[-1]

    def _job(self, kind: Kind) -> str:
        return f"{self._location}/jobs/{kind}-generation-job"

    def _connect(self) -> "tuple[JobsClient, ExecutionsClient]":
        from google.cloud.run_v2 import ExecutionsClient, JobsClient

        if self.emulator_host is None:
            return JobsClient(transport="rest"), ExecutionsClient(transport="rest")
        from google.cloud.run_v2.services.executions.transports import ExecutionsRestTransport
        from google.cloud.run_v2.services.jobs.transports import JobsRestTransport
        from google.oauth2.credentials import Credentials

        host = self.emulator_host
        owner = Credentials(token="owner")  # type: ignore[no-untyped-call]  # noqa: S106 (no secret)
        jobs = JobsRestTransport(host=host, url_scheme="http", credentials=owner)
        executions = ExecutionsRestTransport(host=host, url_scheme="http", credentials=owner)
        return JobsClient(transport=jobs), ExecutionsClient(transport=executions)


def _close(clients: "tuple[JobsClient, ExecutionsClient]") -> None:
    for client in clients:
        client.transport.close()  # type: ignore[no-untyped-call]  # no types


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.protobuf.json_format import ParseError
    from requests import RequestException

    try:
        yield
    except (GoogleAPIError, GoogleAuthError, ParseError, RequestException) as error:
        raise QueueUnavailable(reason=str(error)) from error
