"""The cloud on this machine while more creations wait than executions may start."""

import json
import random
import signal
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.adapters.local.job_processes import RESTARTS_MAX
from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.policy import STOP_GRACE_S
from shared.domain.status import Status
from tests.end_to_end.cloud import CloudInABox
from tests.end_to_end.poisoned_image_job import POISON
from tests.end_to_end.processes import jobs_of, kill
from tests.servers.run_admin_server import INVOKER, LOCATION, Run, token_of
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [pytest.mark.slow, needs("firestore")]

MODELS_AND_POLICY = {
    "PHOENIX_VIDEO_MODEL": "gemini-omni-1.2-flash",
    "PHOENIX_POLICY_LEASE_S": "10",
    "PHOENIX_POLICY_HEARTBEAT_S": "1",
    "PHOENIX_POLICY_DEADLINE_S": "6000",
    **{
        f"PHOENIX_POLICY_{kind.upper()}_{name}_S": seconds
        for kind in Kind
        for name, seconds in {"JOB_TIMEOUT": "300", "DRAIN": "200", "ROOM": "100"}.items()
    },
}
"""Dozens of creations wait for a few processes, which a busy machine makes slow."""
SETTLED_WITHIN_S = 300
POLL_S = 0.5
"""A test that polls dozens of documents slows down what it waits for."""
STARTS_A_SECOND = 0.5
"""A queue of 45 starts a minute has 9 for an image of 12 s; this one has 1 for an image of 2 s."""
FEW_STARTS_A_SECOND = 0.1
"""Six videos are waiting tasks for a minute, also if a busy machine starts a process in 20 s."""
RAMP_S = 150
"""How long an execution may take to its full number at once; a busy machine is slow."""
ONE_EXECUTION = {"starts_a_second": 0.005}
"""The second execution could start after 200 s; the deadline lets so slow a queue take 28 tasks."""
TRACE = "00-{:032x}-00000000000000a1-01"
TRACE_FIELD = "logging.googleapis.com/trace"
NewBox = Callable[..., CloudInABox]


@pytest.fixture
def new_box(tmp_path: Path, firestore_address: str) -> Iterator[NewBox]:
    """Start clouds with slow queues; at the end, each must have clean books and no paid repeat."""
    with ExitStack() as running:

        def start(**options: Any) -> CloudInABox:
            prefix = f"t{uuid.uuid4().hex}-"
            chosen = {"models": MODELS_AND_POLICY, "starts_a_second": STARTS_A_SECOND, **options}
            box = CloudInABox(tmp_path, firestore=firestore_address, prefix=prefix, **chosen)
            running.enter_context(box)
            running.callback(lambda: check(box))
            return box

        yield start


def check(box: CloudInABox) -> None:
    assert box.violations() == []
    starts = Counter((work.kind, work.prompt) for work in box.vendor.works)
    assert {key: count for key, count in starts.items() if count > most(key[0])} == {}
    assert set(box.tasks.withdrawn) & set(box.tasks.delivered) == set()


def most(kind: Kind) -> int:
    return 1 if kind is Kind.VIDEO else 2


def open_all(
    box: CloudInABox, kind: str, prompts: list[str], *, owners: int = 5
) -> dict[str, httpx.Client]:
    """Open creations of several users, each in a trace of its own; return them by id."""
    clients = [box.client(f"user-{uuid.uuid4().hex[:8]}") for _ in range(owners)]
    opened = {}
    for nth, prompt in enumerate(prompts):
        client = clients[nth % owners]
        client.headers["traceparent"] = TRACE.format(random.getrandbits(120) + 1)
        opened[box.open(client, prompt, kind)] = client
    return opened


def settled(
    box: CloudInABox, opened: dict[str, httpx.Client], *, sweeps: bool = False
) -> list[Creation]:
    def are_settled() -> bool:
        if sweeps:
            box.sweep()
        return not any(box.document(each).is_unfinished for each in opened)

    eventually(are_settled, within_s=SETTLED_WITHIN_S, poll_interval_s=POLL_S)
    return [box.document(each) for each in opened]


def held(box: CloudInABox, opened: dict[str, httpx.Client]) -> dict[str, str]:
    """Return the execution of each creation that is held, by the creation's id."""
    documents = [box.document(each) for each in opened]
    return {
        each.creation_id: each.lease_owner.execution
        for each in documents
        if each.status is Status.PROCESSING and each.lease_owner is not None
    }


def run_of(box: CloudInABox, execution: str) -> Run:
    return next(run for name, run in box.run.runs.items() if name.endswith(f"/{execution}"))


