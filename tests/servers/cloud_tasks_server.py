"""A fake Cloud Tasks that dispatches named tasks over HTTP, by schedule and rate limit.

gRPC with the vendor's own messages and the documented behaviour: a name stays reserved for an hour
after its task is gone, and a failed task is retried after a back-off.
https://cloud.google.com/tasks/docs/reference/rpc/google.cloud.tasks.v2
Left out: the effect of a queue's state (it is only reported), purging, OIDC tokens, and the slow
start of a new queue.
"""

import re
import threading
from collections.abc import Callable, Iterable, KeysView
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn, Self

import grpc
import httpx
from google.cloud import tasks_v2
from google.protobuf import empty_pb2

from shared.ports.clock import Clock
from tests.servers.run_admin_server import token_of
from tests.servers.web_server import HOST

NAME_RESERVED = timedelta(hours=1)
SCHEDULE_MAX = timedelta(days=30)
TASK_BYTES_MAX = 100 * 1024
DEADLINES = (timedelta(seconds=15), timedelta(minutes=30))
POLL_INTERVAL_S = 0.01
_TASK = re.compile(r"(?P<queue>projects/[^/]+/locations/[^/]+/queues/[^/]+)/tasks/[\w-]{1,500}")


class Fault(StrEnum):
    """A fault of one call."""

    DOWN = "not applied, UNAVAILABLE"
    ABORTED = "not applied, ABORTED"
    SLOW = "applied, late response"
    UNANSWERED = "applied, no response"
    SILENT = "not applied, no response"
    LOST = "not applied, successful response"


@dataclass
class Held:
    """A pending or dispatched task."""

    task: tasks_v2.Task
    due_at: datetime
    dispatches: int = 0
    first_at: datetime | None = None
    is_dispatched: bool = False


