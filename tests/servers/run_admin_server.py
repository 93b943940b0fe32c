"""A fake Cloud Run Admin API that runs jobs as local processes.

REST with the vendor's own messages: https://cloud.google.com/run/docs/reference/rest/v2
Callers are service accounts with an OAuth token, like Cloud Tasks, or the owner.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from google.cloud import run_v2
from google.longrunning import operations_pb2
from google.protobuf.json_format import MessageToJson, ParseError
from werkzeug import Request, Response

from shared.adapters.local.job_processes import RESTARTS_MAX, Execution, JobProcesses
from shared.adapters.system.clock import SystemClock, SystemIds
from tests.servers.web_server import WebServer

PROJECT, REGION = "phoenix-test", "us-central1"
LOCATION = f"projects/{PROJECT}/locations/{REGION}"
INVOKER = f"tasks-invoker@{PROJECT}.iam.gserviceaccount.com"
OWNER = "owner"
RESERVED = re.compile(r"CLOUD_RUN_.*|K_.*|PORT")
EXECUTOR = "roles/run.jobsExecutorWithOverrides"
_TESTED = re.compile(
    r"/v[12]/projects/.+/(?:queues|serviceAccounts)/(?P<id>[^/:]+):testIamPermissions"
)
_POLICY = re.compile(
    r"/v2/(?P<location>projects/[^/]+/locations/[^/]+)/jobs/(?P<job>[^/:]+):getIamPolicy"
)
_RUN = re.compile(r"/v2/(?P<location>projects/[^/]+/locations/[^/]+)/jobs/(?P<job>[^/:]+):run")
_JOB = re.compile(r"/v2/(?P<location>projects/[^/]+/locations/[^/]+)/jobs/(?P<job>[^/:]+)")
_EXECUTION = re.compile(r"/v2/(?P<name>projects/[^/]+/locations/[^/]+/jobs/[^/]+/executions/[^/]+)")


def token_of(account: str) -> str:
    """Return the OAuth access token of a service account."""
    return OWNER if account == OWNER else f"ya29.{account}"


class Fault(StrEnum):
    """A fault of one request."""

    DOWN = "not applied, 503"
    UNANSWERED = "applied, 503"
    SILENT = "not applied, no response"
    GIBBERISH = "not applied, 200 and a page"


class Refused(Exception):
    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Job:
    """A deployed job."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 600
    restarts_max: int = RESTARTS_MAX


@dataclass
class Run:
    """One execution: its overrides, its caller and its exit statuses."""

    name: str
    overrides: Mapping[str, str]
    caller: str
    began_at: datetime
    statuses: Sequence[int] = ()
    ended_at: datetime | None = None

    def message(self) -> run_v2.Execution:
        is_finished, is_good = self.ended_at is not None, 0 in self.statuses
        state = run_v2.Condition.State
        end = state.CONDITION_SUCCEEDED if is_good else state.CONDITION_FAILED
        return run_v2.Execution(
            name=self.name,
            job=self.name.split("/")[-3],
            create_time=self.began_at,
            start_time=self.began_at,
            completion_time=self.ended_at,
            task_count=1,
            running_count=int(not is_finished),
            succeeded_count=int(is_finished and is_good),
            failed_count=int(is_finished and not is_good),
            retried_count=max(0, len(self.statuses) - 1),
            conditions=[
                run_v2.Condition(
                    type_="Completed", state=end if is_finished else state.CONDITION_RECONCILING
                )
            ],
        )


Starter = Callable[[Execution, Callable[[list[int]], None]], None]