def run_task_again(box: CloudInABox, creation_id: str, kind: str) -> Run:
    """Send the request of a creation's task to Cloud Run once more."""
    variables = {"CREATION_ID": creation_id, "DRAIN": "yes"}
    environment = [{"name": name, "value": value} for name, value in variables.items()]
    answer = httpx.post(
        f"{box.run.url}/v2/{LOCATION}/jobs/{kind}-generation-job:run",
        headers={"Authorization": f"Bearer {token_of(INVOKER)}"},
        json={"overrides": {"containerOverrides": [{"env": environment}]}},
    )
    return box.run.runs[answer.json()["metadata"]["name"]]


def test_many_creations_need_few_executions(new_box: NewBox) -> None:
    box = new_box(starts_a_second=FEW_STARTS_A_SECOND)
    images = open_all(box, "image", [f"image {nth} [slow 2]" for nth in range(40)])
    videos = open_all(box, "video", [f"video {nth} [slow 3]" for nth in range(6)])

    made = settled(box, images) + settled(box, videos)

    assert {each.status for each in made} == {Status.DRAFT}
    assert {each.attempt for each in made} == {1}
    assert box.vendor.starts == len(made)
    kinds = Counter(run.name.split("/")[-3] for run in box.run.runs.values())
    assert kinds["image-generation-job"] <= len(images) // 2, kinds
    assert kinds["video-generation-job"] < len(videos), kinds
    drained = {each.creation_id for each in made} - {
        run.overrides["CREATION_ID"] for run in box.run.runs.values()
    }
    withdrawn = {id_ for id_ in drained if any(id_ in name for name in box.tasks.withdrawn)}
    failed = {line["creation_id"] for line in lines_of_all(box, "withdrawal_failed")}
    assert drained - withdrawn <= failed
    assert len(failed) < len(drained) // 2
    check_late_task(box, next(iter(drained)))
    check_logs(box)


def check_late_task(box: CloudInABox, creation_id: str) -> None:
    before = box.document(creation_id)

    run = run_task_again(box, creation_id, before.kind)
    eventually(lambda: run.ended_at is not None)

    assert run.statuses == [0]
    assert box.document(creation_id) == before


def check_logs(box: CloudInABox) -> None:
    """Each line of an attempt names its creation; only those of the task's own have its trace."""
    lines_of_drained = 0
    for name, run in box.run.runs.items():
        own = run.overrides["CREATION_ID"]
        log = box.folder / f"{name.rpartition('/')[2]}.log"
        for line in map(json.loads, log.read_text().splitlines()):
            if "attempt" in line or TRACE_FIELD in line:
                assert line["creation_id"], line
                assert line["execution"] == log.stem
                assert TRACE_FIELD not in line or line["creation_id"] == own, line
            if line.get("creation_id", own) != own:
                assert line["attempt"] == 1, line
                lines_of_drained += 1
            if line["message"] == "claimed":
                assert line["is_drained"] is (line["creation_id"] != own)
    assert lines_of_drained >= len(box.run.runs)


def test_killed_executions_and_repeated_tasks_lose_nothing(new_box: NewBox) -> None:
    box, chance = new_box(), random.Random(15)
    images = open_all(box, "image", [f"image {nth} [slow 2]" for nth in range(30)])
    videos = open_all(box, "video", [f"video {nth} [slow 4]" for nth in range(6)])
    opened = images | videos

    kills: Counter[str] = Counter()
    repeated = []

    for _ in range(5):
        victim = eventually(
            lambda: chance.choice(owns_of_running(box, opened, kills) or [""]),
            poll_interval_s=POLL_S,
        )
        kill(jobs_of(victim), signal.SIGKILL)
        kills[victim] += 1
        again = chance.choice(sorted(opened))
        repeated.append(run_task_again(box, again, box.document(again).kind))
        box.sweep()

    made = settled(box, opened, sweeps=True)
    eventually(lambda: all(run.ended_at is not None for run in repeated))
    assert all(0 in run.statuses for run in repeated)
    assert [each.status for each in made].count(Status.DRAFT) > len(made) // 2
    unfinished = [each for each in made if each.kind is Kind.VIDEO and each.status != Status.DRAFT]
    assert all(map(was_killed_at_start, unfinished)), unfinished


def was_killed_at_start(creation: Creation) -> bool:
    """Return whether a kill hit between the request to the vendor and the record of its answer."""
    failure = creation.error and creation.error.code
    return failure is FailureCode.GENERATOR_SILENT and creation.operation_name is None


def owns_of_running(
    box: CloudInABox, opened: dict[str, httpx.Client], kills: Counter[str]
) -> list[str]:
    """Return the own creation of each execution that holds one and has a restart left."""
    owns = {run_of(box, each).overrides["CREATION_ID"] for each in held(box, opened).values()}
    return sorted(each for each in owns if kills[each] < RESTARTS_MAX and jobs_of(each))


