"""A job's own process, in its container, drains creations with the largest accepted media.

Its store, queue, generator and R2 are the local servers of the tests, which this process runs.
"""

import os
import threading
import uuid
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from google.cloud import tasks_v2

from shared import settings, wiring
from shared.adapters.system.clock import SystemClock
from shared.domain.creation import Creation
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from shared.domain.status import Status
from tests.containers.checks import IMAGES, JOBS, MIB, Checks, mib
from tests.containers.machine import Ended, Machine
from tests.containers.media import largest_image, largest_video
from tests.servers import firestore_emulator
from tests.servers.certificate_server import CertificateServer
from tests.servers.cloud_tasks_server import CloudTasksServer
from tests.servers.google_models_server import GoogleModelsServer
from tests.servers.google_models_variants import VEO
from tests.servers.google_models_vendor import Vendor
from tests.servers.google_settings import google_settings
from tests.servers.r2_server import R2Server
from tests.servers.run_admin_server import LOCATION
from tests.support.builders import a_brief, a_caller

POLICY = Policy()
EMULATOR = "FIRESTORE_EMULATOR_HOST"
TOGETHER_S = 60
UNIT_BYTES = {"m": MIB, "g": 1024 * MIB}


class Together:
    """Answers `at_once` requests for media at the same moment, after the first `alone` ones."""

    def __init__(self, content: bytes, *, at_once: int, alone: int) -> None:
        self._content, self._numbers = content, range(alone, alone + at_once)
        self._barrier = threading.Barrier(at_once, action=self._note, timeout=TOGETHER_S)
        self._count, self._counting = 0, threading.Lock()
        self.were_together = False

    def _note(self) -> None:
        self.were_together = True

    def draw(self, *_: object) -> bytes:
        with self._counting:
            number, self._count = self._count, self._count + 1
        if number in self._numbers:
            with suppress(threading.BrokenBarrierError):
                self._barrier.wait()
        return self._content


class Cloud:
    """The servers of an installation in the cloud; nothing dispatches its tasks."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            starting.callback(self._running.close)
            self._start()
            starting.pop_all()
        return self

    def _start(self) -> None:
        enter = self._running.enter_context
        queues = [
            tasks_v2.Queue(name=f"{LOCATION}/queues/{kind}-generation-queue") for kind in Kind
        ]
        google, r2 = enter(CertificateServer()), enter(R2Server())
        generator = enter(GoogleModelsServer(self._vendor))
        tasks = enter(CloudTasksServer(queues, clock=SystemClock()))
        self.environment = {
            **google_settings(google, tasks),
            EMULATOR: enter(firestore_emulator.running()),
            "PHOENIX_COLLECTION_PREFIX": f"t{uuid.uuid4().hex}-",
            "PHOENIX_WELCOME_TOKENS": "100",
            "PHOENIX_WELCOME_KEY": "key-of-the-welcome-grants-of-tests",
            "PHOENIX_GENERATOR_ENDPOINT": generator.url,
            "PHOENIX_VIDEO_MODEL": VEO.card.model,
            "PHOENIX_POLICY_VIDEO_POLL_S": "1",
            "R2_ENDPOINT_URL": r2.settings["endpoint_url"],
            "R2_ACCESS_KEY_ID": r2.settings["access_key_id"],
            "R2_SECRET_ACCESS_KEY": r2.settings["secret_access_key"],
            "R2_DRAFTS_BUCKET_NAME": r2.settings["drafts_bucket"],
            "R2_BUCKET_NAME": r2.settings["public_bucket"],
            "R2_PUBLIC_URL": r2.settings["public_url"],
        }
        os.environ[EMULATOR] = self.environment[EMULATOR]
        self._running.callback(os.environ.pop, EMULATOR)
        self.phoenix = wiring.build(settings.load(self.environment))
        self._running.callback(self.phoenix.ports.close)

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def open(self, kind: Kind, *, number: int) -> Creation:
        brief, caller = a_brief(kind, f"fox {number}"), a_caller(f"user-{number}")
        return self.phoenix.opening.open(brief, caller=caller, idempotency_key=None).creation

    def now(self, creation: Creation) -> Creation:
        found = self.phoenix.ports.store.get(creation.key)
        assert found is not None
        return found


def drained(machine: Machine, checks: Checks, data: Path) -> None:
    """Drain as many of the largest images, and videos, as one process works on at once.

    An accepted start of an image is one that was answered: at first, some are needed to let the
    process work on its full number at once.
    """
    at_once = POLICY.at_once
    _drain(machine, checks, data, Kind.IMAGE, largest_image(), alone=at_once(Kind.IMAGE) - 1)
    _drain(machine, checks, data, Kind.VIDEO, largest_video(), alone=0)


def _drain(
    machine: Machine, checks: Checks, data: Path, kind: Kind, content: bytes, *, alone: int
) -> None:
    at_once, (_, memory) = POLICY.at_once(kind), IMAGES[JOBS[kind]]
    together = Together(content, at_once=at_once, alone=alone)
    vendor = Vendor(takes_s=0, draw=together.draw)
    with Cloud(vendor) as cloud:
        opened = [cloud.open(kind, number=number) for number in range(alone + at_once)]
        ended = _run(machine, cloud, kind, opened[0], data)
        settled = [cloud.now(each) for each in opened]
        violations = cloud.phoenix.auditing.audit().violations
    is_each_once = {(each.status, each.attempt) for each in settled} == {(Status.DRAFT, 1)}
    is_good = is_each_once and ended.exit_status == 0 and vendor.starts == len(opened)
    drafts = sum(each.status is Status.DRAFT for each in settled)
    what = f"one execution drains {len(opened)} {kind}s of {mib(len(content))}: {drafts} drafts"
    checks.note(f"{what}, {ended.took_s:.1f} s", holds=is_good and not violations)
    checks.note(f"{at_once} {kind}s arrived at the same moment", holds=together.were_together)
    limit_bytes = int(memory[:-1]) * UNIT_BYTES[memory[-1]]
    fits = 0 < ended.memory_bytes < limit_bytes
    checks.note(f"the {kind} job used {mib(ended.memory_bytes)} of {memory}", holds=fits)
    if not is_good:
        print(ended.log[-3000:])  # noqa: T201 (why)


def _run(machine: Machine, cloud: Cloud, kind: Kind, own: Creation, data: Path) -> Ended:
    """Run the job as Cloud Run does for a task."""
    environment = cloud.environment | {"CREATION_ID": own.creation_id, "DRAIN": "yes"}
    started = machine.started(
        JOBS[kind], memory=IMAGES[JOBS[kind]][1], data=data, environment=environment
    )
    with started as name:
        return machine.ended(name)
