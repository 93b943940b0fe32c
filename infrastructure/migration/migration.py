"""Migration of the Celery system's documents, so that the ledger proves every balance.

    ledger entries   get `legacy: true`: kept, but part of no sum
    creations        are archived unchanged; those with neither a result nor a refund (unfinished,
                     or failed) are failed and refunded in the same transaction
    accounts         get their balance as an opening grant, a claimed username and missing fields,
                     in one transaction

The order matters: refunds go to the legacy balance, which then becomes the opening grant. A legacy
document is recognised by a missing field: an entry lacks `sequence`, a creation `debits`, an
account `ledgerCount`. A second run therefore finds nothing to do and an interrupted one resumes.
An unrecognised document, and the account that it belongs to, is reported and left unchanged.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from infrastructure.migration.raw_documents import RawDocument, RawDocuments
from shared.domain.account import Account, UsernameClaim, account_key, username_key
from shared.domain.keys import Collection, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, opening_id
from shared.domain.policy import Costs
from shared.lifecycle.accounts import Accounts
from shared.ports.clock import Clock
from shared.ports.store import Store

ENTRY_BATCH_SIZE = 100
SECONDS_MAX = 1e11
"""Larger numbers are milliseconds: as seconds they would be after the year 5000."""
UNFINISHED = {"pending", "queued", "received", "started", "processing", "generating", "retry"}
FAILED = {"failed", "failure", "error", "revoked"}
FINISHED = {"completed", "success", "draft", "published"}


@dataclass(frozen=True, order=True)
class Problem:
    """An unrecognised document, left unchanged."""

    document: str
    what: str


@dataclass
class MigrationReport:
    """What was migrated, or would be in a dry run."""

    accounts: int = 0
    opening_tokens: int = 0
    marked_entries: int = 0
    archived_creations: int = 0
    refunds: int = 0
    refunded_tokens: int = 0
    problems: list[Problem] = field(default_factory=list)


class _Unrecognised(Exception):
    """Why a document cannot be migrated."""


@dataclass(frozen=True)
class Migration:
    """The migration; the legacy system must have stopped writing."""

    raw: RawDocuments
    store: Store
    accounts: Accounts
    clock: Clock
    costs: Costs

    def run(self, *, dry_run: bool) -> MigrationReport:
        """Migrate everything, or only count it.

        Raises:
            StoreContention: the legacy system still writes; run again when it has stopped.
            StoreUnavailable, OutcomeUnknown: run again.
        """
        run = _Run(self, dry_run=dry_run)
        run.mark_entries()
        run.archive_creations()
        run.open_accounts()
        run.done.problems.sort()
        return run.done


@dataclass
class _Run:
    """One run and its progress."""

    migration: Migration
    dry_run: bool
    done: MigrationReport = field(default_factory=MigrationReport)
    refunded: set[str] = field(default_factory=set)
    """Creations with a refund in the legacy ledger."""
    owed_tokens: Counter[str] = field(default_factory=Counter)
    """What a dry run would have added to each legacy balance."""
    skipped_users: set[str] = field(default_factory=set)
    """Users with an unrecognised creation."""

    def mark_entries(self) -> None:
        legacy = self._legacy(Collection.TRANSACTIONS, without="sequence")
        unmarked = filter(self._is_unmarked, legacy)
        while page := list(islice(unmarked, ENTRY_BATCH_SIZE)):
            self._replace(page, [_changed(entry, legacy=True) for entry in page])
            self.done.marked_entries += len(page)

    def _is_unmarked(self, entry: RawDocument) -> bool:
        if str(entry.fields.get("type")).lower() == "refund":
            self.refunded.add(str(entry.fields.get("creationId")))
        return entry.fields.get("legacy") is not True

    def archive_creations(self) -> None:
        for creation in self._legacy(Collection.CREATIONS, without="debits"):
            try:
                self._archive(creation)
            except _Unrecognised as error:
                self.skipped_users.add(str(creation.fields.get("userId")))
                self._problem(creation, error)

    def _archive(self, creation: RawDocument) -> None:
        """Move a creation to the archive; refund it in the same transaction if it was not."""
        archived = RawDocument(Collection.LEGACY_CREATIONS, creation.id, dict(creation.fields))
        if self._owes(creation):
            cost = _cost_tokens(creation, self.migration.costs)
            account = self._legacy_account_of(creation)
            paid = _changed(account, tokenBalance=_balance_tokens(account) + cost)
            archived = _changed(archived, status="failed", refunded=True)
            self._replace([creation, account], [archived, paid, self._refund(creation, cost)])
            self.done.refunds += 1
            self.done.refunded_tokens += cost
            self.owed_tokens[account.id] += cost if self.dry_run else 0
        else:
            self._replace([creation], [archived])
        self.done.archived_creations += 1

    def _owes(self, creation: RawDocument) -> bool:
        status = str(creation.fields.get("status")).lower()
        if status not in UNFINISHED | FAILED | FINISHED:
            raise _Unrecognised(f"its status is {creation.fields.get('status')!r}")
        is_refunded = creation.fields.get("refunded") is True or creation.id in self.refunded
        return status not in FINISHED and not is_refunded

    def _legacy_account_of(self, creation: RawDocument) -> RawDocument:
        user_id = creation.fields.get("userId")
        key = account_key(UserId(user_id)) if isinstance(user_id, str) and user_id else None
        account = self.migration.raw.get(key) if key else None
        if account is None:
            raise _Unrecognised(f"its user {user_id!r} has no account")
        if "ledgerCount" in account.fields:
            raise _Unrecognised("it is newer than the takeover of its account")
        return account

    def _refund(self, creation: RawDocument, cost: int) -> RawDocument:
        """Return the refund entry for the legacy ledger."""
        fields = {
            "userId": creation.fields["userId"],
            "type": "refund",
            "amount": cost,
            "creationId": creation.id,
            "createdAt": self.migration.clock.now(),
            "legacy": True,
        }
        return RawDocument(Collection.TRANSACTIONS, f"{creation.id}_refund_adopted", fields)

    def open_accounts(self) -> None:
        for account in self._legacy(Collection.USERS, without="ledgerCount"):
            try:
                self._open(account)
            except _Unrecognised as error:
                self._problem(account, error)

    def _open(self, legacy: RawDocument) -> None:
        """Replace a legacy account with its migrated account, username and opening grant."""
        if legacy.id in self.skipped_users:
            raise _Unrecognised("one of its creations is not understood")
        tokens = _balance_tokens(legacy) + self.owed_tokens[legacy.id]
        at, user_id = self.migration.clock.now(), UserId(legacy.id)
        claim = UsernameClaim(username=self._username(legacy), user_id=user_id)
        created_at = min(_time(legacy.fields.get("createdAt")) or at, at)
        account = Account.fresh(user_id, username=claim.username, at=created_at)
        account = account.welcome_decided(at=created_at)  # existing users get no welcome grant
        entries = []
        if tokens:
            account, entry = account.granted(
                tokens, entry_id=opening_id(user_id), reference=None, actor=Actor.OPERATOR, at=at
            )
            entries.append(entry)
        self._replace([legacy], [account, claim, *entries])
        self.done.accounts += 1
        self.done.opening_tokens += tokens

    def _username(self, legacy: RawDocument) -> str:
        """Return a free username: the account's own if it is allowed."""
        hint = legacy.fields.get("username") or legacy.fields.get("displayName") or ""
        store, usernames = self.migration.store, self.migration.accounts.usernames(str(hint))
        return next(name for name in usernames if store.get(username_key(name)) is None)

    def _legacy(self, collection: Collection, *, without: str) -> Iterator[RawDocument]:
        documents = self.migration.raw.all(collection)
        return (document for document in documents if without not in document.fields)

    def _replace(self, read: list[RawDocument], writes: list[Any]) -> None:
        if not self.dry_run:
            self.migration.raw.replace(read, writes)

    def _problem(self, document: RawDocument, error: _Unrecognised) -> None:
        self.done.problems.append(Problem(f"{document.collection}/{document.id}", str(error)))


