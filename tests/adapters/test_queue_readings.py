"""Reading the rate of a Cloud Tasks queue is a single request: the SDK must not retry it."""

import pytest
from google.cloud import tasks_v2

from shared.adapters.cloud_tasks.task_queue import CloudTasksQueue
from shared.domain.errors import QueueUnavailable
from shared.domain.kind import Kind
from tests.servers.cloud_tasks_server import CloudTasksServer, Fault
from tests.servers.run_admin_server import INVOKER, LOCATION, PROJECT, REGION
from tests.support.fakes import FakeClock


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.ABORTED])
def test_failed_reading_of_the_rate_is_one_request(clock: FakeClock, fault: Fault) -> None:
    name = f"{LOCATION}/queues/video-generation-queue"
    with CloudTasksServer([tasks_v2.Queue(name=name)], clock=clock) as server:
        queue = CloudTasksQueue(
            project=PROJECT,
            region=REGION,
            invoker=INVOKER,
            traceparent=lambda: None,
            emulator_host=server.host,
        )
        server.faults = [fault]

        with pytest.raises(QueueUnavailable):
            queue.dispatches_per_s(Kind.VIDEO)

        assert server.calls == 1
        queue.close()
