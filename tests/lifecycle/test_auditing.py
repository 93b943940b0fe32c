"""The audit reports each kind of damage; the other tests show that it raises no false alarm."""

import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shared.domain.creation import Creation
from shared.lifecycle import auditing
from tests.support.builders import a_caller
from tests.support.world import World


@pytest.fixture
def damaged(tmp_path: Path) -> World:
    return right_world(tmp_path)


def right_world(folder: Path) -> World:
    """A world with a draft, a failed and a pending creation, whose books a test may spoil."""
    world = World(folder)
    world.phoenix.accounts.of(a_caller())
    world.open(key="failed")
    world.clock.sleep(900)
    world.phoenix.sweeping.sweep()
    world.draft(key="draft")
    world.open(key="pending")
    assert world.violations() == []
    return world


def spoil(
    world: World, collection: str, where: str, change: Callable[[dict[str, Any]], None]
) -> None:
    """Change documents behind the store's back."""
    with closing(sqlite3.connect(world.folder / "store.db")) as connection:
        for trigger in ("ledger_is_not_changed", "ledger_is_not_shortened"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        rows = connection.execute(
            f'SELECT id, document FROM "{collection}" WHERE {where}'
        ).fetchall()
        assert rows
        for id_, text in rows:
            document = json.loads(text)
            change(document)
            connection.execute(
                f'UPDATE "{collection}" SET document = ? WHERE id = ?', (json.dumps(document), id_)
            )
        connection.commit()


def rewrite(world: World, collection: str, where: str, text: str) -> None:
    """Replace the text of documents behind the store's back."""
    spoil(world, collection, where, lambda _: None)
    with closing(sqlite3.connect(world.folder / "store.db")) as connection:
        connection.execute(f'UPDATE "{collection}" SET document = ? WHERE {where}', [text])
        connection.commit()


def remove(world: World, collection: str, where: str) -> None:
    with closing(sqlite3.connect(world.folder / "store.db")) as connection:
        connection.execute("DROP TRIGGER IF EXISTS ledger_is_not_shortened")
        assert connection.execute(f'DELETE FROM "{collection}" WHERE {where}').rowcount > 0
        connection.commit()


def copy(world: World, collection: str, where: str, id_: str) -> None:
    """Copy a document under another id behind the store's back."""
    insert = f'INSERT INTO "{collection}" SELECT ?, document FROM "{collection}" WHERE {where}'
    with closing(sqlite3.connect(world.folder / "store.db")) as connection:
        assert connection.execute(insert, [id_]).rowcount == 1
        connection.commit()


def leave_a_ledger(world: World) -> None:
    world.phoenix.accounts.of(a_caller("ben"))
    remove(world, "users", "id = 'ben'")
    remove(world, "usernames", "id = 'ben'")


def leave_a_creation(world: World) -> None:
    copy(world, "creations", of_status("draft"), "another")
    spoil(world, "creations", "id = 'another'", lambda d: d.update(userId="nobody"))


def of_status(status: str) -> str:
    return f"json_extract(document, '$.status') = '{status}'"


def file_paths(world: World) -> list[Path]:
    return [world.files.path_of(file.key) for file in world.files.everything()]


def orphan_a_file(world: World) -> None:
    path = world.files.path_of("videos/ada/nobody/1.mp4")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    world.clock.sleep(100 * 365 * 24 * 3600)
    world.phoenix.sweeping.sweep()


UNREADABLE: dict[str, tuple[str, Callable[[World], None]]] = {
    "a creation without an owner": (
        "creations/",
        lambda w: spoil(w, "creations", of_status("draft"), lambda d: d.pop("userId")),
    ),
    "a creation whose owner is null": (
        "creations/",
        lambda w: spoil(w, "creations", of_status("draft"), lambda d: d.update(userId=None)),
    ),
    "a creation without a time": (
        "creations/",
        lambda w: spoil(w, "creations", of_status("draft"), lambda d: d.pop("createdAt")),
    ),
    "a creation that is a list": (
        "creations/",
        lambda w: rewrite(w, "creations", of_status("draft"), "[]"),
    ),
    "a number that nothing holds": (
        "transactions/",
        lambda w: rewrite(
            w, "transactions", "id LIKE '%refund_1'", '{"userId":"ada","amount":1e999}'
        ),
    ),
    "an entry without a number": (
        "transactions/",
        lambda w: spoil(w, "transactions", "id LIKE '%refund_1'", lambda d: d.pop("sequence")),
    ),
    "an entry without an owner": (
        "transactions/",
        lambda w: spoil(w, "transactions", "id LIKE '%refund_1'", lambda d: d.pop("userId")),
    ),
    "an account without a name": (
        "users/ada",
        lambda w: spoil(w, "users", "id = 'ada'", lambda d: d.pop("username")),
    ),
    "a name of nobody": (
        "usernames/ada",
        lambda w: spoil(w, "usernames", "id = 'ada'", lambda d: d.pop("userId")),
    ),
    "a deadline without a time zone": (
        "ada",
        lambda w: spoil(
            w,
            "creations",
            of_status("pending"),
            lambda d: d.update(deadlineAt="2026-11-21T12:15:00", sweepAt="2026-11-21T12:15:00"),
        ),
    ),
}
"""What no check can read, and the beginning of the document that the report names."""

COUNTS: dict[str, tuple[str, Callable[[World], None]]] = {
    "more debits than a creation can have": (
        "I12",
        lambda w: spoil(w, "creations", of_status("pending"), lambda d: d.update(debits=10**12)),
    ),
    "more attempts than a creation can have": (
        "I12",
        lambda w: spoil(w, "creations", of_status("pending"), lambda d: d.update(attempt=10**12)),
    ),
    "a ledger longer than any": (
        "I1",
        lambda w: spoil(w, "users", "id = 'ada'", lambda d: d.update(ledgerCount=10**12)),
    ),
    "too many attempts": (
        "I17",
        lambda w: spoil(w, "creations", of_status("pending"), lambda d: d.update(attempt=7)),
    ),
}
"""Damages that both audits report: counts that no creation or account can reach."""

DAMAGES: dict[str, tuple[str, Callable[[World], None]]] = {
    "a balance that the ledger does not explain": (
        "I1",
        lambda w: spoil(w, "users", "id = 'ada'", lambda d: d.update(tokenBalance=81)),
    ),
    "spending that the ledger does not explain": (
        "I1",
        lambda w: spoil(w, "users", "id = 'ada'", lambda d: d.update(totalTokensSpent=7)),
    ),
    "an entry with another amount": (
        "I1",
        lambda w: spoil(w, "transactions", "id LIKE 'welcome%'", lambda d: d.update(amount=99)),
    ),
    "a welcome that its account does not know of": (
        "I18",
        lambda w: spoil(w, "users", "id = 'ada'", lambda d: d.update(welcomed=False)),
    ),
    "an entry that is gone": ("I1", lambda w: remove(w, "transactions", "id LIKE '%refund%'")),
    "a debit that is gone": ("I2", lambda w: remove(w, "transactions", "id LIKE '%debit_1'")),
    "a debit of another cost": (
        "I2",
        lambda w: spoil(w, "creations", of_status("draft"), lambda d: d.update(cost=9)),
    ),
    "a failed creation without its refund": (
        "I3",
        lambda w: remove(w, "transactions", "id LIKE '%refund_1'"),
    ),
    "media and refund for one debit": (
        "I3",
        lambda w: spoil(w, "creations", of_status("failed"), lambda d: d.update(status="draft")),
    ),
    "a creation that is late": (
        "I7",
        lambda w: w.clock.sleep(1100),
    ),
    "an account without its username": ("I9", lambda w: remove(w, "usernames", "id = 'ada'")),
    "an unfinished creation that no sweep finds": (
        "I12",
        lambda w: spoil(w, "creations", of_status("pending"), lambda d: d.update(sweepAt=None)),
    ),
    "a sweep after the deadline": (
        "I12",
        lambda w: spoil(
            w,
            "creations",
            of_status("pending"),
            lambda d: d.update(sweepAt="2027-01-01T00:00:00+00:00"),
        ),
    ),
    "a retry of a draft": (
        "I12",
        lambda w: spoil(
            w,
            "creations",
            of_status("draft"),
            lambda d: d.update(retryAt="2026-11-21T12:00:00+00:00"),
        ),
    ),
    "a lease without an attempt": (
        "I12",
        lambda w: spoil(
            w,
            "creations",
            of_status("pending"),
            lambda d: d.update(leaseExpiresAt="2027-01-01T00:00:00+00:00"),
        ),
    ),
    "a publication without a public copy": (
        "I12",
        lambda w: spoil(
            w,
            "creations",
            of_status("draft"),
            lambda d: d.update(status="published", publishedAt="2026-11-21T12:00:00+00:00"),
        ),
    ),
    "a missing file": ("I14", lambda w: next(iter(file_paths(w))).unlink()),
    "a file of another size": (
        "I14",
        lambda w: spoil(w, "creations", of_status("draft"), lambda d: d.update(sizeBytes=6)),
    ),
    "a counter that counts wrong": (
        "I16",
        lambda w: spoil(
            w, "users", "id = 'ada'", lambda d: d.update(inFlight={"image": 0, "video": 2})
        ),
    ),
    **COUNTS,
    "too many hand-backs": (
        "I17",
        lambda w: spoil(w, "creations", of_status("pending"), lambda d: d.update(handBacks=7)),
    ),
    "an orphaned file": ("I15", orphan_a_file),
    "a ledger without an account": ("I1", leave_a_ledger),
    "a deleted account": ("I1", lambda w: remove(w, "users", "id = 'ada'")),
    "an entry of another user": (
        "I1",
        lambda w: spoil(w, "transactions", "id LIKE '%refund_1'", lambda d: d.update(userId="ben")),
    ),
    "a creation without an account": (
        "I2",
        leave_a_creation,
    ),
    "a name of another account": (
        "I9",
        lambda w: spoil(w, "usernames", "id = 'ada'", lambda d: d.update(userId="ben")),
    ),
    "two welcomes": (
        "I18",
        lambda w: copy(w, "transactions", "id LIKE 'welcome%'", "welcome_another"),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_reported_as_its_invariant(damaged: World, damage: str) -> None:
    invariant, spoil_it = DAMAGES[damage]

    spoil_it(damaged)

    assert invariant in {violation.invariant for violation in damaged.violations()}
    damaged.close()


@pytest.mark.parametrize("damage", UNREADABLE)
def test_unreadable_document_is_reported_and_all_others_are_checked(
    damaged: World, damage: str
) -> None:
    damaged.phoenix.accounts.of(a_caller("ben"))
    damaged.phoenix.accounts.of(a_caller("zed"))
    document, spoil_it = UNREADABLE[damage]
    spoil_it(damaged)

    for other in ("ben", "zed"):
        spoil(damaged, "users", f"id = '{other}'", lambda d: d.update(tokenBalance=81))

    found = damaged.violations()
    [unreadable] = [each for each in found if each.invariant == "I0"]
    assert unreadable.document.startswith(document)
    assert found[0] == unreadable, "it explains others, so it comes first"
    assert {each.document for each in found if each.invariant == "I1"} >= {"ben", "zed"}
    damaged.close()


def test_report_keeps_the_first_violations_and_counts_all(
    damaged: World, monkeypatch: pytest.MonkeyPatch, log_stream: io.StringIO
) -> None:
    spoil(damaged, "creations", "true", lambda d: d.update(fingerprint=""))
    spoil(damaged, "users", "id = 'ada'", lambda d: d.update(tokenBalance=81))
    monkeypatch.setattr(auditing, "VIOLATIONS_MAX", 2)

    report = damaged.phoenix.auditing.audit()

    logged = [json.loads(line) for line in log_stream.getvalue().splitlines()]
    assert [each.invariant for each in report.violations] == ["I1", "I12"]
    assert report.violation_count == 4
    assert [each["violations"] for each in logged if each["message"] == "audited"] == [4]
    damaged.close()


def test_creation_deleted_while_files_are_listed_is_no_false_alarm(damaged: World) -> None:
    listed = damaged.files.everything

    def deleted_meanwhile() -> Any:
        remove(damaged, "creations", of_status("draft"))
        for path in file_paths_of(listed, damaged):
            path.unlink()
        return iter(())

    damaged.media.__dict__["everything"] = deleted_meanwhile

    assert damaged.violations() == []
    damaged.close()


def file_paths_of(listed: Callable[[], Any], world: World) -> list[Path]:
    return [world.files.path_of(file.key) for file in listed()]


def test_audit_writes_nothing(damaged: World) -> None:
    before = {type(each).__name__ + str(each) for each in damaged.sqlite.everything()}

    damaged.violations()

    assert {type(each).__name__ + str(each) for each in damaged.sqlite.everything()} == before
    assert any(isinstance(each, Creation) for each in damaged.sqlite.everything())
    damaged.close()
