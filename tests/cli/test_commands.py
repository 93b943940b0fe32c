"""The commands as real processes on a data folder."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from shared import settings, wiring
from shared.adapters.system.clock import SystemClock
from shared.domain.errors import Paused
from shared.domain.kind import Kind
from shared.lifecycle.auditing import VIOLATIONS_MAX
from tests.support.builders import a_brief, a_caller
from tests.support.environments import DEAD_PROXY
from tests.support.eventually import eventually

PHOENIX = str(Path(sys.executable).with_name("phoenix"))


def phoenix(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PHOENIX, *arguments],
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with one paid creation whose deadline is long over."""
    phoenix_ = wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)}))
    creation = phoenix_.opening.open(a_brief(), caller=a_caller()).creation
    phoenix_.ports.close()
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute(
            "UPDATE creations SET document = json_set(document,"
            " '$.deadlineAt', '2020-01-01T00:00:00.000000+00:00',"
            " '$.sweepAt', '2020-01-01T00:00:00.000000+00:00') WHERE id = ?",
            [creation.creation_id],
        )
        connection.commit()
    return tmp_path


def test_audit_exits_1_until_the_sweep_repairs_a_late_creation(data: Path) -> None:
    before = phoenix("audit", "--data", str(data))
    swept = phoenix("sweep", "--data", str(data))
    after = phoenix("audit", "--data", str(data))
    as_json = phoenix("audit", "--json", PHOENIX_DATA=str(data))

    assert before.returncode == 1
    assert "I7" in before.stdout
    assert "1 violations" in before.stdout
    assert "refunded 1" in swept.stdout
    assert (after.returncode, as_json.returncode) == (0, 0)
    assert json.loads(as_json.stdout)["violations"] == []
    assert json.loads(as_json.stdout)["ledger_entries"] == 3


def test_audit_counts_more_violations_than_it_shows(data: Path) -> None:
    with closing(sqlite3.connect(data / "store.db")) as connection:
        rows = [(f"d{n}", "{}") for n in range(VIOLATIONS_MAX)]
        connection.executemany("INSERT INTO mediaDeletions VALUES (?, ?)", rows)
        connection.commit()

    shown = phoenix("audit", "--data", str(data))
    as_json = phoenix("audit", "--json", "--data", str(data))

    assert (shown.returncode, as_json.returncode) == (1, 1)
    assert f"{VIOLATIONS_MAX + 1} violations" in shown.stdout
    assert f"These are the first {VIOLATIONS_MAX} violations." in shown.stdout
    report = json.loads(as_json.stdout)
    assert report["violation_count"] == VIOLATIONS_MAX + 1
    assert {each["invariant"] for each in report["violations"]} == {"I0"}


def test_grant_is_given_once_per_reference(data: Path) -> None:
    command = ("grant", "ada", "50", "--reference", "order 1", "--data", str(data))
    first, again = phoenix(*command), phoenix(*command)
    unknown = phoenix("grant", "nobody", "50", "--reference", "r", "--data", str(data))
    reused = phoenix("grant", "ada", "51", "--reference", "order 1", "--data", str(data))

    assert first.stdout == again.stdout == "ada: +50, balance 140\n"
    assert (unknown.returncode, reused.returncode) == (1, 1)
    assert unknown.stderr == "There is no such account.\n"


def test_reference_is_printed_as_it_is(data: Path) -> None:
    phoenix("grant", "ada", "5", "--reference", "[/x] [ticket 7]", "--data", str(data))
    shown = phoenix("account", "ada", "--data", str(data), COLUMNS="200")

    assert "[/x] [ticket 7]" in shown.stdout, shown.stderr


def test_failures_are_replayed_once(data: Path) -> None:
    kept = ("--data", str(data))
    command = ("replay", "--code", "deadline_exceeded", "--since", "2h", *kept)
    phoenix("sweep", *kept)
    planned = phoenix(*command, "--dry-run")
    first, again = phoenix(*command, "--grant"), phoenix(*command, "--grant")
    wrong = phoenix("replay", "--code", "internal", "--since", "yesterday", *kept)

    assert planned.stdout.endswith("1 would be replayed, for 10 tokens\n")
    assert (
        " video of ada: replayed for 10 tokens, 10 granted\n1 replayed, 0 skipped\n" in first.stdout
    )
    assert again.stdout == "0 replayed, 0 skipped\n"
    assert (wrong.returncode, wrong.stderr.partition(":")[0]) == (1, "since")
    assert phoenix("audit", *kept).returncode == 0


