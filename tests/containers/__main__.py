"""Builds the three images from their Dockerfiles and runs them as the cloud does.

Read-only, without capabilities, not root, with their declared memory. Needs root, buildah, podman, runc,
debootstrap and the Firestore emulator: `make container-test`. Prints every failed check; then exits 1.
"""

import argparse
import json
import os
import secrets
import shutil
import socket
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from shared.domain.policy import Policy
from tests.containers.checks import API, IMAGE_JOB, IMAGES, VIDEO_JOB, Checks, mib
from tests.containers.draining import drained
from tests.containers.machine import BASE, Ended, Machine, missing
from tests.containers.media import largest_video
from tests.servers.google_models_server import GoogleModelsServer
from tests.servers.google_models_variants import ADAPTERS, OMNI, VEO
from tests.servers.google_models_vendor import Vendor
from tests.support.eventually import eventually

ROOT = Path(__file__).parent.parent.parent
WORK = Path("/var/tmp/phoenix-containers")
USER = 10001
LOCAL = {"PHOENIX_BACKEND": "local", "PHOENIX_DATA": "/data"}
"""Settings that let an image built for the cloud run on this machine."""
POLICY = Policy()
HANDED_BACK = 1
WRONG_CONFIGURATION = 2
STOP_GRACE_S = 10
LARGEST = """
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from google.oauth2.credentials import Credentials
from jobs.video_generation_job.pipeline import VideoPipeline
from shared.adapters.{module} import {adapter}
from shared.adapters.google_models.client import CloudProject, Connection
from shared.adapters.system.crew import SystemCrew
from shared.domain.brief import Brief
from shared.domain.kind import Kind
from shared.domain.policy import Policy
from shared.adapters.google_models.cards import Surface, chosen_card
from shared.ports.generator import Ready

kind, url, at_once = Kind.VIDEO, sys.argv[1], int(sys.argv[2])
card = chosen_card(kind, "{model}", surface=Surface.AGENT_PLATFORM, today=date(2026, 11, 21))
access = CloudProject("p", credentials=Credentials(token="t"))
connection = Connection(access=access, base_url=url, storage_url=url)
brief, crew = Brief.of(kind, prompt="large"), SystemCrew()

def produce(number):
    generator = {adapter}(card, connection)
    begun = generator.start(brief, creation_id=f"c{{number}}", attempt=1)
    while not isinstance(state := generator.poll(begun), Ready):
        pass
    folder = Path(f"/tmp/{{number}}")
    folder.mkdir()
    generator.fetch(state, folder / "file", size_bytes_max=Policy().size_bytes_max(kind))
    with crew.turn(lambda: None):
        return VideoPipeline().post_process(folder / "file", folder, brief=brief)

with ThreadPoolExecutor(at_once) as threads:
    made = list(threads.map(produce, range(at_once)))
print("produced", len(made), "of", made[0].width, "x", made[0].height)
"""
"""A job's work with as many of the largest videos as one process has at once."""


class Api:
    """The API in its container, with a signed-in user."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._token = ""

    def call(self, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self._url}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def is_healthy(self) -> bool:
        try:
            self.call("/api/health")
        except OSError:
            return False
        return True

    def sign_in(self) -> None:
        self._token = self.call("/api/local/sign-in", {"username": "ada"})["token"]

    def open(self, kind: str, prompt: str) -> str:
        opened = self.call("/api/generate/creation", {"type": kind, "prompt": prompt})
        return str(opened["creationId"])

    def creation(self, creation_id: str) -> Any:
        return self.call(f"/api/generate/creation/{creation_id}")["creation"]


def built(machine: Machine, checks: Checks) -> None:
    """Build the images and check their contents."""
    machine.ensure_base()
    base_bytes = machine.size_bytes(BASE)
    for tag, (file, _) in IMAGES.items():
        took_s = machine.build(ROOT / file, context=ROOT, tag=tag)
        added = mib(machine.size_bytes(tag) - base_bytes)
        checks.note(f"{tag} built in {took_s:.0f} s: {added} on a base of {mib(base_bytes)}")
        found = machine.podman(
            *("run", "--rm", "--pull=never", "--network=none", "--read-only", "--cap-drop=all"),
            *(
                "--ulimit",
                "nofile=1024:1024",
                "--ulimit",
                "nproc=1024:1024",
                "--entrypoint=sh",
                tag,
            ),
            *("-c", "id -u; find / -xdev -name '*ffmpeg-*' | wc -l; touch /app/x || echo ro"),
        ).split()
        checks.note(f"{tag} runs as {found[0]}", holds=found[0] == str(USER))
        checks.note(f"{tag} cannot write to itself", holds=found[-1] == "ro")
        has_ffmpeg = found[1] != "0"
        checks.note(f"{tag} has ffmpeg: {has_ffmpeg}", holds=has_ffmpeg is (tag == VIDEO_JOB))


def served(machine: Machine, checks: Checks, data: Path) -> None:
    """Open creations and run their jobs in containers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = int(probe.getsockname()[1])
    api = Api(port)
    environment = LOCAL | {
        "PHOENIX_BASE_URL": f"http://127.0.0.1:{port}",
        "PORT": str(port),
    }
    began_s = time.monotonic()
    with machine.started(API, memory=IMAGES[API][1], data=data, environment=environment) as name:
        eventually(api.is_healthy)
        checks.note(f"the API is healthy {time.monotonic() - began_s:.1f} s after its start")
        api.sign_in()
        for tag, kind in ((VIDEO_JOB, "video"), (IMAGE_JOB, "image")):
            made(machine, checks, api, tag=tag, kind=kind, data=data)
            stopped(machine, checks, api, tag=tag, kind=kind, data=data)
        took_s, ended = stop(machine, name)
        is_clean = ended.exit_status == 0 and took_s < STOP_GRACE_S
        figures = f"with {ended.exit_status}, {took_s:.1f} s after SIGTERM"
        checks.note(f"the API ends {figures}", holds=is_clean)


