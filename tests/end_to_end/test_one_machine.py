"""Creations on one machine end to end, with real processes and audited books."""

import collections
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from PIL import Image

from jobs.video_generation_job import ffmpeg
from jobs.video_generation_job.probe import run_listing
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.status import Status
from tests.end_to_end.conftest import OneMachine
from tests.end_to_end.processes import jobs_of, kill
from tests.support.environments import DEAD_PROXY
from tests.support.eventually import eventually
from tests.support.mp4 import top_boxes

pytestmark = pytest.mark.slow


def phoenix(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [Path(sys.executable).with_name("phoenix"), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_demo_succeeds() -> None:
    done = phoenix("demo", "--json", GEMINI_API_KEY="a-key-that-the-demo-never-uses", **DEAD_PROXY)

    shown = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert shown["asPromised"] is True
    assert (shown["tokensBefore"], shown["tokensAfter"]) == (100, 88)
    assert shown["violations"] == []
    stories = {each["story"]: each for each in shown["creations"]}
    assert stories["refused"]["creation"]["error"]["code"] == "policy_violation"
    assert stories["rate-limited"]["creation"]["attempt"] == 2


def test_video_and_image_are_created_and_served_by_their_links(
    machine: OneMachine, tmp_path: Path
) -> None:
    client = machine.client()
    video = machine.open(client, "waves", duration=4, orientation="portrait")
    image = machine.open(client, "a fox", "image", aspectRatio="4:3")
    for creation_id in (video, image):
        assert machine.settled(creation_id).status is Status.DRAFT
    drafts = client.get("/api/generate/drafts").json()["creations"]

    assert [draft["creationId"] for draft in drafts] == [image, video]
    for draft in drafts:
        media, thumbnail = (
            client.get(draft[link]).content for link in ("mediaUrl", "thumbnailUrl")
        )
        assert len(media) == draft["sizeBytes"]
        (tmp_path / "thumbnail.jpg").write_bytes(thumbnail)
        with Image.open(tmp_path / "thumbnail.jpg") as picture:
            assert (picture.format, picture.width) == ("JPEG", 640)
        assert 10 * 1024 <= len(thumbnail) <= 50 * 1024
        assert draft["mediaUrl"].rpartition("signature=")[2] not in machine.logs()
    film = tmp_path / "film.mp4"
    film.write_bytes(client.get(drafts[1]["mediaUrl"]).content)
    assert top_boxes(film)[:2] == ["ftyp", "moov"]
    frames = run_listing(
        ffmpeg.list_frames(film, tmp_path / "frames", track_id=1), tmp_path / "frames", timeout_s=60
    )
    assert (frames.width, frames.height, frames.count) == (720, 1280, 4 * 24)
    assert frames.length_s == 4


@pytest.mark.parametrize(
    ("prompt", "status", "code", "starts"),
    [
        ("[refuse]", Status.FAILED, "policy_violation", 0),
        ("[rate-limit x2]", Status.DRAFT, None, 1),
        ("[rate-limit x9]", Status.FAILED, "generator_rate_limited", 0),
        ("[unavailable x1]", Status.DRAFT, None, 1),
        ("[silent] [slow 1]", Status.DRAFT, None, 1),
        ("[silent] [hang]", Status.FAILED, "generator_silent", 1),
        ("[crash upload] [slow 0]", Status.DRAFT, None, 1),
        ("[broken file] [slow 0]", Status.FAILED, "generator_bad_output", 1),
        ("[no thumbnail] [slow 0]", Status.DRAFT, None, 1),
    ],
)
def test_scenario_word_has_its_documented_result(
    machine: OneMachine, prompt: str, status: Status, code: str | None, starts: int
) -> None:
    creation_id = machine.open(machine.client(), prompt, duration=4)

    settled = machine.settled(creation_id)

    assert settled.status is status
    assert (settled.error.code if settled.error else None) == code
    assert settled.refunded is (status is Status.FAILED)
    assert machine.starts(creation_id) == starts
    if "thumbnail" in prompt:
        assert settled.thumbnail_key is None


def test_hanging_generator_is_refunded_by_the_deadline(
    new_machine: Callable[..., OneMachine],
) -> None:
    machine = new_machine(
        PHOENIX_POLICY_DEADLINE_S="12",
        PHOENIX_POLICY_VIDEO_JOB_TIMEOUT_S="7",
        PHOENIX_POLICY_IMAGE_JOB_TIMEOUT_S="7",
        **{
            f"PHOENIX_POLICY_{kind}_{part}_S": "3"
            for kind in ("VIDEO", "IMAGE")
            for part in ("DRAIN", "ROOM")
        },
    )
    creation_id = machine.open(machine.client(), "[hang]")

    settled = machine.settled(creation_id, within_s=30)

    assert settled.error is not None
    assert settled.error.code == "deadline_exceeded"
    assert machine.starts() == 1


# Races


def posted_at_once(
    machine: OneMachine, *, kind: str, processes: int, each: int, key: str = ""
) -> collections.Counter[int]:
    """Post from several processes at the same time and count the statuses."""
    token = machine.client().headers["Authorization"].removeprefix("Bearer ")
    command = [sys.executable, "-m", "tests.end_to_end.concurrent_posts", machine.stack.base_url]
    start_at_s = time.time() + 3
    posting = [
        subprocess.Popen(
            [*command, token, kind, str(each), str(start_at_s), key], stdout=subprocess.PIPE
        )
        for _ in range(processes)
    ]
    answered: collections.Counter[int] = collections.Counter()
    for process in posting:
        counts = json.loads(process.communicate(timeout=100)[0])
        answered.update({int(status): count for status, count in counts.items()})
    return answered


NO_LIMITS = {
    "PHOENIX_POLICY_VIDEOS_IN_FLIGHT_MAX": "1000",
    "PHOENIX_POLICY_IMAGES_IN_FLIGHT_MAX": "1000",
    "PHOENIX_POLICY_OPENED_PER_HOUR_MAX": "1000",
}


def without_jobs(machine: OneMachine) -> OneMachine:
    """A machine that dispatches no tasks."""
    local = machine.stack.phoenix.local
    assert local is not None
    local.queue.__dict__["dispatch"] = lambda *_, **__: False
    return machine


@pytest.mark.parametrize(("kind", "accepted"), [("video", 10), ("image", 100)])
def test_two_hundred_posts_at_once_spend_exactly_the_balance(
    new_machine: Callable[..., OneMachine], kind: str, accepted: int
) -> None:
    machine = without_jobs(new_machine(**NO_LIMITS))

    answered = posted_at_once(machine, kind=kind, processes=8, each=25)

    assert answered == {202: accepted, 402: 200 - accepted}
    assert machine.client().get("/api/me").json()["tokenBalance"] == 0


@pytest.mark.parametrize(("kind", "accepted"), [("video", 5), ("image", 20)])
def test_two_hundred_posts_at_once_stop_at_the_in_flight_limit(
    machine: OneMachine, kind: str, accepted: int
) -> None:
    without_jobs(machine)

    answered = posted_at_once(machine, kind=kind, processes=8, each=25)

    assert answered == {202: accepted, 429: 200 - accepted}


def test_hundred_racing_replays_of_one_key_debit_once(machine: OneMachine) -> None:
    without_jobs(machine)

    answered = posted_at_once(machine, kind="video", processes=4, each=25, key="one click")

    assert answered == {202: 100}
    me = machine.client().get("/api/me").json()
    assert (me["tokenBalance"], me["inFlight"]["video"]) == (90, 1)


# Tasks and crashes


def test_killed_job_is_resumed_without_a_second_start(
    machine: OneMachine,
) -> None:
    creation_id = machine.open(machine.client(), "a long film [slow 5]")
    eventually(lambda: machine.document(creation_id).operation_name)
    operation_name = machine.document(creation_id).operation_name
    kill(jobs_of(creation_id))

    settled = machine.settled(creation_id)

    assert settled.status is Status.DRAFT
    assert settled.attempt == 2
    assert settled.operation_name == operation_name
    assert machine.starts(creation_id) == 1


def test_task_that_is_duplicated_late_or_for_a_failed_creation_changes_nothing(
    machine: OneMachine,
) -> None:
    client = machine.client()
    draft = machine.open(client, "a fox [slow 0]", "image")
    failed = machine.open(client, "[refuse]", "image")
    before = {each: machine.settled(each) for each in (draft, failed)}
    me = client.get("/api/me").json()
    local = machine.stack.phoenix.local
    assert local is not None

    for number in (7, 8):
        for creation_id in before:
            local.queue.enqueue(CreationId(creation_id), kind=Kind.IMAGE, number=number)
    eventually(
        lambda: (
            not any(
                local.queue.waits(CreationId(creation_id), kind=Kind.IMAGE, number=number)
                for number in (7, 8)
                for creation_id in before
            )
        )
    )
    local.executions.wait()

    assert {each: machine.document(each) for each in before} == before
    assert client.get("/api/me").json() == me
    assert machine.starts() == 1


def test_two_executions_of_one_creation_claim_it_once(machine: OneMachine) -> None:
    creation_id = machine.open(machine.client(), "a fox [slow 2]", "image")
    local = machine.stack.phoenix.local
    assert local is not None
    for _ in range(3):
        local.executions.run(CreationId(creation_id), kind=Kind.IMAGE)

    settled = machine.settled(creation_id)

    assert (settled.status, settled.attempt) == (Status.DRAFT, 1)
    assert machine.starts() == 1


def test_killed_api_is_restarted(machine: OneMachine) -> None:
    client = machine.client()
    machine.stack._api.kill()

    def is_back() -> bool:
        try:
            return client.get("/api/me").is_success
        except httpx.TransportError:
            return False

    eventually(is_back)


def test_stopped_stack_releases_its_leases_and_the_next_start_finishes_the_work(
    new_machine: Callable[..., OneMachine],
) -> None:
    first = new_machine()
    creation_id = first.open(first.client(), "a long film [slow 6]")
    eventually(lambda: first.document(creation_id).operation_name)
    first.stack._running.close()
    assert first.document(creation_id).status is Status.PENDING

    second = new_machine()
    settled = second.settled(creation_id)

    assert settled.status is Status.DRAFT
    assert settled.retry_count == 0
    assert second.starts(creation_id) == 1
