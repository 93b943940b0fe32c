"""The real use cases over fake ports, for tests of lifecycle, jobs and API."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from shared import settings, wiring
from shared.adapters.local.identity import LocalIdentity
from shared.adapters.local.media_store import FileMediaStore
from shared.adapters.local.store import SQLiteStore
from shared.adapters.system.clock import SystemClock, SystemIds
from shared.domain.account import Account, account_key
from shared.domain.creation import Creation, creation_key
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId, UserId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.ledger import LedgerEntry
from shared.domain.media import MediaDeletion
from shared.domain.status import Status
from shared.lifecycle.claim import Claim
from shared.lifecycle.opening import Opened
from shared.lifecycle.violation import Violation
from shared.ports.store import Page, Store
from shared.settings import LocalBackend
from shared.wiring import Phoenix
from shared.wiring.ports import LocalParts, Ports
from tests.support.builders import ADA, LEASE_OWNER, a_brief, a_caller, stored_media
from tests.support.documents import parsed
from tests.support.fakes import (
    CountingIds,
    FakeClock,
    FakeExecutions,
    FakeGenerator,
    FakeQueue,
    FaultyMediaStore,
    FaultyStore,
    in_turn,
)

KEY = b"k" * 32


class World:
    """Phoenix on SQLite and files with a fake clock, queue, executions and generator."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.clock = FakeClock()
        self.queue = FakeQueue()
        self.executions = FakeExecutions()
        self.generator = FakeGenerator()
        self.sqlite = SQLiteStore(folder / "store.db")
        self.store = FaultyStore(self.sqlite)
        base_url = environment.get("PHOENIX_BASE_URL", "http://localhost")
        self.files = FileMediaStore(folder / "media", base_url=base_url, secret=KEY)
        self.media = FaultyMediaStore(self.files)
        self.settings = settings.load({"PHOENIX_DATA": str(folder), **environment})
        backend = self.settings.backend
        admins = backend.admins if isinstance(backend, LocalBackend) else ()
        self.identity = LocalIdentity(KEY, clock=self.clock, admins=admins)
        ports = Ports(
            store=self.store,
            queue=self.queue,
            media=self.media,
            executions=self.executions,
            identity=self.identity,
            service_identity=self.identity,
            clock=self.clock,
            ids=CountingIds(),
            generator=lambda _: self.generator,
            close=self.sqlite.close,
            price_usd=lambda kind: 0.5 if kind is Kind.VIDEO else 0.05,
        )
        unused: Any = None
        local = LocalParts(
            identity=self.identity,
            media=self.files,
            queue=unused,
            executions=unused,
        )
        phoenix = wiring.assembled(self.settings, ports, local=local)
        self.phoenix: Phoenix = in_turn(phoenix)

    def close(self) -> None:
        self.sqlite.close()

    def over(self, store: Store, **others: Any) -> Phoenix:
        """Return the use cases over another store and other ports; by default in real time."""
        real = {"store": store, "clock": SystemClock(), "ids": SystemIds(), **others}
        ports = replace(self.phoenix.ports, **real)
        return wiring.assembled(self.settings, ports, local=self.phoenix.local)

    # Shortcuts

    def open(
        self,
        *,
        kind: Kind = Kind.VIDEO,
        user: str = ADA,
        key: str | None = None,
        prompt: str = "a fox",
    ) -> Opened:
        return self.phoenix.opening.open(
            a_brief(kind, prompt), caller=a_caller(user), idempotency_key=key
        )

    def claim(
        self,
        creation: Creation | CreationId,
        lease_owner: LeaseOwner = LEASE_OWNER,
        kind: Kind = Kind.VIDEO,
    ) -> Creation:
        creation_id = creation.creation_id if isinstance(creation, Creation) else creation
        claims = self.phoenix.claims
        return claims.claim(creation_id, kind=kind, lease_owner=lease_owner).creation

    def held(self, claimed: Creation) -> Claim:
        """Return the claim of the attempt that claimed this creation."""
        return self.phoenix.claims.of(claimed)

    def now(self, creation: Creation) -> Creation:
        found = self.sqlite.get(creation_key(creation.creation_id))
        assert found is not None
        return found

    def account(self, user: str = ADA) -> Account:
        found = self.sqlite.get(account_key(UserId(user)))
        assert found is not None
        return found

    def ledger(self, user: str = ADA) -> list[LedgerEntry]:
        return parsed(self.sqlite.ledger(UserId(user), Page(limit=50)))

    def deletions(self) -> list[MediaDeletion]:
        return [d for d in self.sqlite.everything() if isinstance(d, MediaDeletion)]

    def violations(self) -> list[Violation]:
        return self.phoenix.auditing.audit().violations

    def store_files(self, creation: Creation) -> None:
        """Store the files of this attempt's media."""
        media = stored_media(creation)
        for key in (media.media_key, media.thumbnail_key or ""):
            path = self.files.path_of(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"01234")

    def draft(self, *, user: str = ADA, key: str | None = None) -> Creation:
        """Open and complete a video."""
        claimed = self.claim(self.open(user=user, key=key).creation)
        self.store_files(claimed)
        self.held(claimed).complete(stored_media(claimed))
        return self.now(claimed)

    def failed(self, *, user: str = ADA, key: str | None = None) -> Creation:
        """Open and fail a video."""
        claimed = self.claim(self.open(user=user, key=key).creation)
        self.phoenix.failing.fail_attempt(claimed, FailureCode.INTERNAL, start_failed=False)
        return self.now(claimed)

    def published(self, *, user: str = ADA, caption: str | None = None) -> Creation:
        """Open, complete and publish a video."""
        draft = self.draft(user=user)
        return self.phoenix.publishing.publish(
            draft.creation_id, owner=draft.user_id, caption=caption
        )

    def creation_that_is(self, status: str, *, user: str = ADA) -> Creation:
        match Status(status):
            case Status.PENDING:
                return self.open(user=user).creation
            case Status.PROCESSING:
                return self.claim(self.open(user=user).creation)
            case Status.DRAFT:
                return self.draft(user=user)
            case Status.PUBLISHED:
                return self.published(user=user)
            case Status.FAILED:
                return self.failed(user=user)

    def stored_keys(self) -> set[str]:
        return {file.key for file in self.files.everything()}
