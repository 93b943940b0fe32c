"""The README's commands, run as they stand."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.conftest import OneMachine
from tests.machine import needs

pytestmark = [pytest.mark.slow, needs("curl")]

README = Path(__file__).parents[2] / "README.md"


def test_the_life_of_a_video_is_as_the_readme_tells_it(machine: OneMachine, tmp_path: Path) -> None:
    [script] = re.findall(r"```sh\n(.*?)```", README.read_text(), re.DOTALL)
    here = script.replace("http://127.0.0.1:8080", machine.stack.base_url)

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", here],
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
