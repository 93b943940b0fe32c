"""The application: the use cases over the chosen adapters."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shared.domain.kind import Kind
from shared.lifecycle.accounts import Accounts
from shared.lifecycle.admission import Admission, Brake
from shared.lifecycle.auditing import Auditing
from shared.lifecycle.bulk import THREADS_MAX, Bulk
from shared.lifecycle.claims import Claims
from shared.lifecycle.downloads import Downloads
from shared.lifecycle.draining import Draining
from shared.lifecycle.duties import AT_ONCE, MEDIA_AT_ONCE
from shared.lifecycle.expiring import Expiring
from shared.lifecycle.failing import Failing
from shared.lifecycle.incremental_audit import IncrementalAudit
from shared.lifecycle.keeping import Keeping
from shared.lifecycle.liking import Liking
from shared.lifecycle.media_cleanup import MediaCleanup
from shared.lifecycle.opening import Opening
from shared.lifecycle.operating import Operating
from shared.lifecycle.publishing import Publishing
from shared.lifecycle.reading import Reading
from shared.lifecycle.replaying import Replaying
from shared.lifecycle.scheduling import Scheduling
from shared.lifecycle.searching import Searching
from shared.lifecycle.sharing import DraftSharing
from shared.lifecycle.statements import Statements
from shared.lifecycle.statistics import Statistics
from shared.lifecycle.sweeping import Sweeping
from shared.lifecycle.task_creation import TaskCreation
from shared.lifecycle.timelines import Timelines
from shared.lifecycle.transactions import Transactions
from shared.lifecycle.welcoming import WelcomeGrant
from shared.ports.file_index import FileIndex
from shared.settings import GCPBackend, LocalBackend, Settings
from shared.wiring.ports import LocalParts, Ports

RETRY_BUDGET_S = 10
"""How long a use case retries a transaction whose outcome is unknown."""
TASK_THREADS_MAX = 240
"""For the second to fourth variation of 80 requests at once; they are started when needed."""


@dataclass(frozen=True, kw_only=True)
class Phoenix:
    settings: Settings
    ports: Ports
    reading: Reading
    searching: Searching
    accounts: Accounts
    opening: Opening
    claims: Claims
    draining: Draining
    failing: Failing
    media_cleanup: MediaCleanup
    publishing: Publishing
    sharing: DraftSharing
    bulk: Bulk
    downloads: Downloads
    scheduling: Scheduling
    keeping: Keeping
    operating: Operating
    replaying: Replaying
    timelines: Timelines
    sweeping: Sweeping
    auditing: Auditing
    incremental_audit: IncrementalAudit
    statements: Statements
    statistics: Statistics
    liking: Liking
    local: LocalParts | None


def build(settings: Settings, *, makes: Kind | None = None) -> Phoenix:
    """Choose the adapters and assemble the application.

    A job passes the kind that it generates, and gets `WrongSetting` if its model has retired.
    Other processes get it only for an unknown model: they must keep sweeping and refunding.
    """
    match settings.backend:
        case LocalBackend() as backend:
            from shared.wiring.local import local_ports

            ports, local = local_ports(settings, backend, makes=makes)
            return assembled(settings, ports, local=local)
        case GCPBackend() as backend:
            from shared.wiring.gcp import gcp_ports

            return assembled(settings, gcp_ports(backend, makes=makes), local=None)


def assembled(settings: Settings, ports: Ports, *, local: LocalParts | None) -> Phoenix:
    policy = settings.policy
    store, queue, media, clock, ids = ports.store, ports.queue, ports.media, ports.clock, ports.ids
    transactions, reading = Transactions(store, clock, RETRY_BUDGET_S), Reading(store)
    failing = Failing(transactions, reading, queue, clock, policy)
    cleanup = MediaCleanup(transactions, reading, media, clock, policy)
    accounts = Accounts(transactions, clock, ids, _welcome(settings, ports))
    workers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="worker")
    publishing = Publishing(transactions, reading, cleanup, media, clock, ids, policy)
    scheduling = Scheduling(transactions, reading, publishing, clock, policy)
    opening = _opening(settings, ports, accounts=accounts, failing=failing)
    sweeping = _sweeping(failing, cleanup, scheduling, ports=ports, workers=workers)
    operating = Operating(
        transactions, reading, cleanup, publishing, accounts, sweeping, clock, ids
    )
    return Phoenix(
        settings=settings,
        ports=ports,
        reading=reading,
        searching=Searching(reading),
        accounts=accounts,
        opening=opening,
        claims=Claims(transactions, failing, clock, policy),
        draining=Draining(store, clock, policy),
        failing=failing,
        media_cleanup=cleanup,
        publishing=publishing,
        scheduling=scheduling,
        keeping=Keeping(transactions, reading, clock, policy),
        sharing=DraftSharing(transactions, reading, clock, ids, policy),
        bulk=_bulk(ports, publishing, cleanup),
        downloads=Downloads(transactions, clock, ids),
        operating=operating,
        replaying=Replaying(transactions, opening, operating, clock, policy),
        timelines=Timelines(store),
        sweeping=sweeping,
        auditing=Auditing(store, media, clock, policy, _file_index),
        incremental_audit=IncrementalAudit(transactions, workers, clock, policy),
        statements=Statements(store, ports.identity, clock, policy),
        statistics=Statistics(store, clock),
        liking=Liking(transactions, reading, clock),
        local=local,
    )


def _welcome(settings: Settings, ports: Ports) -> WelcomeGrant:
    return WelcomeGrant(
        tokens=settings.welcome_tokens,
        key=ports.welcome_key,
        per_day_max=settings.policy.welcome_grants_per_day_max,
    )


def _sweeping(
    failing: Failing,
    cleanup: MediaCleanup,
    scheduling: Scheduling,
    *,
    ports: Ports,
    workers: ThreadPoolExecutor,
) -> Sweeping:
    transactions, clock, policy = failing.transactions, failing.clock, failing.policy
    return Sweeping(
        transactions,
        failing,
        cleanup,
        scheduling,
        Expiring(transactions, cleanup, clock, policy),
        queue=ports.queue,
        workers=workers,
        media_workers=ThreadPoolExecutor(MEDIA_AT_ONCE, thread_name_prefix="media"),
        clock=clock,
        policy=policy,
    )


def _bulk(ports: Ports, publishing: Publishing, cleanup: MediaCleanup) -> Bulk:
    workers = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="bulk")
    return Bulk(publishing, cleanup, ports.store, workers, ports.clock)


def _file_index() -> FileIndex:
    from shared.adapters.local.file_index import DigestIndex  # SQLite is slow to import

    return DigestIndex()


def _opening(settings: Settings, ports: Ports, *, accounts: Accounts, failing: Failing) -> Opening:
    brake = Brake(cost_usd_max=settings.daily_cost_max_usd, price_usd=ports.price_usd)
    gauges = ThreadPoolExecutor(1, thread_name_prefix="gauges")
    tasks = ThreadPoolExecutor(TASK_THREADS_MAX, thread_name_prefix="task")
    clock, policy = ports.clock, settings.policy
    return Opening(
        failing.transactions,
        failing.reading,
        accounts,
        admission=Admission(ports.store, ports.queue, clock, policy, brake=brake, worker=gauges),
        tasks=TaskCreation(ports.queue, failing, tasks),
        media=ports.media,
        clock=clock,
        ids=ports.ids,
        costs=settings.costs,
        policy=policy,
    )
