"""Source trees of Phoenix: the one of this file, and an older commit of it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import BenchError, base_environment

HERE = Path(__file__).parent.parent
IN_TREE = Path(__file__).parent / "in_tree"
BEFORE, NOW = "before", "now"


@dataclass(frozen=True)
class Tree:
    name: str
    path: Path
    commit: str

    def command(self, *arguments: str) -> list[str]:
        """Return a command of this tree's Python; -P keeps other trees out of the module path."""
        return [sys.executable, "-P", *arguments]

    def environment(self, **variables: str) -> dict[str, str]:
        return {**base_environment(), "PYTHONPATH": str(self.path), **variables}

    def output(self, *arguments: str, **variables: str) -> str:
        """Run a command of this tree to its end and return what it prints."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.path,
            env=self.environment(**variables),
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        return done.stdout

    def script(self, name: str) -> str:
        """Return the path of a script that runs with the modules of any tree."""
        return str(IN_TREE / f"{name}.py")

    def check(self) -> None:
        """Raise `BenchError` if this tree's commands would import another tree."""
        found = self.output("-c", "import shared; print(shared.__file__)").strip()
        if Path(found).parent.parent != self.path:
            raise BenchError(f"{self.path} would run the code of {found}")


@contextmanager
def checked_out(reference: str, folder: Path) -> Iterator[Tree]:
    """Check out a commit of this repository into a folder; remove it at the end."""
    path = (folder / BEFORE).resolve()
    try:
        _git("worktree", "add", "--detach", str(path), reference)
    except subprocess.CalledProcessError as error:
        raise BenchError(f"git cannot check out {reference}: {error.stderr.strip()}") from error
    try:
        tree = Tree(BEFORE, path, _git("rev-parse", "--short", f"{reference}^{{commit}}"))
        tree.check()
        yield tree
    finally:
        _git("worktree", "remove", "--force", str(path))


def this_tree() -> Tree:
    tree = Tree(NOW, HERE.resolve(), _git("describe", "--always", "--dirty"))
    tree.check()
    return tree


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, check=True, text=True)
    return done.stdout.strip()
