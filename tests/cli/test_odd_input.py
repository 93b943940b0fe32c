"""Odd folders, files and arguments: each command says in one line what is wrong."""

import subprocess
from pathlib import Path

import pytest

from shared import settings, wiring
from shared.adapters.local.data_folder import close_to_others
from tests.cli.test_commands import phoenix
from tests.support.builders import a_brief, a_caller

LONG = "x" * 300


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with one creation, which is unfinished."""
    folder = tmp_path / "data"
    built = wiring.build(settings.load({"PHOENIX_DATA": str(folder)}))
    built.opening.open(a_brief(), caller=a_caller())
    built.ports.close()
    return folder


def check_is_one_line(done: "subprocess.CompletedProcess[str]", *names: str) -> None:
    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert all(name in done.stderr for name in names)


@pytest.mark.parametrize("since", ["999999d", "0001-01-01T00:00:00+10:00", "10:00", "2h ago"])
def test_time_that_no_replay_can_begin_at_prints_one_line(data: Path, since: str) -> None:
    done = phoenix("replay", "--code", "internal", "--since", since, "--data", str(data))

    check_is_one_line(done, "since", "90m, 2h or 1d")


@pytest.mark.parametrize("command", ["up", "audit", "backup"])
@pytest.mark.parametrize("place", ["file", "file/x", LONG])
def test_unusable_data_folder_prints_one_line(tmp_path: Path, command: str, place: str) -> None:
    (tmp_path / "file").touch()
    arguments = [str(tmp_path / "copy")] if command == "backup" else []

    done = phoenix(command, *arguments, "--data", str(tmp_path / place))

    check_is_one_line(done, "PHOENIX_DATA", str(tmp_path / place))


@pytest.mark.parametrize("file", ["store.db", "queue.db", "key", "welcome-key", "media"])
@pytest.mark.parametrize("command", ["up", "sweep"])
def test_file_in_place_of_a_folder_and_vice_versa_print_one_line(
    data: Path, file: str, command: str
) -> None:
    for path in data.glob(f"{file}*"):
        if path.is_dir():
            path.rename(data.parent / path.name)
        else:
            path.unlink()
    if file == "media":
        (data / file).touch()
    else:
        (data / file).mkdir()
        if file == "store.db":
            (data / file / "x").touch()

    check_is_one_line(phoenix(command, "--data", str(data)), str(data / file))


@pytest.mark.parametrize("command", [("audit",), ("up", "--port", "0")], ids=" ".join)
def test_emptied_store_is_refused_as_damaged(data: Path, command: tuple[str, ...]) -> None:
    for path in data.glob("store.db-*"):
        path.unlink()
    (data / "store.db").write_bytes(b"")
    (data / "media/private/images").mkdir()
    (data / "media/private/images/1.png").write_bytes(b"a picture")

    done = phoenix(*command, "--data", str(data))

    check_is_one_line(done, "store.db is damaged", "backup")
    assert (data / "store.db").read_bytes() == b""


@pytest.mark.parametrize("place", ["file/x", LONG, "data/copy", "data/media/private/copy", "data"])
def test_backup_to_an_unusable_target_prints_one_line_and_changes_nothing(
    data: Path, place: str
) -> None:
    (data.parent / "file").touch()
    before = sorted(data.rglob("*"))

    done = phoenix("backup", str(data.parent / place), "--data", str(data))

    check_is_one_line(done, "DIR")
    assert [each for each in sorted(data.rglob("*")) if not each.name.startswith("store.")] == [
        each for each in before if not each.name.startswith("store.")
    ]


def test_backup_contains_the_welcome_key(data: Path) -> None:
    copy = data.parent / "copy"
    phoenix("backup", str(copy), "--data", str(data))

    assert (copy / "welcome-key").read_bytes() == (data / "welcome-key").read_bytes()
    assert (copy / "welcome-key").stat().st_mode & 0o777 == 0o600


def test_stack_closes_a_data_folder_that_was_open_to_others(data: Path) -> None:
    data.chmod(0o755)
    for path in data.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)

    close_to_others(data)

    assert {path.stat().st_mode & 0o077 for path in (data, *data.rglob("*"))} == {0}


@pytest.mark.parametrize(
    "arguments",
    [
        ("account", "\udcff"),
        ("grant", "\udcff", "5", "--reference", "r"),
        ("grant", "ada", "5", "--reference", "\udcff"),
        ("rerun", "\udcff"),
        ("unpublish", "\udcff", "--reason", "spam"),
        ("delete", "x", "--reason", "\udcff"),
    ],
)
def test_non_utf_8_argument_prints_one_line(data: Path, arguments: tuple[str, ...]) -> None:
    check_is_one_line(phoenix(*arguments, "--data", str(data)))
