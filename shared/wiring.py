"""The composition root: the only place that chooses adapters."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from shared.adapters.local import data_folder
from shared.adapters.local.data_folder import (
    EXECUTIONS,
    GENERATOR,
    KEY,
    MEDIA,
    QUEUE,
    STORE,
    WELCOME_KEY,
)
from shared.adapters.local.executions import LocalExecutions
from shared.adapters.local.identity import LocalIdentity
from shared.adapters.local.installation_keys import InstallationKeys, welcome_key
from shared.adapters.local.raw_documents import SQLiteRawDocuments
from shared.adapters.local.sqlite import REMOVE_QUEUE, RESTORE, check_header
from shared.adapters.local.store import SQLiteStore
from shared.adapters.local.task_queue import SQLiteQueue
from shared.adapters.sample.media_store import SampleMediaStore
from shared.adapters.system.clock import SystemClock, SystemIds
from shared.domain.kind import Kind
from shared.gcp_installation import gcp_ports
from shared.generators import check_models, google_generator, price_usd
from shared.installation import LocalParts, Ports
from shared.lifecycle.accounts import Accounts
from shared.lifecycle.admission import Admission, Brake
from shared.lifecycle.adopting import Adopting
from shared.lifecycle.auditing import Auditing
from shared.lifecycle.claims import Claims
from shared.lifecycle.failing import Failing
from shared.lifecycle.media_cleanup import MediaCleanup
from shared.lifecycle.opening import Opening
from shared.lifecycle.operating import Operating
from shared.lifecycle.publishing import Publishing
from shared.lifecycle.reading import Reading
from shared.lifecycle.statements import Statements
from shared.lifecycle.sweeping import BATCH_SIZE, Sweeping
from shared.lifecycle.transactions import Transactions
from shared.lifecycle.welcoming import WelcomeGrant
from shared.ports.generator import Generator
from shared.settings import GCPBackend, LocalBackend, Settings

RETRY_BUDGET_S = 10
"""How long a use case goes on finding out whether its transaction landed."""


@dataclass(frozen=True, kw_only=True)
class Phoenix:
    """The whole application: its use cases over the chosen adapters."""

    settings: Settings
    ports: Ports
    reading: Reading
    accounts: Accounts
    opening: Opening
    claims: Claims
    failing: Failing
    media_cleanup: MediaCleanup
    publishing: Publishing
    operating: Operating
    sweeping: Sweeping
    auditing: Auditing
    statements: Statements
    adopting: Callable[[], Adopting]
    local: LocalParts | None


def build(settings: Settings, *, makes: Kind | None = None) -> Phoenix:
    """Choose the adapters and put the use cases on them.

    A job names the kind that it makes, and is refused (`WrongSetting`) if its model has retired.
    What makes nothing is refused an unknown model alone: it must sweep and refund all the same.
    """
    match settings.backend:
        case LocalBackend() as backend:
            with data_folder.usable(backend.data):
                ports, local = _local(settings, backend, makes=makes)
            return assembled(settings, ports, local=local)
        case GCPBackend() as backend:
            return assembled(settings, gcp_ports(backend, makes=makes), local=None)


def assembled(settings: Settings, ports: Ports, *, local: LocalParts | None) -> Phoenix:
    """Put the use cases on these adapters."""
    policy, clock = settings.policy, ports.clock
    transactions = Transactions(ports.store, clock, retry_budget_s=RETRY_BUDGET_S)
    reading = Reading(ports.store)
    failing = Failing(transactions, reading, ports.queue, clock, policy)
    cleanup = MediaCleanup(transactions, reading, ports.media, clock, policy)
    welcome = WelcomeGrant(
        tokens=settings.welcome_tokens,
        key=ports.welcome_key,
        per_day_max=policy.welcome_grants_per_day_max,
    )
    accounts = Accounts(transactions, clock, ports.ids, welcome)
    brake = Brake(cost_usd_max=settings.daily_cost_max_usd, price_usd=ports.price_usd)
    reader = ThreadPoolExecutor(1, thread_name_prefix="gauges")
    admission = Admission(ports.store, ports.queue, clock, policy, brake=brake, worker=reader)
    opening = Opening(
        transactions,
        reading,
        accounts,
        failing,
        admission,
        ports.queue,
        ports.media,
        clock,
        ports.ids,
        settings.costs,
        policy,
    )
    publishing = Publishing(transactions, reading, cleanup, ports.media, clock, ports.ids, policy)
    workers = ThreadPoolExecutor(BATCH_SIZE, thread_name_prefix="sweep")
    return Phoenix(
        settings=settings,
        ports=ports,
        reading=reading,
        accounts=accounts,
        opening=opening,
        claims=Claims(transactions, failing, clock, policy),
        failing=failing,
        media_cleanup=cleanup,
        publishing=publishing,
        operating=Operating(transactions, reading, cleanup, publishing, clock),
        sweeping=Sweeping(
            transactions,
            failing,
            cleanup,
            ports.queue,
            ports.executions,
            workers,
            clock,
            policy,
        ),
        auditing=Auditing(ports.store, ports.media, clock, policy),
        statements=Statements(ports.store, ports.identity, clock, policy),
        adopting=lambda: Adopting(
            ports.raw_documents(), ports.store, accounts, clock, settings.costs
        ),
        local=local,
    )


def _local(
    settings: Settings, backend: LocalBackend, *, makes: Kind | None
) -> tuple[Ports, LocalParts]:
    clock, ids = SystemClock(), SystemIds()
    gemini = backend.gemini
    if gemini is not None:
        check_models(gemini, makes=makes, today=clock.now().date())
    data_folder.prepare(backend.data)
    keys = InstallationKeys(backend.data / KEY, clock=clock)
    check_files(backend.data)
    store = SQLiteStore(backend.data / STORE)
    local = LocalParts(
        identity=LocalIdentity(keys, clock=clock),
        media=SampleMediaStore(
            backend.data / MEDIA,
            crashes=backend.data / GENERATOR / "crashes",
            base_url=settings.base_url,
            secret=keys,
        ),
        queue=SQLiteQueue(backend.data / QUEUE, clock=clock),
        executions=LocalExecutions(
            backend.data / EXECUTIONS,
            environment=settings.environment,
            policy=settings.policy,
            ids=ids,
        ),
    )

    def close() -> None:
        store.close()
        local.queue.close()

    def generator(kind: Kind) -> Generator:
        if gemini is not None:
            return google_generator(gemini, kind, today=clock.now().date())
        from shared.adapters.sample.generator import SampleGenerator

        return SampleGenerator(backend.data / GENERATOR, clock=clock, ids=ids)

    def price(kind: Kind) -> float:
        return price_usd(gemini, kind, today=clock.now().date()) if gemini is not None else 0.0

    ports = Ports(
        store=store,
        queue=local.queue,
        media=local.media,
        executions=local.executions,
        identity=local.identity,
        service_identity=local.identity,
        clock=clock,
        ids=ids,
        generator=generator,
        raw_documents=lambda: SQLiteRawDocuments(backend.data / STORE),
        close=close,
        price_usd=price,
        welcome_key=welcome_key(backend.data / WELCOME_KEY),
    )
    return ports, local


def check_files(data: Path, *, check: Callable[..., None] = check_header) -> None:
    """Raise `WrongSetting` if a database of the data folder is damaged.

    Whether the store was emptied is asked first: SQLite begins a new one in any file that it opens.
    """
    data_folder.check_not_emptied(data / STORE, data / MEDIA, remedy=RESTORE)
    check(data / STORE, remedy=RESTORE)
    check(data / QUEUE, remedy=REMOVE_QUEUE)
