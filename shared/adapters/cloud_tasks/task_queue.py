"""Cloud Tasks: each task calls the Cloud Run Admin API, which starts one execution of a job.

A queue accepts a task name once, so that creating a task is idempotent. Names start with a hash,
because sequential names slow a queue down.
https://cloud.google.com/tasks/docs/reference/rpc/google.cloud.tasks.v2
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from shared.domain.errors import QueueUnavailable, WithdrawalRefused
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.once import Once
from shared.ports.task_queue import TRIES, TRY_TIMEOUT_S

if TYPE_CHECKING:
    from google.cloud.tasks_v2 import CloudTasksClient, Queue

ResultT = TypeVar("ResultT")

CREATE_TASK = "/google.cloud.tasks.v2.CloudTasks/CreateTask"
RUN_URL = "https://run.googleapis.com"
DISPATCH_DEADLINE_S = 30
"""After which an unanswered start is dispatched again."""
HASH_LENGTH = 8


@dataclass(kw_only=True, eq=False)
class CloudTasksQueue:
    """The `TaskQueue` on Google Cloud: one queue and one job for each kind."""

    project: str
    region: str
    invoker: str
    """The service account that tasks call `run_url` as."""
    traceparent: Callable[[], str | None]
    run_url: str = RUN_URL
    emulator_host: str | None = None
    """`host:port`, called without TLS or credentials."""

    def __post_init__(self) -> None:
        self._location = f"projects/{self.project}/locations/{self.region}"
        self._client = Once(self._connect)
        self._create = Once(self._creating)

    def close(self) -> None:
        self._create.close(lambda _: None)
        self._client.close(lambda client: client.transport.close())  # type: ignore[no-untyped-call]  # no types

    def enqueue(
        self,
        creation_id: CreationId,
        *,
        kind: Kind,
        number: int,
        not_before: datetime | None = None,
    ) -> None:
        queue = self._queue(kind)
        task: dict[str, object] = {
            "name": _task(queue, creation_id, number),
            "http_request": self._run_request(creation_id, kind),
            "schedule_time": not_before,
            "dispatch_deadline": timedelta(seconds=DISPATCH_DEADLINE_S),
        }
        _call_with_retry(lambda: self._create()(queue, task))

    def withdraw(self, creation_id: CreationId, *, kind: Kind, number: int) -> None:
        from google.api_core.exceptions import NotFound, PermissionDenied

        name = _task(self._queue(kind), creation_id, number)
        with _translated():
            try:
                self._client().delete_task(name=name, retry=None, timeout=TRY_TIMEOUT_S)
            except NotFound:
                return  # already dispatched or never created
            except PermissionDenied as error:
                raise WithdrawalRefused(reason=str(error)) from error

    def dispatches_per_s(self, kind: Kind) -> float:
        with _translated():
            found = self._running_queue(self._queue(kind))
        return float(found.rate_limits.max_dispatches_per_second)

    def waits(self, creation_id: CreationId, *, kind: Kind, number: int) -> bool:
        from google.api_core.exceptions import NotFound

        queue = self._queue(kind)
        name = _task(queue, creation_id, number)

        def exists() -> bool:
            try:
                self._client().get_task(name=name, retry=None, timeout=TRY_TIMEOUT_S)
            except NotFound:
                self._running_queue(queue)  # tasks of a missing queue are not found either
                return False
            return True

        return _call_with_retry(exists)

    def _running_queue(self, queue: str) -> "Queue":
        """Return the queue; raise `QueueUnavailable` if it is paused."""
        from google.cloud.tasks_v2 import Queue

        found = self._client().get_queue(name=queue, retry=None, timeout=TRY_TIMEOUT_S)
        if found.state is not Queue.State.RUNNING:
            raise QueueUnavailable(reason=f"{queue} is {found.state.name}")
        return found

    def _queue(self, kind: Kind) -> str:
        return f"{self._location}/queues/{kind}-generation-queue"

    def _run_request(self, creation_id: CreationId, kind: Kind) -> dict[str, object]:
        variables = {"CREATION_ID": creation_id, "DRAIN": "yes", "TRACEPARENT": self.traceparent()}
        env = [{"name": name, "value": value} for name, value in variables.items() if value]
        body = {"overrides": {"containerOverrides": [{"env": env}]}}
        return {
            "http_method": "POST",
            "url": f"{self.run_url}/v2/{self._location}/jobs/{kind}-generation-job:run",
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps(body).encode(),
            "oauth_token": {"service_account_email": self.invoker},
        }

    def _connect(self) -> "CloudTasksClient":
        from google.cloud.tasks_v2 import CloudTasksClient

        if self.emulator_host is None:
            return CloudTasksClient()
        import grpc
        from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

        channel = grpc.insecure_channel(self.emulator_host)
        return CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))

    def _creating(self) -> Callable[[str, Mapping[str, object]], None]:
        """Return a call that creates a task unless its name exists.

        It uses the client's connection, but not its slow message classes.
        """
        import grpc
        from google.api_core import exceptions, gapic_v1
        from google.cloud.tasks_v2 import CreateTaskRequest
        from google.cloud.tasks_v2.services.cloud_tasks.transports.base import DEFAULT_CLIENT_INFO

        routing: Any = gapic_v1.routing_header
        sdk: Any = DEFAULT_CLIENT_INFO
        error_of: Any = exceptions.from_grpc_error
        transport: Any = self._client().transport
        message = CreateTaskRequest.pb()
        call = transport.grpc_channel.unary_unary(
            CREATE_TASK, request_serializer=message.SerializeToString
        )

        def create(queue: str, task: Mapping[str, object]) -> None:
            metadata = (routing.to_grpc_metadata({"parent": queue}), sdk.to_grpc_metadata())
            try:
                call(message(parent=queue, task=task), timeout=TRY_TIMEOUT_S, metadata=metadata)
            except grpc.RpcError as error:
                # Not ABORTED, which is the same status in HTTP: there nothing was created.
                if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
                    raise error_of(error) from error

        return create


def _task(queue: str, creation_id: CreationId, number: int) -> str:
    name = f"{creation_id}-{number}"
    return f"{queue}/tasks/{hashlib.sha256(name.encode()).hexdigest()[:HASH_LENGTH]}-{name}"


def _call_with_retry(call: Callable[[], ResultT]) -> ResultT:
    for _ in range(TRIES - 1):
        with contextlib.suppress(QueueUnavailable), _translated():
            return call()
    with _translated():
        return call()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except (GoogleAPIError, GoogleAuthError) as error:
        raise QueueUnavailable(reason=str(error)) from error
