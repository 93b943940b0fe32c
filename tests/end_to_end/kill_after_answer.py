"""Kills the API with SIGKILL right after an answer: nothing answered is lost, and the books are right.

Run `python -m tests.end_to_end.kill_after_answer --times 200`. This shows that each answer comes after
its commit. It cannot show that a commit is on the disk, because the kernel keeps what a killed process
has written: `test_durability` traces the system calls for that.
"""

import argparse
import contextlib
import itertools
import os
import random
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
from fastapi.testclient import TestClient

from api_service.app import create_app
from shared import settings, wiring
from shared.domain.creation import Creation, creation_key
from shared.domain.keys import CreationId
from shared.domain.ledger import EntryType, debit_id, entry_key
from shared.ports.store import Store
from shared.wiring import Phoenix
from tests.end_to_end.api_process import API, IMAGE, OPEN, api, sign_in

CLIENTS = 8
KILLS_PER_FOLDER = 5
KILLED_AFTER_MAX = 24
"""The most answers that all clients of one API have read when it is killed."""
FOLDERS_AT_ONCE = 2
POLICY = {
    # No job runs, so every image stays unfinished.
    "PHOENIX_POLICY_IMAGES_IN_FLIGHT_MAX": "100",
    # The sweep looks for a task that a kill prevented without waiting for its interval.
    "PHOENIX_POLICY_SWEEP_EVERY_S": "0.001",
}


@dataclass
class Post:
    """A request to open an image; every other one of a user has an idempotency key."""

    user: str
    key: str | None
    creation_id: CreationId | None = None
    """Set by the answer."""


def post_until_killed(client: httpx.Client, user: str, answered: Callable[[], None]) -> list[Post]:
    """Open images one after the other; call `answered` as soon as the head of a 202 was read."""
    posts: list[Post] = []
    with contextlib.suppress(httpx.TransportError):
        headers = sign_in(client, user)
        for number in itertools.count():
            posts.append(post := Post(user, f"key-{number}" if number % 2 == 0 else None))
            sent = headers | key_header(post)
            with client.stream("POST", OPEN, json=IMAGE, headers=sent) as answer:
                assert answer.status_code == 202
                post.creation_id = CreationId(answer.headers["Location"].rpartition("/")[2])
                answered()
                answer.read()
    return posts


def key_header(post: Post) -> dict[str, str]:
    return {} if post.key is None else {"Idempotency-Key": post.key}


def killed(data: Path, *, name: str, killed_after: int, command: Sequence[str]) -> list[Post]:
    """Start an API, kill it when its clients have read so many answers, and return all requests."""
    with (
        api(data, POLICY, command=command) as (process, base_url),
        httpx.Client(base_url=base_url, timeout=30) as client,
        ThreadPoolExecutor(CLIENTS) as threads,
    ):
        answers = itertools.count(1)

        def answered() -> None:
            if next(answers) == killed_after:
                os.killpg(process.pid, signal.SIGKILL)

        users = [f"user-{name}-{number}" for number in range(CLIENTS)]
        posting = [threads.submit(post_until_killed, client, user, answered) for user in users]
        posts = [post for each in posting for post in each.result()]
    assert process.returncode == -signal.SIGKILL
    return posts


def restarted(data: Path) -> Phoenix:
    return wiring.build(settings.load({"PHOENIX_DATA": str(data), **POLICY}))


def check(data: Path, posts: Iterable[Post]) -> None:
    """Check all requests since the folder was new."""
    phoenix = restarted(data)
    with contextlib.closing(phoenix.ports):
        for post in posts:
            check_answered(phoenix.ports.store, post)
        assert phoenix.auditing.audit().violations == []
        phoenix.sweeping.sweep()
        for each in phoenix.ports.store.everything():
            if isinstance(each, Creation):
                id_, number = each.creation_id, each.task_number
                assert phoenix.ports.queue.waits(id_, kind=each.kind, number=number), f"{each}"


def check_answered(store: Store, post: Post) -> None:
    if post.creation_id is None:
        return
    creation = store.get(creation_key(post.creation_id))
    debit = store.get(entry_key(debit_id(post.creation_id, 1)))
    assert creation is not None, f"{post} is lost"
    assert debit is not None, f"{post} has no debit"
    assert creation.user_id == debit.user_id == post.user
    assert debit.entry_type is EntryType.DEBIT
    assert debit.amount_tokens == creation.cost_tokens


def check_repeated(data: Path, posts: Iterable[Post]) -> None:
    """Repeat the requests with a key: an answered one changes nothing, any other is paid once."""
    with TestClient(create_app(restarted(data)), base_url="http://127.0.0.1") as client:
        for user, theirs in itertools.groupby(posts, key=lambda post: post.user):
            headers = sign_in(client, user)
            for post in theirs:
                if post.key is not None:
                    repeat(client, headers, post)
                    repeat(client, headers, post)


def repeat(client: TestClient, headers: dict[str, str], post: Post) -> None:
    """Send a request again; from now on its answer is known."""
    before = balance(client, headers)
    answer = client.post(OPEN, json=IMAGE, headers=headers | key_header(post))
    assert answer.status_code == 202, answer.text
    is_replay, body = "Idempotency-Replayed" in answer.headers, answer.json()
    assert balance(client, headers) == before - (0 if is_replay else body["cost"])
    if post.creation_id is not None:
        assert (body["creationId"], is_replay) == (post.creation_id, True)
    post.creation_id = body["creationId"]


def balance(client: TestClient, headers: dict[str, str]) -> int:
    balance_tokens: int = client.get("/api/me", headers=headers).json()["tokenBalance"]
    return balance_tokens


def killed_repeatedly(data: Path, *, kills: int, command: Sequence[str]) -> Counter[str]:
    """Kill an API on one folder repeatedly and check the folder each time; count the requests."""
    counts: Counter[str] = Counter()
    everything: list[Post] = []
    for number in range(kills):
        killed_after = 1 if number == 0 else random.randint(1, KILLED_AFTER_MAX)
        posts = killed(data, name=str(number), killed_after=killed_after, command=command)
        everything += posts
        answered = sum(post.creation_id is not None for post in posts)
        counts.update(kills=1, answered=answered, unanswered=len(posts) - answered)
        assert answered >= killed_after
        check(data, everything)
        check_repeated(data, posts)
        check(data, everything)
    return counts


def killed_times(folder: Path, times: int, *, command: Sequence[str] = API) -> Counter[str]:
    """Kill an API this many times, a few times on each new folder; count the requests."""
    kills = [
        len(range(times)[at : at + KILLS_PER_FOLDER]) for at in range(0, times, KILLS_PER_FOLDER)
    ]
    with ThreadPoolExecutor(FOLDERS_AT_ONCE) as threads:
        counting = [
            threads.submit(killed_repeatedly, folder / str(number), kills=each, command=command)
            for number, each in enumerate(kills)
        ]
        return sum((each.result() for each in counting), Counter())


def main() -> None:
    """Print the counts; keep the folder if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    times = parser.parse_args().times
    folder = Path(tempfile.mkdtemp(prefix="phoenix-killed-"))
    sys.stdout.write(f"checking in {folder}\n")
    counts = killed_times(folder, times)
    shutil.rmtree(folder)
    sys.stdout.write(f"nothing is lost: {dict(counts)}\n")


if __name__ == "__main__":
    main()
