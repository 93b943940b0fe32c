"""Phoenix on one machine: filled data folders, and API processes that serve them."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import Process, responds, running
from benchmarks.trees import Tree
from benchmarks.wrk import Request, Requests
from tests.servers.firestore_emulator import HOST, free_port

ENOUGH = "900000000"
LONG_S = "900000000"
NO_LIMITS = {
    "PHOENIX_WELCOME_TOKENS": ENOUGH,
    "PHOENIX_POLICY_WELCOME_GRANTS_PER_DAY_MAX": ENOUGH,
    "PHOENIX_POLICY_IMAGES_IN_FLIGHT_MAX": ENOUGH,
    "PHOENIX_POLICY_OPENED_PER_HOUR_MAX": ENOUGH,
    "PHOENIX_POLICY_DEADLINE_S": LONG_S,
}
"""Settings that refuse no load: with no job running, the queue only grows."""
IMAGE = '{"type": "image", "prompt": "a fox in the snow"}'
POST_PATH = "/api/generate/creation"
ACCEPTED = 202


@dataclass(frozen=True)
class User:
    name: str
    token: str
    draft: str
    unfinished: str


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many creations a data folder holds: of each user, and more of the first one."""

    users: int = 100
    drafts: int = 1
    published: int = 0
    heavy: int = 0

    @property
    def creations(self) -> int:
        return self.users * (self.drafts + self.published) + 2 * self.heavy


@dataclass(frozen=True)
class Data:
    """A filled data folder, of which every server gets a copy."""

    folder: Path
    users: Sequence[User]

    def copied(self, folder: Path) -> Path:
        shutil.copytree(self.folder, folder)
        return folder

    def posts(self) -> Requests:
        """Return the request for an image by each user."""
        each = tuple(Request(POST_PATH, user.token) for user in self.users)
        return Requests(each, ACCEPTED, method="POST", body=IMAGE)


def filled(tree: Tree, folder: Path, size: Size) -> Data:
    """Return a data folder that the code of this tree filled."""
    counts = map(str, (size.users, size.drafts, size.published, size.heavy))
    output = tree.output(tree.script("seed"), *counts, **variables(folder))
    return Data(folder, [User(**json.loads(line)) for line in output.splitlines()])


def variables(data: Path) -> dict[str, str]:
    return {"PHOENIX_DATA": str(data), **NO_LIMITS}


@dataclass(frozen=True, eq=False)
class Server:
    """A server's addresses and processes."""

    urls: Sequence[str]
    processes: Sequence[Process]

    def cpu_s(self) -> float:
        return sum(process.cpu_s() for process in self.processes)


@contextmanager
def served(
    tree: Tree, data: Data, scratch: AbstractContextManager[Path], *, processes: int = 1
) -> Iterator[Server]:
    """Run API processes of a tree on a copy of a data folder."""
    with scratch as folder, ExitStack() as stack:
        copied = data.copied(folder / "data")
        started = [
            stack.enter_context(api(tree, folder, variables(copied))) for _ in range(processes)
        ]
        yield Server([url for url, _ in started], [process for _, process in started])


@contextmanager
def api(
    tree: Tree,
    logs: Path,
    settings: dict[str, str],
    *,
    module: Sequence[str] = ("-m", "api_service"),
) -> Iterator[tuple[str, Process]]:
    port = free_port()
    url = f"http://{HOST}:{port}"
    with running(
        tree.command(*module, "--host", HOST, "--port", str(port)),
        cwd=tree.path,
        environment=tree.environment(**{**settings, "PHOENIX_BASE_URL": url}),
        log=logs / f"{tree.name}.log",
        is_ready=lambda: responds(f"{url}/api/health"),
    ) as process:
        yield url, process
