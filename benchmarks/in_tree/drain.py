"""Run the one-machine stack on a backlog of images, with the modules of the tree that runs this.

    python -P drain.py IMAGES USERS IDLE_S

Opens one image after an idle time, and then all others at once. Prints one line of JSON: the seconds
that the lone image took, those from the first of the others to the last draft, how many executions
ran, and the CPU time of all processes until the stack has stopped.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice

import httpx

from infrastructure.local.stack import Stack
from shared.adapters.local.data_folder import EXECUTIONS
from shared.domain.kind import Kind
from shared.domain.status import Status

LOOK_EVERY_S = 0.05


def main() -> None:
    images, users = map(int, sys.argv[1:3])
    idle_s = float(sys.argv[3])
    with Stack(dict(os.environ)) as stack:
        tokens = list(_sign_in(stack, users))
        time.sleep(idle_s)
        lone_s = _drafts_s(stack, tokens[:1])
        executions = _executions(stack)
        drafts_s = _drafts_s(stack, list(islice(cycle(tokens), images)))
        executions = _executions(stack) - executions
    measured = {
        "lone_s": lone_s,
        "drafts_s": drafts_s,
        "executions": executions,
        "cpu_s": _cpu_s(resource.RUSAGE_SELF) + _cpu_s(resource.RUSAGE_CHILDREN),
    }
    print(json.dumps(measured))  # noqa: T201 (read by the benchmark)


def _sign_in(stack: Stack, users: int) -> Iterator[str]:
    local = stack.phoenix.local
    assert local is not None
    for number in range(users):
        yield local.identity.sign_in(f"user-{number:04}")


def _drafts_s(stack: Stack, tokens: list[str]) -> float:
    """Open an image for each token; return the seconds until all are drafts."""
    store, began_s = stack.phoenix.ports.store, time.monotonic()
    with httpx.Client(base_url=stack.base_url, trust_env=False, timeout=30) as client:
        for number, token in enumerate(tokens):
            client.post(
                "/api/generate/creation",
                json={"type": "image", "prompt": f"fox {number}"},
                headers={"Authorization": f"Bearer {token}"},
            ).raise_for_status()
    while any(store.unfinished(Kind.IMAGE, each) for each in (Status.PENDING, Status.PROCESSING)):
        time.sleep(LOOK_EVERY_S)
    return time.monotonic() - began_s


def _executions(stack: Stack) -> int:
    return len(list((stack.data / EXECUTIONS / "logs").glob("*.log")))


def _cpu_s(whose: int) -> float:
    usage = resource.getrusage(whose)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