def closed(machine: Machine, checks: Checks, data: Path) -> None:
    """Check that an execution can override neither arguments nor Python's variables."""
    steering = {"PYTHONPATH": "/data", "PYTHONSTARTUP": "/data/x.py", "PYTHONHOME": "/data"}
    for tag in IMAGES:
        for arguments, environment in (
            (("-c", "print(1)"), {}),
            (("sh",), {}),
            ((), {"PORT": "x", "CREATION_ID": "x", **steering}),
        ):
            started = machine.started(
                tag, *arguments, memory=IMAGES[tag][1], data=data, environment=environment
            )
            with started as name:
                ended = machine.ended(name)
            refusal = ended.log.strip().rpartition("\n")[2]  # the API shows its usage before it
            is_refused = ended.exit_status == WRONG_CONFIGURATION and "Traceback" not in ended.log
            checks.note(
                f"{tag} {' '.join(arguments)}: {refusal}", holds=is_refused and bool(refusal)
            )


def job(machine: Machine, tag: str, creation_id: str, data: Path) -> Any:
    environment = LOCAL | {"CREATION_ID": creation_id}
    return machine.started(tag, memory=IMAGES[tag][1], data=data, environment=environment)


def made(machine: Machine, checks: Checks, api: Api, *, tag: str, kind: str, data: Path) -> None:
    """Run a job and measure it."""
    creation_id = api.open(kind, "a fox in the snow")
    with job(machine, tag, creation_id, data) as name:
        ended = machine.ended(name)
    creation = api.creation(creation_id)
    is_made = ended.exit_status == 0 and creation["status"] == "draft"
    figures = f"{mib(ended.memory_bytes)} of {IMAGES[tag][1]} at its peak, {ended.took_s:.1f} s"
    checks.note(f"the {kind} job makes a {creation['status']}: {figures}", holds=is_made)
    checks.note(f"the {kind} has {creation['sizeBytes']} bytes", holds=bool(creation["sizeBytes"]))


def stopped(machine: Machine, checks: Checks, api: Api, *, tag: str, kind: str, data: Path) -> None:
    """Stop a job while it works and check the state it leaves."""
    creation_id = api.open(kind, "a fox [slow 60]")
    with job(machine, tag, creation_id, data) as name:
        operations = data / "generator" / "operations"
        eventually(lambda: list(operations.glob(f"{creation_id}-*.json")))
        took_s, ended = stop(machine, name)
    status = api.creation(creation_id)["status"]
    is_clean = (ended.exit_status, status) == (HANDED_BACK, "pending") and took_s < STOP_GRACE_S
    figures = f"{took_s:.1f} s after SIGTERM, and leaves it {status}"
    checks.note(f"the {kind} job ends with {ended.exit_status}, {figures}", holds=is_clean)


def stop(machine: Machine, name: str) -> tuple[float, Ended]:
    began_s = time.monotonic()
    machine.podman("stop", f"--time={STOP_GRACE_S}", name)
    return time.monotonic() - began_s, machine.ended(name)


def large(machine: Machine, checks: Checks, data: Path) -> None:
    """Give the video job as many of the largest videos as it works on at once, inside answers.

    Google sends them so only without a bucket, which the cloud requires.
    """
    content, at_once, memory = largest_video(), POLICY.videos_at_once, IMAGES[VIDEO_JOB][1]
    for maker in (VEO, OMNI):
        adapter = ADAPTERS[maker.call_style]
        script = LARGEST.format(
            module=adapter.__module__.removeprefix("shared.adapters."),
            adapter=adapter.__name__,
            model=maker.card.model,
        )
        vendor = Vendor(takes_s=0, draw=lambda *_: content)
        with (
            GoogleModelsServer(vendor) as server,
            machine.started(
                *(VIDEO_JOB, "-c", script, server.url, str(at_once)),
                entrypoint="python",
                memory=memory,
                data=data,
                environment={},
            ) as name,
        ):
            ended = machine.ended(name)
        figures = f"{mib(ended.memory_bytes)} of {memory}, {ended.took_s:.1f} s"
        is_good = ended.exit_status == 0 and vendor.starts == at_once
        checks.note(
            f"{at_once} of the largest videos, {mib(len(content))} in {maker.call_style}: {figures}",
            holds=is_good,
        )
        if not is_good:
            print(ended.log[-2000:])  # noqa: T201 (why)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--work", type=Path, default=WORK, help="where images are kept")
    given = arguments.parse_args()
    if lacking := missing():
        sys.exit(f"this needs {', '.join(lacking)}")
    machine, checks = Machine(given.work), Checks()
    data = given.work / f"data-{secrets.token_hex(4)}"
    data.mkdir(parents=True)
    os.chown(data, USER, USER)
    try:
        built(machine, checks)
        closed(machine, checks, data)
        served(machine, checks, data)
        large(machine, checks, data)
        drained(machine, checks, data)
    finally:
        shutil.rmtree(data)
    sys.exit(1 if checks.bad else 0)


if __name__ == "__main__":
    main()
