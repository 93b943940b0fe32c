"""The commands of the README, pasted into an interactive shell."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.conftest import OneMachine
from tests.support.machine import needs

pytestmark = [pytest.mark.slow, needs("curl")]

README = Path(__file__).parents[2] / "README.md"
NOWHERE = "http://127.0.0.1:9"


def block(base_url: str) -> str:
    [script] = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    assert "http://127.0.0.1:8080" in script
    return str(script).replace("http://127.0.0.1:8080", base_url)


def pasted(text: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Paste into an interactive shell, which continues after a failure."""
    return subprocess.run(
        ["bash", "--norc", "--noprofile", "-i"],
        input=text,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_readme_commands_create_publish_and_delete_a_video(
    machine: OneMachine, tmp_path: Path
) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block(machine.stack.base_url)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"status": "draft"' in done.stdout
    assert '"caption":"Dawn"' in done.stdout
    assert '"type": "debit"' in done.stdout
    assert (tmp_path / "waves.mp4").stat().st_size > 100_000
    assert machine.stack.phoenix.auditing.audit().files == 0


def test_block_can_be_pasted_twice(machine: OneMachine, tmp_path: Path) -> None:
    script = block(machine.stack.base_url)

    done = pasted(f"{script}\necho first: $?\n{script}\necho second: $?\n", tmp_path)

    assert "first: 0\n" in done.stdout, done.stdout + done.stderr
    assert "second: 0\n" in done.stdout, done.stdout + done.stderr
    assert machine.starts() == 2
    assert machine.stack.phoenix.auditing.audit().files == 0


def test_block_stops_at_its_first_failure_and_leaves_the_terminal_open(tmp_path: Path) -> None:
    done = pasted(f"{block(NOWHERE)}\necho the shell is alive: $?\n", tmp_path)

    assert re.search(r"the shell is alive: [1-9]", done.stdout), done.stdout + done.stderr
    assert done.stderr.count("curl: (7)") == 1
