"""Every query of the embedded store costs the same, however much is stored and however deep it is.

The cost is counted in instructions of SQLite's virtual machine, which are the same on every machine.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from shared.adapters.documents import to_fields
from shared.adapters.local.documents import json_text
from shared.adapters.local.sqlite import connect
from shared.adapters.local.store import SQLiteStore
from shared.domain.keys import UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor
from shared.domain.like import Like
from shared.domain.media import MediaDeletion
from shared.domain.sharing import Sharing
from shared.domain.status import Status
from shared.ports.store import Cursor, Decision, Document, DraftsFilter, Found, Page, write
from tests.support.builders import ADA, NOON, a_creation, a_creation_id, an_account, seconds

MANY, FEW = 30_000, 1_000
PAGE = 20
RARE = 10
LATER = NOON + seconds(2 * MANY)

COPY = """
WITH RECURSIVE numbers (number) AS (
  SELECT 0 UNION ALL SELECT number + 1 FROM numbers WHERE number + 1 < :count)
INSERT INTO "{}" SELECT printf('%s-%06d', :name, number), json_set(:document, '$.{}',
  {}) FROM numbers
"""
A_SECOND_APART = "strftime('%Y-%m-%dT%H:%M:%S.000000+00:00', :start, printf('+%d seconds', number))"


def copied(
    connection: sqlite3.Connection,
    name: str,
    document: Document,
    *,
    count: int,
    field: str,
    values: str = A_SECOND_APART,
) -> None:
    """Insert copies of a document whose field ascends."""
    connection.execute(
        COPY.format(document.key.collection, field, values),
        {
            "count": count,
            "name": name,
            "document": json_text(to_fields(document)),
            "start": NOON.strftime("%Y-%m-%d %H:%M:%S"),
        },
    )


def filled(path: Path, count: int) -> SQLiteStore:
    """Return a store whose only user has `count` documents of each sort, and a few old drafts."""
    store = SQLiteStore(path)
    failed = a_creation(status=Status.FAILED, sweep_at=None)
    published = a_creation(status=Status.PUBLISHED, sweep_at=None)
    draft = a_creation(kind=Kind.IMAGE, status=Status.DRAFT, sweep_at=None)
    sharing = Sharing(collaborators=("ben", "cyd"))
    shared = replace(draft, kind=Kind.VIDEO, user_id=UserId("eve"), sharing=sharing)
    pending, overdue = a_creation(deadline_at=None), a_creation(sweep_at=None)
    _, entry = an_account().granted(1, entry_id="e", reference=None, actor=Actor.API, at=NOON)
    like = Like.of(a_creation_id(), ADA, is_liked=True, at=NOON)
    deletion = MediaDeletion(deletion_id="d", keys=("k",), due_at=NOON, until=NOON)
    with closing(connect(path)) as connection:
        connection.execute("BEGIN")
        copied(connection, "draft", draft, count=RARE, field="createdAt")
        copied(connection, "failed", failed, count=count, field="createdAt")
        copied(connection, "published", published, count=count, field="publishedAt")
        copied(connection, "shared", shared, count=count, field="createdAt")
        copied(connection, "pending", pending, count=count, field="sweepAt")
        copied(connection, "overdue", overdue, count=count, field="deadlineAt")
        copied(connection, "entry", entry, count=count, field="sequence", values="number")
        copied(connection, "deletion", deletion, count=count, field="dueAt")
        copied(connection, "like", like, count=count, field="changedAt")
        connection.execute("COMMIT")
    return store


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLiteStore]:
    with closing(filled(tmp_path_factory.mktemp("many") / "store.db", MANY)) as store:
        yield store


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLiteStore]:
    with closing(filled(tmp_path_factory.mktemp("few") / "store.db", FEW)) as store:
        yield store


def steps(store: SQLiteStore, query: Callable[[], Sequence[object]]) -> int:
    """Return how many instructions a query of a whole page takes."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    with store._readers.connection() as connection:
        connection.set_progress_handler(step, 1)
    assert len(query()) in {PAGE, RARE}
    with store._readers.connection() as connection:
        connection.set_progress_handler(None, 1)
    assert count > PAGE
    return count


PAGES: dict[str, Callable[[SQLiteStore, Page], Sequence[object]]] = {
    "failed": lambda store, page: store.drafts(ADA, DraftsFilter(), page),
    "published": lambda store, page: store.feed(page),
    "published by": lambda store, page: store.published_by("ada", page),
    "shared": lambda store, page: store.shared_with("ben", page),
    "entry": lambda store, page: store.ledger(ADA, page),
    "pending": lambda store, page: store.due(LATER, page),
    "overdue": lambda store, page: store.overdue(LATER, page),
    "deletion": lambda store, page: store.due_deletions(LATER, page),
    "like": lambda store, page: store.changed_likes(NOON, page),
}
OLDEST_FIRST = {"pending", "overdue", "deletion", "like"}


