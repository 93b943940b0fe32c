"""Taking over what the Celery system wrote, so that this one's ledger can prove every balance.

    old ledger entries   are marked `legacy: true`: kept, and part of no sum
    old creations        are put aside, whole; what owes tokens is failed and refunded in the same
                         transaction: unfinished ones, and failed ones that were never refunded
    old accounts         get their balance as an opening grant, a claimed username, and the fields
                         they lack, in one transaction

In this order: a refund goes into the old balance, and the opening grant is what that is then.
Old documents are known by what they lack: an entry its `sequence`, a creation its `debits`, an
account its `ledgerCount`. So a second run finds nothing to do, and one that was interrupted goes
on. What is not understood is left as it is and named, and so is the account that it belongs to.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from shared.domain.account import Account, UsernameClaim, account_key
from shared.domain.keys import Collection, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import Actor, opening_id
from shared.domain.policy import Costs
from shared.lifecycle.accounts import Accounts
from shared.ports.clock import Clock
from shared.ports.raw_documents import RawDocument, RawDocuments
from shared.ports.store import Document, Store

ENTRIES_AT_A_TIME = 100
SECONDS_MAX = 1e11
"""A greater number is a time in milliseconds; in seconds it would be after the year 5000."""
UNFINISHED = {"pending", "queued", "received", "started", "processing", "generating", "retry"}
FAILED = {"failed", "failure", "error", "revoked"}
FINISHED = {"completed", "success", "draft", "published"}


@dataclass(frozen=True, order=True)
class Problem:
    """A document that is not understood and was left as it is."""

    document: str
    what: str


@dataclass
class Adoption:
    """What was taken over, or would be."""

    accounts: int = 0
    opening_tokens: int = 0
    marked_entries: int = 0
    creations_aside: int = 0
    refunds: int = 0
    refunded_tokens: int = 0
    problems: list[Problem] = field(default_factory=list)


class _NotUnderstood(Exception):
    """Why a document cannot be taken over."""


@dataclass(frozen=True)
class Adopting:
    """The takeover; the old system must have stopped writing."""

    raw: RawDocuments
    store: Store
    accounts: Accounts
    clock: Clock
    costs: Costs

    def adopt(self, *, dry_run: bool) -> Adoption:
        """Take everything over, or only count it.

        Raises:
            StoreContention: the old system still writes; run again when it has stopped.
            StoreUnavailable, OutcomeUnknown: run again.
        """
        run = _Run(self, dry_run=dry_run)
        run.mark_entries()
        run.put_creations_aside()
        run.open_accounts()
        run.done.problems.sort()
        return run.done


@dataclass
class _Run:
    """One run, and what it has met so far."""

    adopting: Adopting
    dry_run: bool
    done: Adoption = field(default_factory=Adoption)
    refunded: set[str] = field(default_factory=set)
    """Creations with a refund in the old ledger."""
    owed_tokens: Counter[str] = field(default_factory=Counter)
    """What a dry run would have added to an account's old balance."""
    left_users: set[str] = field(default_factory=set)
    """Users of whom something is not understood."""

    def mark_entries(self) -> None:
        old = self._old(Collection.TRANSACTIONS, without="sequence")
        unmarked = filter(self._is_unmarked, old)
        while page := list(islice(unmarked, ENTRIES_AT_A_TIME)):
            marked = [_changed(entry, legacy=True) for entry in page]
            self._replace(page, marked)
            self.done.marked_entries += len(page)

    def _is_unmarked(self, entry: RawDocument) -> bool:
        if str(entry.fields.get("type")).lower() == "refund":
            self.refunded.add(str(entry.fields.get("creationId")))
        return entry.fields.get("legacy") is not True

    def put_creations_aside(self) -> None:
        for creation in self._old(Collection.CREATIONS, without="debits"):
            try:
                self._put_aside(creation)
            except _NotUnderstood as error:
                self.left_users.add(str(creation.fields.get("userId")))
                self._problem(creation, error)

    def _put_aside(self, creation: RawDocument) -> None:
        """Move a creation out of every list; if it owes tokens, with their refund."""
        aside = RawDocument(Collection.LEGACY_CREATIONS, creation.id, dict(creation.fields))
        if self._owes(creation):
            cost = _cost_tokens(creation, self.adopting.costs)
            account = self._old_account_of(creation)
            balance = _balance_tokens(account)
            paid = _changed(account, tokenBalance=balance + cost)
            aside = _changed(aside, status="failed", refunded=True)
            self._replace([creation, account], [aside, paid, self._refund(creation, cost)])
            self.done.refunds += 1
            self.done.refunded_tokens += cost
            self.owed_tokens[account.id] += cost if self.dry_run else 0
        else:
            self._replace([creation], [aside])
        self.done.creations_aside += 1

    def _owes(self, creation: RawDocument) -> bool:
        status = str(creation.fields.get("status")).lower()
        if status not in UNFINISHED | FAILED | FINISHED:
            raise _NotUnderstood(f"its status is {creation.fields.get('status')!r}")
        is_refunded = creation.fields.get("refunded") is True or creation.id in self.refunded
        return status not in FINISHED and not is_refunded

    def _old_account_of(self, creation: RawDocument) -> RawDocument:
        user_id = creation.fields.get("userId")
        account = None
        if isinstance(user_id, str) and user_id:
            account = self.adopting.raw.get(account_key(UserId(user_id)))
        if account is None:
            raise _NotUnderstood(f"its user {user_id!r} has no account")
        if "ledgerCount" in account.fields:
            raise _NotUnderstood("it is newer than the takeover of its account")
        return account

    def _refund(self, creation: RawDocument, cost: int) -> RawDocument:
        """Return the old ledger's last entry of this creation."""
        fields = {
            "userId": creation.fields["userId"],
            "type": "refund",
            "amount": cost,
            "creationId": creation.id,
            "createdAt": self.adopting.clock.now(),
            "legacy": True,
        }
        return RawDocument(Collection.TRANSACTIONS, f"{creation.id}_refund_adopted", fields)

    def open_accounts(self) -> None:
        for account in self._old(Collection.USERS, without="ledgerCount"):
            try:
                self._open(account)
            except _NotUnderstood as error:
                self._problem(account, error)

    def _open(self, old: RawDocument) -> None:
        """Put today's account in the place of the old one, with its name and its first entry."""
        if old.id in self.left_users:
            raise _NotUnderstood("one of its creations is not understood")
        tokens = _balance_tokens(old) + self.owed_tokens[old.id]
        at = self.adopting.clock.now()
        user_id = UserId(old.id)
        claim = UsernameClaim(username=self._username(old), user_id=user_id)
        created_at = min(_time(old.fields.get("createdAt")) or at, at)
        account = Account.fresh(user_id, username=claim.username, at=created_at)
        account = account.welcome_decided(at=created_at)  # a user of long standing
        documents: list[Document] = [claim]
        if tokens:
            account, entry = account.granted(
                tokens,
                entry_id=opening_id(user_id),
                reference=None,
                actor=Actor.OPERATOR,
                at=at,
            )
            documents.append(entry)
        self._replace([old], [account, *documents])
        self.done.accounts += 1
        self.done.opening_tokens += tokens

    def _username(self, old: RawDocument) -> str:
        """Return a name that nobody has: its own if it may be used, else one like it."""
        hint = old.fields.get("username") or old.fields.get("displayName") or ""
        for username in self.adopting.accounts.usernames(str(hint)):
            claim = UsernameClaim(username=username, user_id=UserId(old.id))
            if self.adopting.store.get(claim.key) is None:
                return username
        raise AssertionError("random usernames do not run out")

    def _old(self, collection: Collection, *, without: str) -> Iterator[RawDocument]:
        for document in self.adopting.raw.all(collection):
            if without not in document.fields:
                yield document

    def _replace(self, read: list[RawDocument], writes: list[Any]) -> None:
        if not self.dry_run:
            self.adopting.raw.replace(read, writes)

    def _problem(self, document: RawDocument, error: _NotUnderstood) -> None:
        self.done.problems.append(Problem(f"{document.collection}/{document.id}", str(error)))