def test_kind_can_be_paused_and_resumed(tmp_path: Path) -> None:
    kept = ("--data", str(tmp_path))
    built = wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)}))

    paused = phoenix("pause", "--kind", "video", *kept)
    with pytest.raises(Paused):
        built.opening.open(a_brief(), caller=a_caller())
    built.opening.open(a_brief(Kind.IMAGE), caller=a_caller())
    resumed, wrong = phoenix("resume", *kept), phoenix("pause", "--kind", "gif", *kept)
    built.ports.close()
    again = wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)}))
    again.opening.open(a_brief(), caller=a_caller())
    again.ports.close()

    assert paused.stdout == "New videos are refused; every process knows within 20 s\n"
    assert resumed.stdout == "New images and videos are accepted; every process knows within 20 s\n"
    assert (paused.returncode, resumed.returncode, wrong.returncode) == (0, 0, 2)
    assert "image" in wrong.stderr


def test_operator_deletes_with_a_reason(tmp_path: Path) -> None:
    built = wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)}))
    creation = built.opening.open(a_brief(), caller=a_caller()).creation
    kept = ("--data", str(tmp_path))

    too_early = phoenix("delete", creation.creation_id, "--reason", "spam", *kept)
    built.failing.cancel(creation.creation_id, owner=creation.user_id)
    without = phoenix("delete", creation.creation_id, *kept)
    not_published = phoenix("unpublish", creation.creation_id, "--reason", "spam", *kept)
    deleted = phoenix("delete", creation.creation_id, "--reason", "spam", *kept)
    gone = phoenix("delete", creation.creation_id, "--reason", "spam", *kept)
    built.ports.close()

    assert (too_early.returncode, too_early.stderr) == (
        1,
        "This cannot be done to a creation that is pending.\n",
    )
    assert without.returncode == 2
    assert "--reason" in without.stderr
    assert "failed" in not_published.stderr
    assert (deleted.returncode, deleted.stdout) == (0, f"{creation.creation_id} is deleted\n")
    assert (gone.returncode, gone.stderr) == (1, "There is no such creation.\n")


def test_wrong_setting_prints_one_line_and_exits_2(tmp_path: Path) -> None:
    for command in ("up", "audit", "sweep"):
        done = phoenix(command, "--data", str(tmp_path), PHOENIX_TYPO="1")

        assert done.returncode == 2
        assert done.stderr == "settings: PHOENIX_TYPO is unknown\n"


