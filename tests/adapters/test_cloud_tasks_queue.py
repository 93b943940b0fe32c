"""Requests to Cloud Tasks, its failures, and the effect of tasks."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from google.cloud import tasks_v2

from shared.adapters.cloud_tasks.task_queue import CloudTasksQueue
from shared.adapters.system.clock import SystemClock
from shared.domain.errors import QueueUnavailable, WithdrawalRefused
from shared.domain.kind import Kind
from shared.ports.task_queue import TRY_TIMEOUT_S
from tests.servers.cloud_tasks_server import CloudTasksServer, Fault
from tests.servers.run_admin_server import INVOKER, LOCATION, PROJECT, REGION, Job, RunAdminServer
from tests.support.builders import a_creation_id, seconds
from tests.support.eventually import eventually
from tests.support.fakes import FakeClock

ONE = a_creation_id()
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
VIDEOS = tasks_v2.Queue(
    name=f"{LOCATION}/queues/video-generation-queue",
    rate_limits=tasks_v2.RateLimits(max_dispatches_per_second=500, max_concurrent_dispatches=2),
    retry_config=tasks_v2.RetryConfig(
        min_backoff=seconds(10), max_backoff=seconds(300), max_doublings=3, max_attempts=8
    ),
)


def a_queue(
    host: str, *, trace: str | None = TRACE, run_url: str = "https://run.googleapis.com"
) -> CloudTasksQueue:
    return CloudTasksQueue(
        project=PROJECT,
        region=REGION,
        invoker=INVOKER,
        traceparent=lambda: trace,
        run_url=run_url,
        emulator_host=host,
    )


@pytest.fixture
def server(clock: FakeClock) -> Iterator[CloudTasksServer]:
    with CloudTasksServer([VIDEOS], clock=clock, slow_s=0.1) as server:
        yield server


@pytest.fixture
def queue(server: CloudTasksServer) -> Iterator[CloudTasksQueue]:
    queue = a_queue(server.host)
    yield queue
    queue.close()


def enqueue(queue: CloudTasksQueue, number: int = 1, kind: Kind = Kind.VIDEO) -> None:
    queue.enqueue(ONE, kind=kind, number=number)


def test_task_starts_its_job_with_the_creation_id_draining_and_the_trace(
    queue: CloudTasksQueue, server: CloudTasksServer, clock: FakeClock
) -> None:
    not_before = clock.now() + seconds(60.25)

    queue.enqueue(ONE, kind=Kind.VIDEO, number=3, not_before=not_before)

    [task] = server.tasks
    call = task.http_request
    assert re.fullmatch(rf"{VIDEOS.name}/tasks/[0-9a-f]{{8}}-{ONE}-3", task.name)
    assert task.schedule_time == not_before
    assert task.dispatch_deadline == seconds(30)
    assert call.http_method == tasks_v2.HttpMethod.POST
    assert call.url == f"https://run.googleapis.com/v2/{LOCATION}/jobs/video-generation-job:run"
    assert dict(call.headers) == {"Content-Type": "application/json"}
    assert call.oauth_token.service_account_email == INVOKER
    assert json.loads(call.body) == {
        "overrides": {
            "containerOverrides": [
                {
                    "env": [
                        {"name": "CREATION_ID", "value": ONE},
                        {"name": "DRAIN", "value": "yes"},
                        {"name": "TRACEPARENT", "value": TRACE},
                    ]
                }
            ]
        }
    }


def test_task_has_no_trace_if_there_is_none(server: CloudTasksServer) -> None:
    queue = a_queue(server.host, trace=None)

    enqueue(queue)

    [task] = server.tasks
    [container] = json.loads(task.http_request.body)["overrides"]["containerOverrides"]
    assert [each["name"] for each in container["env"]] == ["CREATION_ID", "DRAIN"]
    queue.close()


def test_sequential_names_have_different_prefixes(
    queue: CloudTasksQueue, server: CloudTasksServer
) -> None:
    for number in (1, 2, 3):
        enqueue(queue, number)

    assert len({task.name.rsplit("/", 1)[1][:8] for task in server.tasks}) == 3


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.ABORTED, Fault.SLOW])
def test_second_try_recovers_from_one_failure(
    queue: CloudTasksQueue, server: CloudTasksServer, fault: Fault
) -> None:
    server.faults = [fault]

    enqueue(queue)

    assert server.calls == (1 if fault is Fault.SLOW else 2)
    assert len(server.tasks) == 1
    server.faults = [fault]
    assert queue.waits(ONE, kind=Kind.VIDEO, number=1)


def test_unavailable_queue_is_tried_twice(queue: CloudTasksQueue, server: CloudTasksServer) -> None:
    server.is_down = True

    with pytest.raises(QueueUnavailable):
        enqueue(queue)
    assert server.calls == 2
    with pytest.raises(QueueUnavailable):
        queue.waits(ONE, kind=Kind.VIDEO, number=1)
    assert server.calls == 4


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.UNANSWERED])
def test_missing_response_takes_two_timeouts(
    queue: CloudTasksQueue, server: CloudTasksServer, fault: Fault
) -> None:
    clock = SystemClock()
    began_s = clock.monotonic_s()
    server.faults = [fault, fault]
    if fault is Fault.UNANSWERED:
        enqueue(queue)
    else:
        with pytest.raises(QueueUnavailable):
            enqueue(queue)

    took_s = clock.monotonic_s() - began_s
    assert server.calls == 2
    assert len(server.tasks) == (fault is Fault.UNANSWERED)
    assert TRY_TIMEOUT_S <= took_s < 10


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.ABORTED])
def test_withdrawal_is_tried_once(
    queue: CloudTasksQueue, server: CloudTasksServer, fault: Fault
) -> None:
    enqueue(queue)
    server.faults, calls = [fault], server.calls

    with pytest.raises(QueueUnavailable):
        queue.withdraw(ONE, kind=Kind.VIDEO, number=1)

    assert server.calls == calls + 1
    assert len(server.tasks) == 1


def test_missing_grant_to_withdraw_differs_from_an_outage(
    queue: CloudTasksQueue, server: CloudTasksServer
) -> None:
    enqueue(queue)
    server.may_delete = False

    with pytest.raises(WithdrawalRefused) as refusal:
        queue.withdraw(ONE, kind=Kind.VIDEO, number=1)

    assert "cloudtasks.tasks.delete" in refusal.value.reason
    assert len(server.tasks) == 1


def test_rate_of_a_paused_or_missing_queue_is_unknown(clock: FakeClock) -> None:
    paused = tasks_v2.Queue(VIDEOS, state=tasks_v2.Queue.State.PAUSED)
    with CloudTasksServer([paused], clock=clock) as server:
        queue = a_queue(server.host)
        for kind in Kind:
            with pytest.raises(QueueUnavailable):
                queue.dispatches_per_s(kind)
        queue.close()


def test_missing_queue_or_server_is_reported(queue: CloudTasksQueue) -> None:
    nowhere = a_queue("127.0.0.1:9")

    for each, kind in ((queue, Kind.IMAGE), (nowhere, Kind.VIDEO)):
        with pytest.raises(QueueUnavailable):
            enqueue(each, kind=kind)
        with pytest.raises(QueueUnavailable):
            each.waits(ONE, kind=kind, number=1)

    nowhere.close()


def test_paused_queue_is_reported_for_a_missing_task(clock: FakeClock) -> None:
    paused = tasks_v2.Queue(VIDEOS, state=tasks_v2.Queue.State.PAUSED)
    with CloudTasksServer([paused], clock=clock) as server:
        queue = a_queue(server.host)
        enqueue(queue)

        assert queue.waits(ONE, kind=Kind.VIDEO, number=1)
        with pytest.raises(QueueUnavailable) as raised:
            queue.waits(ONE, kind=Kind.VIDEO, number=2)

        assert raised.value.reason == f"{VIDEOS.name} is PAUSED"
        queue.close()


def test_missing_credentials_are_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    queue = CloudTasksQueue(
        project=PROJECT, region=REGION, invoker=INVOKER, traceparent=lambda: None
    )

    with pytest.raises(QueueUnavailable) as raised:
        enqueue(queue)

    assert "credentials" in raised.value.reason


def test_task_name_is_free_again_after_an_hour(
    queue: CloudTasksQueue, server: CloudTasksServer, clock: FakeClock
) -> None:
    server.faults = [Fault.LOST]
    enqueue(queue)
    assert not queue.waits(ONE, kind=Kind.VIDEO, number=1)
    enqueue(queue)
    assert queue.waits(ONE, kind=Kind.VIDEO, number=1)

    while server.tasks:
        server.dispatch(VIDEOS.name)
        clock.sleep(300)
    clock.sleep(3200)
    enqueue(queue)
    assert server.tasks == []
    clock.sleep(200)
    enqueue(queue)

    assert len(server.tasks) == 1


def test_back_off_doubles_and_then_grows_linearly(
    server: CloudTasksServer, clock: FakeClock
) -> None:
    queue, began_s, tried_s = a_queue(server.host, run_url="http://127.0.0.1:9"), 0.0, []
    enqueue(queue)

    while server.tasks:
        if server.dispatch(VIDEOS.name):
            tried_s.append(clock.monotonic_s() - began_s)
            began_s = clock.monotonic_s()
        clock.sleep(1)

    assert tried_s == [0, 10, 20, 40, 80, 160, 240, 300]
    queue.close()


def test_task_starts_a_process_as_the_invoker(tmp_path: Path) -> None:
    tell = "import os; print(os.environ['CREATION_ID'], os.environ['TRACEPARENT'])"
    jobs = {"video-generation-job": Job(command=[sys.executable, "-c", tell])}
    with ExitStack() as opened:
        run_admin = opened.enter_context(RunAdminServer(jobs, logs=tmp_path))
        server = opened.enter_context(CloudTasksServer([VIDEOS], clock=SystemClock()))
        queue = a_queue(server.host, run_url=run_admin.url)
        opened.callback(queue.close)
        server.dispatching()
        for number in (1, 2, 3):
            enqueue(queue, number)

        eventually(lambda: len(server.delivered) == 3)
        runs = run_admin.runs.values()
        eventually(lambda: all(run.ended_at for run in runs))

        assert {run.caller for run in runs} == {INVOKER}
        printed = [path.read_text() for path in tmp_path.iterdir()]
        assert printed == [f"{ONE} {TRACE}\n"] * 3