class CloudTasksServer:
    """Serves during its `with` block; `dispatch` and `dispatching` deliver tasks."""

    def __init__(
        self, queues: Iterable[tasks_v2.Queue], *, clock: Clock, slow_s: float = 1
    ) -> None:
        """Serve these queues by this clock.

        Each fault is used once; while `is_down`, every call is refused; without `may_delete`, the
        caller may not delete tasks. `calls` counts calls; `delivered` lists finished tasks, and
        `withdrawn` those that were deleted before they were dispatched.
        """
        self.calls = 0
        self.faults: list[Fault] = []
        self.is_down = False
        self.may_delete = True
        self.delivered: list[str] = []
        self.withdrawn: list[str] = []
        self._queues = {queue.name: queue for queue in queues}
        self._clock = clock
        self._slow_s = slow_s
        self._tasks: dict[str, Held] = {}
        self._taken_until: dict[str, datetime] = {}
        self._next_dispatch_at: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = httpx.Client()
        self._running = ExitStack()
        self._server = grpc.server(ThreadPoolExecutor(32))
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                self._with_faults(method), request.deserialize, response.serialize
            )
            for name, method, request, response in (
                ("CreateTask", self._create, tasks_v2.CreateTaskRequest, tasks_v2.Task),
                ("GetTask", self._get, tasks_v2.GetTaskRequest, tasks_v2.Task),
                ("GetQueue", self._get_queue, tasks_v2.GetQueueRequest, tasks_v2.Queue),
            )
        }
        handlers["DeleteTask"] = grpc.unary_unary_rpc_method_handler(
            self._with_faults(self._delete),
            tasks_v2.DeleteTaskRequest.deserialize,
            empty_pb2.Empty.SerializeToString,
        )
        service = "google.cloud.tasks.v2.CloudTasks"
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, handlers),)
        )
        self.host = f"{HOST}:{self._server.add_insecure_port(f'{HOST}:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        self._running.callback(self._http.close)
        self._running.callback(lambda: self._server.stop(grace=None).wait())
        self._running.callback(self._closing.set)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def dispatching(self) -> None:
        """Dispatch in background threads until the server ends."""
        workers = self._running.enter_context(ThreadPoolExecutor(32))
        for name in self._queues:
            thread = threading.Thread(target=self._dispatch_all, args=(name, workers))
            thread.start()
            self._running.callback(thread.join)
        self._running.callback(self._closing.set)

    def dispatch(self, queue_name: str) -> bool:
        """Dispatch one due task within the queue's limits and wait for its end."""
        held = self._next_task(queue_name)
        if held is not None:
            self._deliver(held)
        return held is not None

    def take(self, queue_name: str) -> tasks_v2.Task | None:
        """Return a due task within the queue's limits, as delivered."""
        held = self._next_task(queue_name)
        if held is None:
            return None
        with self._lock:
            del self._tasks[held.task.name]
            self._taken_until[held.task.name] = self._clock.now() + NAME_RESERVED
            self.delivered.append(held.task.name)
        return held.task

    @property
    def pending(self) -> KeysView[str]:
        """Return the names of pending and dispatched tasks."""
        return self._tasks.keys()

    @property
    def tasks(self) -> list[tasks_v2.Task]:
        """Return the pending and dispatched tasks."""
        with self._lock:
            return [held.task for held in self._tasks.values()]

    # Calls of clients

    def _with_faults(self, method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            self.calls += 1
            fault = self._next_fault(request)
            if self.is_down or fault is Fault.DOWN:
                _refuse(context, grpc.StatusCode.UNAVAILABLE, "planned")
            if fault is Fault.ABORTED:
                _refuse(context, grpc.StatusCode.ABORTED, "planned")
            if fault is Fault.LOST:
                return getattr(request, "task", empty_pb2.Empty())
            if fault is Fault.SILENT:
                _never_answer(context)
            answered = method(request, context)
            if fault is Fault.UNANSWERED:
                _never_answer(context)
            if fault is Fault.SLOW:
                self._closing.wait(self._slow_s)
            return answered

        return answer

    def _next_fault(self, request: Any) -> Fault | None:
        """Take the next fault; only writes can be lost."""
        is_read = isinstance(request, tasks_v2.GetQueueRequest | tasks_v2.GetTaskRequest)
        if not self.faults or (is_read and self.faults[0] is Fault.LOST):
            return None
        return self.faults.pop(0)

    def _create(
        self, request: tasks_v2.CreateTaskRequest, context: grpc.ServicerContext
    ) -> tasks_v2.Task:
        task, now = request.task, self._clock.now()
        if request.parent not in self._queues:
            _refuse(context, grpc.StatusCode.NOT_FOUND, "Queue does not exist.")
        if problem := _problem(request, now=now):
            _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, problem)
        with self._lock:
            is_taken = now < self._taken_until.get(task.name, now)
            if is_taken or task.name in self._tasks:
                _refuse(context, grpc.StatusCode.ALREADY_EXISTS, "The task exists or has existed.")
            task.create_time = now
            task.schedule_time = max(now, task.schedule_time or now)
            self._tasks[task.name] = Held(task, due_at=task.schedule_time)
        return task

    def _get(
        self, request: tasks_v2.GetTaskRequest, context: grpc.ServicerContext
    ) -> tasks_v2.Task:
        with self._lock:
            held = self._tasks.get(request.name)
        if held is None:
            _refuse(context, grpc.StatusCode.NOT_FOUND, "The task no longer exists, or never did.")
        return held.task

    def _delete(
        self, request: tasks_v2.DeleteTaskRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Remove a pending task; a dispatched request is not cancelled."""
        if not self.may_delete:
            _refuse(context, grpc.StatusCode.PERMISSION_DENIED, "no cloudtasks.tasks.delete")
        with self._lock:
            if request.name not in self._tasks:
                _refuse(context, grpc.StatusCode.NOT_FOUND, "The task does not exist.")
            if not self._tasks.pop(request.name).is_dispatched:
                self.withdrawn.append(request.name)
            self._taken_until[request.name] = self._clock.now() + NAME_RESERVED
        return empty_pb2.Empty()

    def _get_queue(
        self, request: tasks_v2.GetQueueRequest, context: grpc.ServicerContext
    ) -> tasks_v2.Queue:
        queue = self._queues.get(request.name)
        if queue is None:
            _refuse(context, grpc.StatusCode.NOT_FOUND, "Queue does not exist.")
        return tasks_v2.Queue(queue, state=queue.state or tasks_v2.Queue.State.RUNNING)

    # Dispatching

    def _dispatch_all(self, queue_name: str, workers: ThreadPoolExecutor) -> None:
        while not self._closing.wait(POLL_INTERVAL_S):
            while held := self._next_task(queue_name):
                workers.submit(self._deliver, held)

    def _next_task(self, queue_name: str) -> Held | None:
        """Return the first due task within the limits, marked as dispatched."""
        limits, now = self._queues[queue_name].rate_limits, self._clock.now()
        with self._lock:
            mine = [held for name, held in self._tasks.items() if name.startswith(queue_name + "/")]
            dispatched_count = sum(held.is_dispatched for held in mine)
            due = [held for held in mine if held.due_at <= now and not held.is_dispatched]
            is_early = now < self._next_dispatch_at.get(queue_name, now)
            if not due or is_early or dispatched_count >= limits.max_concurrent_dispatches:
                return None
            pause = timedelta(seconds=1 / limits.max_dispatches_per_second)
            self._next_dispatch_at[queue_name] = now + pause
            held = min(due, key=lambda each: each.due_at)
            held.is_dispatched = True
            held.first_at = held.first_at or now
            return held

    def _deliver(self, held: Held) -> None:
        """Send the task's request; retry or drop it unless it succeeds."""
        status = self._send(held)
        now, queue = self._clock.now(), self._queues[held.task.name.rsplit("/tasks/", 1)[0]]
        with self._lock:
            held.dispatches += 1
            held.is_dispatched = False
            if 200 <= status < 300:
                self.delivered.append(held.task.name)
            elif not _is_used_up(held, queue.retry_config, now=now):
                held.due_at = now + _back_off(held.dispatches, queue.retry_config)
                return
            self._tasks.pop(held.task.name, None)  # it may have been deleted meanwhile
            self._taken_until[held.task.name] = now + NAME_RESERVED

    def _send(self, held: Held) -> int:
        """Return the HTTP status, or 0 without a response in time."""
        request = held.task.http_request
        _, queue_id, _, task_id = held.task.name.rsplit("/", 3)
        headers = {
            **request.headers,
            "User-Agent": "Google-Cloud-Tasks",
            "X-CloudTasks-QueueName": queue_id,
            "X-CloudTasks-TaskName": task_id,
            "X-CloudTasks-TaskRetryCount": str(held.dispatches),
            "X-CloudTasks-TaskETA": str(held.due_at.timestamp()),
            "Authorization": f"Bearer {token_of(request.oauth_token.service_account_email)}",
        }
        deadline = held.task.dispatch_deadline or timedelta(minutes=10)
        try:
            return self._http.request(
                tasks_v2.HttpMethod(request.http_method).name,
                request.url,
                headers=headers,
                content=request.body,
                timeout=deadline.total_seconds(),
            ).status_code
        except httpx.HTTPError:
            return 0


def _problem(request: tasks_v2.CreateTaskRequest, *, now: datetime) -> str | None:
    """Return a validation error of the service, or None."""
    task, call = request.task, request.task.http_request
    named = _TASK.fullmatch(task.name)
    deadline = task.dispatch_deadline or DEADLINES[1]
    rules = {
        "the name must be the queue's": named is not None and named["queue"] == request.parent,
        "the url must be http": call.url.startswith(("http://", "https://")),
        "the method takes no body": not call.body or call.http_method != tasks_v2.HttpMethod.GET,
        "an account must be named": bool(call.oauth_token.service_account_email),
        "the deadline is out of range": DEADLINES[0] <= deadline <= DEADLINES[1],
        "it is too far ahead": (task.schedule_time or now) <= now + SCHEDULE_MAX,
        "it is too large": len(tasks_v2.Task.serialize(task)) <= TASK_BYTES_MAX,
    }
    return next((rule for rule, holds in rules.items() if not holds), None)


def _back_off(dispatches: int, config: tasks_v2.RetryConfig) -> timedelta:
    """Return the pause after the nth dispatch: doubled up to a limit, then linear."""
    doublings = min(dispatches - 1, config.max_doublings)
    pause: timedelta = config.min_backoff * 2**doublings * (dispatches - doublings)
    return min(pause, config.max_backoff)


def _is_used_up(held: Held, config: tasks_v2.RetryConfig, *, now: datetime) -> bool:
    """Return whether both retry limits are reached; a duration of 0 is no limit."""
    lasted = now - (held.first_at or now)
    is_old = lasted >= (config.max_retry_duration or timedelta())
    return is_old and 0 < config.max_attempts <= held.dispatches


def _never_answer(context: grpc.ServicerContext) -> NoReturn:
    """Hold the call until its client has cancelled it."""
    cancelled = threading.Event()
    context.add_callback(cancelled.set)
    cancelled.wait()
    _refuse(context, grpc.StatusCode.CANCELLED, "planned")


def _refuse(context: grpc.ServicerContext, status: grpc.StatusCode, why: str) -> NoReturn:
    context.abort(status, why)
    raise AssertionError(status)