def _changed(document: RawDocument, **fields: object) -> RawDocument:
    return replace(document, fields={**document.fields, **fields})


def _balance_tokens(account: RawDocument) -> int:
    balance = _whole(account.fields.get("tokenBalance"))
    if balance is None or balance < 0:
        raise _Unrecognised(f"its tokenBalance is {account.fields.get('tokenBalance')!r}")
    return balance


def _cost_tokens(creation: RawDocument, costs: Costs) -> int:
    """Return the stored cost, else the current price of its kind."""
    cost = _whole(creation.fields.get("cost"))
    kind = creation.fields.get("mediaType") or creation.fields.get("type")
    if cost is None and kind in list(Kind):
        cost = costs.of(Kind(str(kind)))
    if cost is None or cost < 1:
        raise _Unrecognised(f"its cost is {creation.fields.get('cost')!r}, its kind {kind!r}")
    return cost


def _whole(value: object) -> int | None:
    """Return a whole number that was stored as an int or a float, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if float(value).is_integer() else None


def _time(value: object) -> datetime | None:
    """Parse a datetime, ISO text, seconds or milliseconds."""
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, int | float):
            seconds = value / 1000 if value > SECONDS_MAX else value
            value = datetime.fromtimestamp(seconds, tz=UTC)
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return None