def after(name: str, rows: int) -> Page:
    """Return the page that follows this many rows in the store with many."""
    number = rows - 1 if name in OLDEST_FIRST else MANY - rows
    id_ = f"{name.split(maxsplit=1)[0]}-{number:06}"
    value = number if name == "entry" else NOON + seconds(number)
    return Page(limit=PAGE, after=Cursor(value, id_))


@pytest.mark.parametrize("name", PAGES)
def test_deep_page_costs_as_much_as_the_second(many: SQLiteStore, name: str) -> None:
    def cost(rows: int) -> int:
        return steps(many, lambda: PAGES[name](many, after(name, rows)))

    assert cost(MANY - PAGE) <= 1.1 * cost(PAGE)
    assert cost(MANY // 2) <= 1.1 * cost(PAGE)


@pytest.mark.parametrize("name", PAGES)
def test_first_page_costs_the_same_with_thirty_times_as_many(
    many: SQLiteStore, few: SQLiteStore, name: str
) -> None:
    def cost(store: SQLiteStore) -> int:
        return steps(store, lambda: PAGES[name](store, Page(limit=PAGE)))

    assert cost(many) <= 1.1 * cost(few)


@pytest.mark.parametrize("status", [None, Status.DRAFT])
@pytest.mark.parametrize("kind", [None, Kind.IMAGE])
def test_rare_drafts_cost_the_same_among_thirty_times_as_many(
    many: SQLiteStore, few: SQLiteStore, status: Status | None, kind: Kind | None
) -> None:
    which = DraftsFilter(status=status, kind=kind)

    def cost(store: SQLiteStore) -> int:
        return steps(store, lambda: store.drafts(ADA, which, Page(limit=PAGE)))

    assert cost(many) <= 1.1 * cost(few)


READS_NO_TABLE = ("MERGE", "LEFT", "RIGHT", "CO-ROUTINE (subquery", "SCAN (subquery")
"""Steps on the sorted parts of a query, or on what it has found."""


def test_every_statement_of_the_store_uses_an_index(tmp_path: Path, sqlite: SQLiteStore) -> None:
    """No statement reads or sorts a whole collection."""
    statements: list[str] = []
    with sqlite._readers.connection() as connection:
        connection.set_trace_callback(statements.append)
    for page in (Page(limit=5), Page(limit=5, after=Cursor(NOON, "x"))):
        for status, kind in product((None, *Status), (None, *Kind)):
            sqlite.drafts(ADA, DraftsFilter(status=status, kind=kind), page)
        sqlite.feed(page)
        sqlite.published_by("ada", page)
        sqlite.shared_with("ada", page)
        sqlite.acts_of(a_creation_id(), page)
        sqlite.waiting(Kind.IMAGE, NOON, page)
        sqlite.overdue(NOON, page)
        sqlite.due(NOON, page)
        sqlite.due_deletions(NOON, page)
        sqlite.changed_likes(NOON, page)
        sqlite.expired_downloads(NOON, page)
    sqlite.like_count(a_creation_id())
    sqlite.likes_of(a_creation_id(), 5)
    sqlite.held("execution", Kind.IMAGE)
    sqlite.ledger(ADA, Page(limit=5))
    sqlite.ledger(ADA, Page(limit=5, after=Cursor(3, "x")))
    sqlite.unfinished(Kind.VIDEO, Status.PENDING)
    sqlite.settled_since(Kind.VIDEO, NOON)
    sqlite.cost_usd_since(NOON)
    sqlite.unfolded_since(NOON)
    assert len(statements) == 2 * (6 * 3 + 10) + 9

    sqlite._writer._connection.set_trace_callback(statements.append)
    for _ in range(2):
        sqlite.transact([an_account().key, a_creation().key], put_or_remove)
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        for statement in statements:
            if statement.startswith(("SELECT", "DELETE")):
                steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
                reads = [step for step in steps if not step.startswith(READS_NO_TABLE)]
                assert reads
                assert all("USING INDEX" in step or "USING PRIMARY KEY" in step for step in reads)
    assert any(" ON CONFLICT (id) DO UPDATE " in statement for statement in statements)
    assert any(statement.startswith("DELETE") for statement in statements)


def put_or_remove(found: Found) -> Decision[None]:
    """Write an account and a creation; update the first and remove the second if they exist."""
    creation = a_creation()
    if found.get(creation.key) is None:
        return write(an_account(), creation, result=None)
    return write(an_account(tokens=1), result=None, removing=(creation.key,))