def test_sigterm_hands_back_every_creation_of_an_execution(new_box: NewBox) -> None:
    box = new_box(**ONE_EXECUTION)
    box.vendor.takes_s = 2 * RAMP_S
    quick = made_by_a_busy_execution(box)
    slow = open_all(box, "image", [f"slow {nth} [slow]" for nth in range(8)])
    eventually(
        lambda: len(held(box, slow)) == len(slow) and starts_of(box, slow) == len(slow),
        within_s=RAMP_S,
        poll_interval_s=POLL_S,
    )
    (run,) = box.run.runs.values()
    processes = jobs_of(run.overrides["CREATION_ID"])
    box.vendor.takes_s = 0.2

    kill(processes, signal.SIGTERM)
    eventually(
        lambda: not set(processes) & set(jobs_of(run.overrides["CREATION_ID"])),
        within_s=STOP_GRACE_S,
    )

    made = settled(box, quick | slow)
    eventually(lambda: run.ended_at is not None)
    assert run.statuses == [1, 0]
    assert {line["creation_id"] for line in lines(box, run, "handed_back")} == slow.keys()
    assert len(lines(box, run, "handed_back")) == len(slow)
    assert list(box.run.runs.values()) == [run]
    assert {each.status for each in made} == {Status.DRAFT}
    again = [each for each in made if each.creation_id in slow]
    assert {(each.attempt, each.hand_back_count, each.requeue_count) for each in again} == {
        (2, 1, 0)
    }


def made_by_a_busy_execution(box: CloudInABox) -> dict[str, httpx.Client]:
    """Open images until seven are made; one waits at any time, or the execution would look no more."""
    quick = open_all(box, "image", [f"quick {nth} [slow 1]" for nth in range(10)])

    def are_enough_made() -> bool:
        statuses = [box.document(each).status for each in quick]
        if Status.PENDING not in statuses:
            quick.update(open_all(box, "image", [f"quick {len(quick)} [slow 1]"], owners=1))
        return statuses.count(Status.DRAFT) >= 7

    eventually(are_enough_made, within_s=RAMP_S, poll_interval_s=POLL_S)
    return quick


def starts_of(box: CloudInABox, opened: dict[str, httpx.Client]) -> int:
    prompts = {box.document(each).prompt for each in opened}
    return sum(work.prompt in prompts for work in box.vendor.works)


def lines_of_all(box: CloudInABox, *messages: str) -> list[dict[str, Any]]:
    return [line for run in box.run.runs.values() for line in lines(box, run, *messages)]


def lines(box: CloudInABox, run: Run, *messages: str) -> list[dict[str, Any]]:
    """Return the lines that an execution logged with these messages."""
    log = box.folder / f"{run.name.rpartition('/')[2]}.log"
    found = map(json.loads, log.read_text().splitlines())
    return [line for line in found if line["message"] in messages]


def test_restart_after_a_crash_makes_what_it_held_one_at_a_time(new_box: NewBox) -> None:
    box = new_box(**ONE_EXECUTION)
    opened = open_all(box, "video", [f"video {nth} [slow 4]" for nth in range(6)])
    eventually(
        lambda: sum(is_started(box, each) for each in held(box, opened)) == 4,
        within_s=RAMP_S,
        poll_interval_s=POLL_S,
    )
    (run,) = box.run.runs.values()
    own, lost = run.overrides["CREATION_ID"], held(box, opened)

    kill(jobs_of(own), signal.SIGKILL)

    made = settled(box, opened)
    eventually(lambda: run.ended_at is not None)
    assert run.statuses == [-signal.SIGKILL, 0]
    assert {each.status for each in made} == {Status.DRAFT}
    assert box.vendor.starts == len(opened)
    second_try = [
        (line["message"], line["creation_id"])
        for line in lines(box, run, "claimed", "creation_completed")
        if line["attempt"] == 2 or line["creation_id"] not in lost
    ]
    recovered = second_try[: 2 * len(lost)]
    assert recovered[0] == ("claimed", own)
    assert {creation_id for _, creation_id in recovered} == lost.keys()
    for claimed, completed in zip(recovered[::2], recovered[1::2], strict=True):
        assert (claimed[0], completed[0]) == ("claimed", "creation_completed")
        assert claimed[1] == completed[1]


def is_started(box: CloudInABox, creation_id: str) -> bool:
    return box.document(creation_id).operation_name is not None


def test_image_that_crashes_its_process_stops_no_other(new_box: NewBox) -> None:
    box = new_box(image_job="tests.end_to_end.poisoned_image_job")
    prompts = [f"image {nth} [slow 1]" for nth in range(20)]
    prompts.insert(6, f"{POISON} [slow 1]")
    opened = open_all(box, "image", prompts)

    made = settled(box, opened, sweeps=True)

    failed = [each.prompt for each in made if each.status is not Status.DRAFT]
    assert failed == [f"{POISON} [slow 1]"]
