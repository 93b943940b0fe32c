"""Jobs and APIs that die, or wait, around a claim, an intent and a cancellation."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from shared import settings, wiring
from shared.domain.account import account_key
from shared.domain.creation import Creation, creation_key
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.ledger import EntryType, LedgerEntry
from shared.domain.status import Status
from shared.wiring import Phoenix
from tests.end_to_end.api_process import API, OPEN, api, sign_in
from tests.end_to_end.dying_api import MOMENTS
from tests.support.builders import ADA, a_brief, a_caller

pytestmark = pytest.mark.slow

JOB = ("-m", "jobs.image_generation_job")
DYING_JOB = ("-m", "tests.end_to_end.dying_job")
WITHIN_S = 60


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def phoenix(data: Path) -> Iterator[Phoenix]:
    built = wiring.build(settings.load({"PHOENIX_DATA": str(data)}))
    yield built
    built.ports.close()


@pytest.fixture
def creation(phoenix: Phoenix) -> Creation:
    return phoenix.opening.open(a_brief(Kind.IMAGE, "a fox [slow 0]"), caller=a_caller()).creation


@contextmanager
def job(
    data: Path, creation: Creation, command: Sequence[str] = JOB
) -> Iterator["subprocess.Popen[str]"]:
    environment = {"PHOENIX_DATA": str(data), "CREATION_ID": creation.creation_id}
    with subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def stopped_after_its_claim(data: Path, creation: Creation) -> Iterator["subprocess.Popen[str]"]:
    with job(data, creation, (*DYING_JOB, "committed", "1", "SIGSTOP")) as process:
        state = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        assert state is not None
        assert state.si_code == os.CLD_STOPPED
        yield process


def killed(data: Path, creation: Creation, *, moment: str, commit: int) -> None:
    with job(data, creation, (*DYING_JOB, moment, str(commit), "SIGKILL")) as process:
        assert process.wait(WITHIN_S) == -signal.SIGKILL


def goes_on(process: "subprocess.Popen[str]") -> str:
    """Let a stopped job go on to its end, and return its log."""
    process.send_signal(signal.SIGCONT)
    log, _ = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, log
    return log


def cancel(data: Path, creation: Creation, command: Sequence[str] = API) -> httpx.Response | None:
    """Return the response of an API's process; None if it died."""
    with (
        api(data, {}, command=command) as (_, base_url),
        httpx.Client(base_url=base_url, timeout=WITHIN_S) as client,
    ):
        headers = sign_in(client, ADA)
        with suppress(httpx.HTTPError):
            return client.post(f"{OPEN}/{creation.creation_id}/cancel", headers=headers)
    return None


def now(phoenix: Phoenix, creation: Creation) -> Creation:
    found = phoenix.ports.store.get(creation_key(creation.creation_id))
    assert found is not None
    return found


def starts(data: Path) -> int:
    return len(list((data / "generator/operations").glob("*.json")))


def check(phoenix: Phoenix, creation: Creation, *, is_cancelled: bool) -> None:
    """Check that it is refunded once if it was cancelled, and that the books are right."""
    current, account = now(phoenix, creation), phoenix.ports.store.get(account_key(ADA))
    refunds = [
        each
        for each in phoenix.ports.store.everything()
        if isinstance(each, LedgerEntry) and each.entry_type is EntryType.REFUND
    ]
    code = current.error.code if current.error else None
    assert (code is FailureCode.CANCELLED, len(refunds)) == (is_cancelled, is_cancelled)
    assert account is not None
    assert account.in_flight.image == current.is_unfinished
    assert phoenix.auditing.audit().violations == []


@pytest.mark.parametrize(
    ("moment", "commit", "status"),
    [("committed", 1, 200), ("decided", 2, 200), ("written", 2, 200), ("committed", 2, 409)],
)
def test_creation_of_a_killed_job_is_cancelled_unless_its_intent_was_committed(
    data: Path, phoenix: Phoenix, creation: Creation, moment: str, commit: int, status: int
) -> None:
    killed(data, creation, moment=moment, commit=commit)

    answer = cancel(data, creation)

    assert answer is not None
    assert answer.status_code == status, answer.text
    check(phoenix, creation, is_cancelled=status == 200)
    with job(data, creation) as process:
        log, _ = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, "nothing_to_claim" in log) == (0, True)
    assert starts(data) == 0


def test_job_whose_creation_is_cancelled_ends_without_a_start(
    data: Path, phoenix: Phoenix, creation: Creation
) -> None:
    with stopped_after_its_claim(data, creation) as process:
        answer = cancel(data, creation)
        log = goes_on(process)

    assert answer is not None
    assert answer.status_code == 200
    assert "lease_lost" in log
    assert '"ERROR"' not in log
    assert starts(data) == 0
    check(phoenix, creation, is_cancelled=True)


@pytest.mark.parametrize("moment", MOMENTS)
def test_job_goes_on_exactly_if_the_cancellation_of_a_killed_api_was_not_committed(
    data: Path, phoenix: Phoenix, creation: Creation, moment: str
) -> None:
    is_cancelled = moment == "committed"
    with stopped_after_its_claim(data, creation) as process:
        assert cancel(data, creation, ("-m", "tests.end_to_end.dying_api", moment)) is None
        goes_on(process)

    expected = Status.FAILED if is_cancelled else Status.DRAFT
    assert (now(phoenix, creation).status, starts(data)) == (expected, not is_cancelled)
    check(phoenix, creation, is_cancelled=is_cancelled)
