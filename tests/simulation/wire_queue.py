"""The real Cloud Tasks adapter and protocol server, with a dispatcher in virtual time."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from google.cloud import tasks_v2

from shared.adapters.cloud_tasks.task_queue import CloudTasksQueue
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from tests.servers.cloud_tasks_server import CloudTasksServer
from tests.simulation.cloud import SimulatedExecutions, SimulatedQueue
from tests.simulation.scheduler import Simulation
from tests.support.builders import NOON

PROJECT, REGION = "demo", "europe-west1"
QUEUES = {
    kind: f"projects/{PROJECT}/locations/{REGION}/queues/{kind}-generation-queue" for kind in Kind
}


class WireQueue(SimulatedQueue):
    """Each call is a call of the adapter to the server; `dispatched` counts each task's dispatches."""

    def __init__(
        self,
        simulation: Simulation,
        executions: SimulatedExecutions,
        *,
        server: CloudTasksServer,
        dispatches_per_s: float,
    ) -> None:
        super().__init__(simulation, executions)
        self.dispatched: Counter[str] = Counter()
        self.withdrawn_count = 0
        self._server = server
        self._adapter = CloudTasksQueue(
            project=PROJECT,
            region=REGION,
            invoker="invoker@demo.iam.gserviceaccount.com",
            traceparent=lambda: None,
            emulator_host=server.host,
        )
        self._interval_s = 1 / dispatches_per_s
        simulation.at(0.0, self._dispatch_regularly)

    def close(self) -> None:
        self._adapter.close()

    def enqueue(
        self,
        creation_id: CreationId,
        *,
        kind: Kind,
        number: int,
        not_before: datetime | None = None,
    ) -> None:
        step = self._simulation.call("queue.enqueue")
        self.count += 1
        self._adapter.enqueue(creation_id, kind=kind, number=number, not_before=not_before)
        self._simulation.answered(step)

    def withdraw(self, creation_id: CreationId, *, kind: Kind, number: int) -> None:
        step = self._simulation.call("queue.withdraw")
        self.withdrawing(self._simulation.actor.process.name, creation_id, number)
        before = len(self._server.pending)
        self._adapter.withdraw(creation_id, kind=kind, number=number)
        self.withdrawn_count += before - len(self._server.pending)
        self._simulation.answered(step)

    def waits(self, creation_id: CreationId, *, kind: Kind, number: int) -> bool:
        step = self._simulation.call("queue.waits")
        waits = self._adapter.waits(creation_id, kind=kind, number=number)
        self._simulation.answered(step)
        return waits

    def dispatches_per_s(self, kind: Kind) -> float:
        step = self._simulation.call("queue.rate")
        rate = self._adapter.dispatches_per_s(kind)
        self._simulation.answered(step)
        return rate

    def _dispatch_regularly(self) -> None:
        """Start an execution for the task that is due longest, at the queue's rate."""
        for queue in QUEUES.values():
            if (task := self._server.take(queue)) is not None:
                self.dispatched[task.name] += 1
                self._begin(task)
        if not self._simulation.is_idle or self._server.pending:
            at_s = self._simulation.now_s + self._interval_s
            self._simulation.at(at_s, self._dispatch_regularly)

    def _begin(self, task: tasks_v2.Task) -> None:
        [container] = json.loads(task.http_request.body)["overrides"]["containerOverrides"]
        environment = {each["name"]: each["value"] for each in container["env"]}
        kind = next(kind for kind in Kind if f"{kind}-generation-job:run" in task.http_request.url)
        drains = environment.get("DRAIN") == "yes"
        self._executions.begin(CreationId(environment["CREATION_ID"]), kind, drains=drains)


class _VirtualClock:
    """The server's clock: the time of whatever simulation runs."""

    simulation: Simulation | None = None

    def now(self) -> datetime:
        now_s = self.simulation.now_s if self.simulation else 0.0
        return NOON + timedelta(seconds=now_s)


@contextmanager
def wire_queues(*, dispatches_per_s: float) -> Iterator[Any]:
    """Yield a maker of queues (see `history.Setup`) over one server; the last queue is `.made`."""
    clock: Any = _VirtualClock()
    limits = tasks_v2.RateLimits(
        max_dispatches_per_second=dispatches_per_s, max_concurrent_dispatches=1000
    )
    queues = [tasks_v2.Queue(name=name, rate_limits=limits) for name in QUEUES.values()]
    with CloudTasksServer(queues, clock=clock) as server:

        def make(simulation: Simulation, executions: SimulatedExecutions) -> WireQueue:
            clock.simulation = simulation
            queue = WireQueue(
                simulation, executions, server=server, dispatches_per_s=dispatches_per_s
            )
            made.append(queue)
            return queue

        made: list[WireQueue] = []
        try:
            yield make, made
        finally:
            for queue in made:
                queue.close()
