"""Ten thousand creations with one of each damage among them: all found, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.local.file_index import DigestIndex
from shared.adapters.local.store import SQLiteStore
from shared.domain.account import Account, HourlyCount, UsernameClaim
from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId, Key, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, LedgerEntry, debit_id, refund_id
from shared.domain.status import Status
from shared.lifecycle.auditing import Auditing, AuditReport
from shared.ports.media_store import StoredFile
from shared.ports.store import Document
from tests.support.builders import (
    LEASE_OWNER,
    NOON,
    POLICY,
    a_creation,
    an_account,
    seconds,
    stored_media,
)
from tests.support.documents import put
from tests.support.fakes import FakeClock

ACCOUNTS = 100
CREATIONS_EACH = 100
BATCH = 250


class ListedFiles:
    """The only method of a media store that an audit calls."""

    def __init__(self, files: dict[str, StoredFile]) -> None:
        self.files = files

    def everything(self) -> Iterator[StoredFile]:
        return iter(self.files.values())


class Ledger:
    """One account's creations, debited and settled by the domain's own steps."""

    def __init__(self, number: int) -> None:
        user = f"user-{number:03}"
        account = an_account(user, tokens=0, opened_hour=HourlyCount(started_at=NOON))
        self.account, grant = account.granted(
            5000, entry_id=f"{user}_grant_welcome", reference=None, actor=Actor.API, at=NOON
        )
        self.documents: list[Document] = [UsernameClaim(username=user, user_id=account.user_id)]
        self.documents.append(grant)
        self.files: dict[str, StoredFile] = {}
        for nth in range(CREATIONS_EACH):
            self._run(nth, a_creation(f"c{nth}", user_id=user))
        self.documents.append(self.account)

    def _run(self, nth: int, opened: Creation) -> None:
        at = NOON + seconds(3600 * nth)
        self.account, debit = self.account.debited(
            10, kind=Kind.VIDEO, creation_id=opened.creation_id, debit=1, actor=Actor.OWNER,
            policy=POLICY, at=at,
        )  # fmt: skip
        claimed = opened.claimed(LEASE_OWNER, policy=POLICY, at=NOON)
        self.documents.append(debit)
        if nth % 3 == 0:
            failed = claimed.failed(FailureCode.SAFETY_FILTER, policy=POLICY, at=at)
            self.account, refund = self.account.refunded(
                10, kind=Kind.VIDEO, creation_id=opened.creation_id, debit=1, actor=Actor.JOB,
                code=FailureCode.SAFETY_FILTER, at=at,
            )  # fmt: skip
            self.documents += [failed, refund]
            return
        media = stored_media(claimed)
        self.account = self.account.with_slot_freed(Kind.VIDEO, at=at)
        self.documents.append(claimed.completed(media, policy=POLICY, at=at))
        for key in (media.media_key, media.thumbnail_key):
            assert key is not None
            self.files[key] = StoredFile(key, media.size_bytes, NOON)


@dataclass
class Books:
    """Every document by its key, before some are spoilt."""

    documents: dict[Key[Any], Document]
    files: dict[str, StoredFile]

    def of_user(self, number: int) -> Account:
        return self._only(Account, lambda each: each.user_id == f"user-{number:03}")

    def a(self, status: Status, number: int) -> Creation:
        """Return the first such creation of a user whom no other damage touches."""
        user = UserId(f"user-{number:03}")
        return self._only(Creation, lambda c: (c.user_id, c.status) == (user, status))

    def _only(self, kind: Any, is_it: Any) -> Any:
        return next(
            each for each in self.documents.values() if isinstance(each, kind) and is_it(each)
        )

    def spoil(self, document: Any, **changes: Any) -> str:
        """Change a document and return its id."""
        self.documents[document.key] = replace(document, **changes)
        return str(document.key.id)

    def remove(self, entry_id: str) -> set[tuple[str, str]]:
        """Remove a ledger entry, and return what is then wrong: its account and each later one."""
        gone = self._only(LedgerEntry, lambda each: each.entry_id == entry_id)
        del self.documents[gone.key]
        return {("I1", gone.user_id)} | {
            ("I1", each.entry_id)
            for each in self.documents.values()
            if isinstance(each, LedgerEntry)
            and each.user_id == gone.user_id
            and each.sequence > gone.sequence
        }


def damage(books: Books) -> set[tuple[str, str]]:
    """Do each damage to another account, and return what must be reported, and nothing else."""
    draft, failed = Status.DRAFT, Status.FAILED
    missing_debit, missing_refund = books.a(draft, 1), books.a(failed, 2)
    wrong_ledgers = books.remove(debit_id(missing_debit.creation_id, 1))
    wrong_ledgers |= books.remove(refund_id(missing_refund.creation_id, 1))
    no_file, small_file = books.a(draft, 3), books.a(draft, 4)
    del books.files[no_file.media_key or ""]
    books.files[small_file.media_key or ""] = StoredFile(small_file.media_key or "", 1, NOON)
    books.files["videos/nobody"] = StoredFile("videos/nobody", 1, NOON)
    name = books._only(UsernameClaim, lambda each: each.user_id == "user-005")
    del books.documents[name.key]
    stray = replace(
        books._only(LedgerEntry, lambda each: each.user_id == "user-006"),
        entry_id="stray_debit_9", sequence=999, creation_id=CreationId("nobody"),
    )  # fmt: skip
    books.documents[stray.key] = stray
    refunded = books.spoil(books.a(failed, 15), status=draft, error=None, refunded=False)
    late = books.spoil(
        books.a(draft, 17), status=Status.PENDING, deadline_at=NOON, sweep_at=NOON, expires_at=None
    )
    user = books.of_user(17)
    books.spoil(user, in_flight=user.in_flight.changed(Kind.VIDEO, by=1))
    return wrong_ledgers | {
        ("I2", missing_debit.creation_id),
        ("I3", missing_refund.creation_id),
        ("I14", no_file.creation_id),
        ("I14", small_file.creation_id),
        ("I15", "videos/nobody"),
        ("I9", "user-005"),
        ("I1", "user-006"),
        ("I1", stray.entry_id),
        ("I1", books.spoil(books.of_user(7), balance_tokens=1)),
        ("I1", books.spoil(books.of_user(8), total_tokens_spent=1)),
        ("I16", books.spoil(books.of_user(9), in_flight=books.of_user(9).in_flight.changed(Kind.IMAGE, by=1))),
        ("I12", books.spoil(books.a(draft, 10), sweep_at=NOON)),
        ("I12", books.spoil(books.a(failed, 11), refunded=False)),
        ("I17", books.spoil(books.a(draft, 12), requeue_count=5)),
        ("I6", books.spoil(books.a(failed, 13), first_attempt=3)),
        ("I2", books.spoil(books.a(draft, 14), cost_tokens=9)),
        ("I3", refunded),
        ("I12", refunded),
        ("I7", late),
        ("I12", books.spoil(books.a(draft, 16), expires_at=None, published_at=NOON, status=Status.PUBLISHED, size_bytes=None)),
    }  # fmt: skip


def all_books() -> Books:
    ledgers = [Ledger(number) for number in range(ACCOUNTS)]
    return Books(
        {document.key: document for ledger in ledgers for document in ledger.documents},
        {key: file for ledger in ledgers for key, file in ledger.files.items()},
    )


def audited(folder: Path, books: Books) -> AuditReport:
    """Put the books into a store and audit it; nothing may be written."""
    store = SQLiteStore(folder / "store.db")
    rest = iter(books.documents.values())
    while batch := list(islice(rest, BATCH)):
        put(store, *batch)
    before = list(store.everything())
    clock = FakeClock(NOON + seconds(49 * 3600))
    media: Any = ListedFiles(books.files)
    report = Auditing(store, media, clock, POLICY, DigestIndex).audit()
    assert list(store.everything()) == before
    store.close()
    return report


@pytest.mark.slow
def test_ten_thousand_valid_creations_have_no_violation(tmp_path: Path) -> None:
    report = audited(tmp_path, all_books())

    assert report.violations == []
    assert (report.accounts, report.creations) == (ACCOUNTS, ACCOUNTS * CREATIONS_EACH)


@pytest.mark.slow
def test_exactly_the_damage_among_ten_thousand_creations_is_reported(tmp_path: Path) -> None:
    books = all_books()
    planted = damage(books)

    report = audited(tmp_path, books)

    assert {(each.invariant, each.document) for each in report.violations} == planted