@pytest.mark.parametrize(
    "command",
    [
        ("audit",),
        ("audit", "--json"),
        ("sweep",),
        ("adopt", "--dry-run"),
        ("rerun", "mfrggzdfmztwq2lknnwg23tpoa"),
        ("grant", "ada", "5", "--reference", "r"),
        ("backup", "copy"),
        ("rotate-key",),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_folder_without_data_is_refused_and_unchanged(
    tmp_path: Path, command: tuple[str, ...], *, exists: bool
) -> None:
    typo = tmp_path / "typo"
    if exists:
        typo.mkdir()

    done = phoenix(*command, "--data", str(typo))

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"PHOENIX_DATA: there is no Phoenix data in {typo}: check --data, "
        "or start an installation there with `phoenix up`\n"
    )
    assert typo.exists() is exists
    assert not exists or not list(typo.iterdir())


@pytest.mark.parametrize(
    ("arguments", "accepted"),
    [
        (("up", "--port", "70000"), "less than or equal to 65535"),
        (("up", "--port", "http"), "valid integer"),
        (("grant", "ada", "--reference", "r", "--", "-5"), "amount: use 1 to 100000"),
        (("grant", "ada", "0", "--reference", "r"), "amount: use 1 to 100000"),
        (("audti",), "No such command 'audti'"),
    ],
)
def test_bad_argument_is_named_with_what_is_accepted(
    data: Path, arguments: tuple[str, ...], accepted: str
) -> None:
    done = phoenix(*arguments, PHOENIX_DATA=str(data))

    assert done.returncode in (1, 2)
    assert accepted in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_help_is_shown_without_a_command() -> None:
    done = phoenix()

    assert all(command in done.stdout for command in ("up", "demo", "audit", "sweep", "grant"))


@pytest.mark.slow
def test_up_prints_its_address_and_sign_in_and_stops_cleanly(tmp_path: Path) -> None:
    with subprocess.Popen(
        [PHOENIX, "up", "--port", "0", "--data", str(tmp_path)],
        env={**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1", **DEAD_PROXY},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        base_url = first.split()[3]
        shown = first + running.stdout.readline() + running.stdout.readline()
        answer = httpx.post(f"{base_url}/api/local/sign-in", json={"username": "ada"})
        second = phoenix("up", "--port", base_url.rpartition(":")[2], "--data", str(tmp_path))
        third = phoenix("up", "--port", "0", "--data", str(tmp_path))
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()

    assert answer.is_success
    assert str(tmp_path) in shown
    assert f"curl {base_url}/api/local/sign-in" in shown
    assert (second.returncode, third.returncode) == (1, 1)
    assert "is in use: choose another with --port" in second.stderr
    assert "another stack is running" in third.stderr
    assert running.returncode == 0
    assert "Stopping" in rest
    eventually(lambda: not is_listening(base_url))
    assert SystemClock().now()


def is_listening(base_url: str) -> bool:
    try:
        httpx.get(f"{base_url}/api/health")
    except httpx.TransportError:
        return False
    return True


@pytest.mark.slow
def test_rerun_runs_a_waiting_creation_and_prints_the_outcome(tmp_path: Path) -> None:
    built = wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)}))
    brief = a_brief(Kind.IMAGE, "a fox [slow 0]")
    waiting, failed = (built.opening.open(brief, caller=a_caller()).creation for _ in range(2))
    built.failing.cancel(failed.creation_id, owner=failed.user_id)
    built.ports.close()

    def rerun(creation_id: str, *options: str) -> "subprocess.CompletedProcess[str]":
        return phoenix("rerun", creation_id, *options, "--data", str(tmp_path))

    ready, refused = rerun(waiting.creation_id), rerun(failed.creation_id)
    again = rerun(failed.creation_id, "--debit")

    assert f"{waiting.creation_id} is draft" in ready.stdout
    assert f"{failed.creation_id} is failed" in refused.stdout
    assert "--debit debits its tokens again" in refused.stdout + refused.stderr
    assert f"{failed.creation_id} is draft" in again.stdout
    assert [ready.returncode, refused.returncode, again.returncode] == [0, 1, 0]
    assert rerun("nobody").stderr == "There is no such creation.\n"
    assert phoenix("audit", "--data", str(tmp_path)).returncode == 0


def test_refused_rerun_prints_the_reason_and_exits_1(tmp_path: Path) -> None:
    built = wiring.build(
        settings.load({"PHOENIX_DATA": str(tmp_path), "PHOENIX_WELCOME_TOKENS": "1"})
    )
    failed = built.opening.open(a_brief(Kind.IMAGE), caller=a_caller()).creation
    built.failing.cancel(failed.creation_id, owner=failed.user_id)
    built.opening.open(a_brief(Kind.IMAGE), caller=a_caller())
    built.ports.close()

    done = phoenix("rerun", failed.creation_id, "--debit", "--data", str(tmp_path))

    name = done.stdout.split()[0]
    assert done.returncode == 1
    assert f"{failed.creation_id} is failed" in done.stdout
    assert done.stderr == (
        f"{name} failed with exit status 2: This costs 1 token and the balance is 0.\n"
    )


