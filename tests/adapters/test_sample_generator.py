"""How long the sample generator keeps a prompt."""

import os
from pathlib import Path

import pytest

from shared.adapters.sample.generator import KEPT_S, SampleGenerator
from shared.domain.errors import ReadRefused
from shared.domain.kind import Kind
from shared.domain.policy import VIDEO_SIZE_BYTES_MAX
from shared.ports.generator import NotFound, Operation, Ready
from tests.support.builders import a_brief, a_creation_id
from tests.support.fakes import CountingIds, FakeClock

ONE = a_creation_id()
PROMPT = "a secret fox"


@pytest.fixture
def ids() -> CountingIds:
    return CountingIds()


def generator_in(folder: Path, clock: FakeClock, ids: CountingIds) -> SampleGenerator:
    return SampleGenerator(folder, clock=clock, ids=ids)


def kept(folder: Path) -> str:
    """Return the names and the text of every file."""
    return "".join(
        f"{path.name} {path.read_text()} " for path in folder.rglob("*") if path.is_file()
    )


def test_discarded_operation_has_no_prompt(
    tmp_path: Path, clock: FakeClock, ids: CountingIds
) -> None:
    generator = generator_in(tmp_path, clock, ids)
    begun = generator.start(a_brief(Kind.IMAGE, PROMPT), creation_id=ONE, attempt=1)
    assert isinstance(begun, Operation)
    clock.sleep(10)
    assert PROMPT in kept(tmp_path)

    generator.discard(begun)

    assert PROMPT not in kept(tmp_path)
    with pytest.raises(ReadRefused):
        generator.poll(begun)
    with pytest.raises(ReadRefused):
        generator.fetch(Ready(begun.name), tmp_path / "file", size_bytes_max=VIDEO_SIZE_BYTES_MAX)
    assert generator.find_output(ONE, attempt=1) == NotFound()


def test_orphaned_operation_is_removed_after_a_day(
    tmp_path: Path, clock: FakeClock, ids: CountingIds
) -> None:
    generator = generator_in(tmp_path, clock, ids)
    generator.start(a_brief(prompt=f"{PROMPT} [crash upload]"), creation_id=ONE, attempt=1)
    (tmp_path / "operations" / "killed.incoming").write_text(PROMPT)
    set_age(tmp_path, clock, KEPT_S - 1)
    generator_in(tmp_path, clock, ids)
    assert kept(tmp_path).count(PROMPT) == 2

    clock.sleep(KEPT_S + 1)
    set_age(tmp_path, clock, KEPT_S + 1)
    generator_in(tmp_path, clock, ids)

    assert kept(tmp_path) == ""


def test_operation_in_use_is_kept_whatever_its_file_time(
    tmp_path: Path, clock: FakeClock, ids: CountingIds
) -> None:
    generator = generator_in(tmp_path, clock, ids)
    begun = generator.start(a_brief(Kind.IMAGE, PROMPT), creation_id=ONE, attempt=1)
    assert isinstance(begun, Operation)
    clock.sleep(KEPT_S - 1)
    set_age(tmp_path, clock, KEPT_S + 1)

    generator_in(tmp_path, clock, ids)

    assert generator.poll(begun) == Ready(begun.name)


def set_age(folder: Path, clock: FakeClock, age_s: float) -> None:
    written_s = clock.now().timestamp() - age_s
    for path in folder.rglob("*"):
        os.utime(path, (written_s, written_s))


def test_unknown_operation_is_refused(tmp_path: Path, clock: FakeClock, ids: CountingIds) -> None:
    with pytest.raises(ReadRefused):
        generator_in(tmp_path, clock, ids).poll(Operation("nothing"))