def _changed(document: RawDocument, **fields: object) -> RawDocument:
    changed: Mapping[str, Any] = {**document.fields, **fields}
    return RawDocument(document.collection, document.id, changed, document.version)


def _balance_tokens(account: RawDocument) -> int:
    balance = _whole(account.fields.get("tokenBalance"))
    if balance is None or balance < 0:
        raise _NotUnderstood(f"its tokenBalance is {account.fields.get('tokenBalance')!r}")
    return balance


def _cost_tokens(creation: RawDocument, costs: Costs) -> int:
    """Return what it cost; where it does not say, today's price of its kind."""
    cost = _whole(creation.fields.get("cost"))
    kind = creation.fields.get("mediaType") or creation.fields.get("type")
    if cost is None and kind in list(Kind):
        cost = costs.of(Kind(str(kind)))
    if cost is None or cost < 1:
        raise _NotUnderstood(f"its cost is {creation.fields.get('cost')!r}, its kind {kind!r}")
    return cost


def _whole(value: object) -> int | None:
    """Return a number of tokens, whatever type it was stored as."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if float(value).is_integer() else None


def _time(value: object) -> datetime | None:
    """Return a time that was stored as one, as text, as seconds or as milliseconds."""
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, int | float):
            seconds = value / 1000 if value > SECONDS_MAX else value
            value = datetime.fromtimestamp(seconds, tz=UTC)
        if not isinstance(value, datetime):
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