@pytest.mark.parametrize(
    ("file", "remedy"),
    [
        ("store.db", "restore the data folder from a backup (docs/day-2.md)"),
        ("queue.db", "remove this file with its -wal and -shm"),
        ("key", "restore it from a backup, or remove it"),
        ("welcome-key", "restore it from a backup, or remove it"),
    ],
)
@pytest.mark.parametrize("content", [b"garbage" * 300, b"half a key"])
@pytest.mark.parametrize("command", ["up --port 0", "sweep"])
def test_damaged_file_is_named_with_a_remedy(
    data: Path, file: str, remedy: str, content: bytes, command: str
) -> None:
    for suffix in ("", "-wal", "-shm"):
        (data / f"{file}{suffix}").unlink(missing_ok=True)
    (data / file).write_bytes(content)

    done = phoenix(*command.split(), "--data", str(data))

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert str(data / file) in done.stderr
    assert remedy in done.stderr


def test_store_that_is_damaged_in_the_middle_does_not_start(data: Path) -> None:
    with closing(sqlite3.connect(data / "store.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (data / "store.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"garbage" * 3000)

    done = phoenix("up", "--port", "0", "--data", str(data))

    assert done.returncode == 2
    assert f"{data / 'store.db'} is damaged" in done.stderr


def test_removed_queue_is_rebuilt_from_the_store(data: Path) -> None:
    for path in data.glob("queue.db*"):
        path.unlink()

    swept = phoenix("sweep", "--data", str(data))

    assert "refunded 1" in swept.stdout
    assert phoenix("audit", "--data", str(data)).returncode == 0


def test_adopt_migrates_legacy_accounts_once_and_audits(tmp_path: Path) -> None:
    wiring.build(settings.load({"PHOENIX_DATA": str(tmp_path)})).ports.close()
    old = {
        ("users", "ada"): {"tokenBalance": 40, "username": "ada"},
        ("users", "ben"): {"tokenBalance": "many"},
        ("creations", "Xy9"): {"userId": "ada", "status": "pending", "cost": 10},
    }
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        for (collection, id_), fields in old.items():
            connection.execute(f"INSERT INTO {collection} VALUES (?, ?)", [id_, json.dumps(fields)])
        connection.commit()
    command = ("adopt", "--data", str(tmp_path))
    would, done = phoenix(*command, "--dry-run"), phoenix(*command)
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("DELETE FROM users WHERE id = 'ben'")
        connection.commit()
    again = phoenix(*command)

    report = (
        "igrate 1 accounts with 50 tokens; 1 creations refunded (10 tokens), 1 archived; "
        "0 ledger entries marked\n"
        "skipped: users/ben: its tokenBalance is 'many'\n"
    )
    assert (would.returncode, would.stdout) == (1, f"Would m{report}")
    assert (done.returncode, done.stdout) == (1, f"M{report}".replace("igrate ", "igrated "))
    nothing, audited = again.stdout.splitlines()
    assert again.returncode == 0
    assert nothing.startswith("Migrated 0 accounts with 0 tokens; 0 creations refunded")
    assert audited == "1 accounts, 0 creations, 1 ledger entries, 0 files: 0 violations"


def test_account_explains_a_balance_by_name_and_by_id(data: Path) -> None:
    late = phoenix("account", "ada", "--data", str(data))
    phoenix("sweep", "--data", str(data))
    shown = phoenix("account", "ada", "--data", str(data))
    as_json = phoenix("account", "ada", "--json", PHOENIX_DATA=str(data))

    assert late.returncode == 1
    assert "run `phoenix sweep`" in late.stdout
    assert shown.returncode == as_json.returncode == 0
    assert "balance    100 = 100 granted - 10 paid + 10 returned" in shown.stdout
    assert "say        Your balance is 100 tokens." in shown.stdout
    explained = json.loads(as_json.stdout)
    assert (explained["balance"], explained["isRight"], explained["entryCount"]) == (100, True, 3)
    assert [each["tokens"] for each in explained["lastEntries"]] == [10, -10, 100]


@pytest.mark.parametrize("who", ["nobody", "nobody@example.com"])
def test_unknown_account_prints_one_line_with_the_accepted_names(data: Path, who: str) -> None:
    unknown = phoenix("account", who, "--data", str(data))

    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr == (
        f"No account has the username, email address or user id '{who}'. Use one of these three.\n"
    )