class RunAdminServer:
    """Serves during its `with` block, then stops every execution."""

    def __init__(
        self,
        jobs: Mapping[str, Job],
        *,
        logs: Path,
        job_prefix: str = "",
        start: Starter | None = None,
    ) -> None:
        """Serve these jobs by id; write the output of their processes to files in `logs`.

        `job_prefix` precedes the id in CLOUD_RUN_JOB: with a slash in it, a process is not in the
        cloud. `start` replaces the start of processes. Each fault is used once; `calls` counts
        calls. `denied` holds resource ids with a missing permission or role.
        """
        self.calls = 0
        self.denied: set[tuple[str, str]] = set()
        self.faults: list[Fault] = []
        self.runs: dict[str, Run] = {}
        self._jobs = jobs
        self._job_prefix = job_prefix
        self._processes = JobProcesses(logs)
        self._start = start or (lambda each, ended: self._processes.start(each, ended=ended))
        self._clock, self._ids = SystemClock(), SystemIds()
        self._closing = threading.Event()
        self._web = WebServer(Request.application(self._respond))
        self.host, self.url = self._web.host, self._web.url

    def __enter__(self) -> Self:
        self._web.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._web.__exit__()
        self._processes.stop()

    def _respond(self, request: Request) -> Response:
        self.calls += 1
        fault = self.faults.pop(0) if self.faults else None
        if fault is Fault.SILENT:
            self._closing.wait()
        if fault in (Fault.SILENT, Fault.DOWN):
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, "planned")
        if fault is Fault.GIBBERISH:
            return Response("<html>busy</html>", content_type="text/html")
        try:
            response = self._handle(request)
        except Refused as refused:
            response = _refused(refused.status, str(refused))
        if fault is Fault.UNANSWERED:
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, "planned")
        return response

    def _handle(self, request: Request) -> Response:
        caller = _caller(request)
        if (match := _RUN.fullmatch(request.path)) and request.method == "POST":
            return self._run(match["location"], match["job"], caller, request.get_data())
        if (match := _TESTED.fullmatch(request.path)) and request.method == "POST":
            wanted = request.get_json()["permissions"]
            had = [each for each in wanted if (match["id"], each) not in self.denied]
            return _json({"permissions": had} if had else {})
        if (match := _POLICY.fullmatch(request.path)) and request.method == "GET":
            self._job(match["location"], match["job"])
            granted = (match["job"], EXECUTOR) not in self.denied
            binding = {"role": EXECUTOR, "members": [f"serviceAccount:{INVOKER}"]}
            return _json({"etag": "BwY=", **({"bindings": [binding]} if granted else {})})
        if (match := _EXECUTION.fullmatch(request.path)) and request.method == "GET":
            run = self.runs.get(match["name"])
            if run is None:
                raise Refused(HTTPStatus.NOT_FOUND, f"Execution {match['name']} does not exist.")
            return _message(run_v2.Execution.pb(run.message()))
        if (match := _JOB.fullmatch(request.path)) and request.method == "GET":
            self._job(match["location"], match["job"])
            return _message(run_v2.Job.pb(run_v2.Job(name=request.path.removeprefix("/v2/"))))
        raise Refused(HTTPStatus.NOT_FOUND, "no such method")

    def _job(self, location: str, job_id: str) -> Job:
        if location != LOCATION or job_id not in self._jobs:
            raise Refused(HTTPStatus.NOT_FOUND, f"Job {location}/jobs/{job_id} does not exist.")
        return self._jobs[job_id]

    def _run(self, location: str, job_id: str, caller: str, body: bytes) -> Response:
        job, overrides = self._job(location, job_id), _overrides(body)
        execution_id = f"{job_id}-{self._ids.random_id(5)}"
        run = Run(
            f"{location}/jobs/{job_id}/executions/{execution_id}",
            overrides,
            caller,
            self._clock.now(),
        )

        def ended(statuses: Sequence[int]) -> None:
            run.statuses, run.ended_at = statuses, self._clock.now()

        self.runs[run.name] = run
        execution = Execution(
            name=execution_id,
            job=f"{self._job_prefix}{job_id}",
            command=job.command,
            environment={**job.environment, **overrides},
            timeout_s=job.timeout_s,
            restarts_max=job.restarts_max,
        )
        try:
            self._start(execution, ended)
        except Exception as error:
            raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, repr(error)) from error
        operation = operations_pb2.Operation(name=f"{location}/operations/{execution_id}")
        operation.metadata.Pack(run_v2.Execution.pb(run.message()))
        return _message(operation)


def _caller(request: Request) -> str:
    """Return the caller; only the invoker and the owner may run jobs."""
    header = request.headers.get("Authorization")
    if header is None:
        raise Refused(HTTPStatus.UNAUTHORIZED, "no token")
    for account in (INVOKER, OWNER):
        if header == f"Bearer {token_of(account)}":
            return account
    raise Refused(HTTPStatus.FORBIDDEN, "run.jobs.runWithOverrides is denied")


def _overrides(body: bytes) -> dict[str, str]:
    """Return the variables of a request, which must be valid for the real API."""
    try:
        request = run_v2.RunJobRequest.from_json(body.decode() or "{}")
    except (ParseError, UnicodeDecodeError) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error
    containers = request.overrides.container_overrides
    variables = {each.name: each.value for container in containers for each in container.env}
    if len(containers) > 1 or any(RESERVED.fullmatch(name) for name in variables):
        raise Refused(HTTPStatus.BAD_REQUEST, "these overrides are not allowed")
    return variables


def _json(body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), content_type="application/json")


def _message(message: Any) -> Response:
    return Response(MessageToJson(message), content_type="application/json")


def _refused(status: HTTPStatus, message: str) -> Response:
    error = {"code": status, "message": message, "status": status.name}
    return Response(json.dumps({"error": error}), status, content_type="application/json")
