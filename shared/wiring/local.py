"""The adapters of an installation on one machine."""

from collections.abc import Callable
from datetime import date
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
from shared.ports.generator import Generator
from shared.settings import LocalBackend, Settings
from shared.wiring.generators import check_models, google_generator, price_usd
from shared.wiring.ports import LocalParts, Ports


def local_ports(
    settings: Settings, backend: LocalBackend, *, makes: Kind | None
) -> tuple[Ports, LocalParts]:
    data, gemini = backend.data, backend.gemini
    clock, ids = SystemClock(), SystemIds()

    def today() -> date:
        return clock.now().date()

    if gemini is not None:
        check_models(gemini, makes=makes, today=today())
    data_folder.prepare(data)
    keys = InstallationKeys(data / KEY, clock=clock)
    check_files(data)
    store = SQLiteStore(data / STORE)
    local = LocalParts(
        identity=LocalIdentity(keys, clock=clock),
        media=SampleMediaStore(
            data / MEDIA,
            crashes=data / GENERATOR / "crashes",
            base_url=settings.base_url,
            secret=keys,
        ),
        queue=SQLiteQueue(data / QUEUE, clock=clock),
        executions=LocalExecutions(
            data / EXECUTIONS, environment=settings.environment, policy=settings.policy, ids=ids
        ),
    )

    def close() -> None:
        store.close()
        local.queue.close()

    def generator(kind: Kind) -> Generator:
        if gemini is not None:
            return google_generator(gemini, kind, today=today())
        from shared.adapters.sample.generator import SampleGenerator

        return SampleGenerator(data / GENERATOR, clock=clock, ids=ids)

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
        raw_documents=lambda: SQLiteRawDocuments(data / STORE),
        close=close,
        price_usd=lambda kind: price_usd(gemini, kind, today=today()) if gemini else 0.0,
        welcome_key=welcome_key(data / WELCOME_KEY),
    )
    return ports, local


def check_files(data: Path, *, check: Callable[..., None] = check_header) -> None:
    """Raise `WrongSetting` if a database of the data folder is damaged.

    An emptied store is checked for first, because SQLite starts a new one in an empty file.
    """
    data_folder.check_not_emptied(data / STORE, data / MEDIA, remedy=RESTORE)
    check(data / STORE, remedy=RESTORE)
    check(data / QUEUE, remedy=REMOVE_QUEUE)
