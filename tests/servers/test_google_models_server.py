"""The fake of Google's models as a process with a control endpoint."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from shared.domain.errors import GenerationUnavailable
from shared.ports.generator import Operation, Ready, Refused
from tests.servers.google_models_variants import VEO_BUCKET
from tests.support.builders import a_brief, a_creation_id
from tests.support.eventually import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.servers.google_models_server", "--takes", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def control(url: str, faults: dict[str, Any] | None = None) -> Any:
    body = None if faults is None else json.dumps(faults).encode()
    with urllib.request.urlopen(f"{url}/control", data=body) as answer:
        return json.load(answer)


def test_server_is_controlled_and_counts_paid_starts(url: str) -> None:
    generator = VEO_BUCKET.open(url)
    control(url, {"faults": {"start": ["429:7"]}, "ends": ["filtered", "media"]})

    with pytest.raises(GenerationUnavailable):
        generator.start(a_brief(), creation_id=a_creation_id(), attempt=1)
    works = [
        generator.start(a_brief(), creation_id=a_creation_id(), attempt=number) for number in (2, 3)
    ]

    def ended(work: Any) -> Any:
        state = generator.poll(work)
        return state if isinstance(state, Ready | Refused) else None

    assert all(isinstance(work, Operation) for work in works)
    assert isinstance(eventually(lambda: ended(works[0])), Refused)
    assert isinstance(eventually(lambda: ended(works[1])), Ready)
    assert [work["end"] for work in control(url)["works"]] == ["filtered", "media"]
