"""The adapters of an installation on one machine."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from shared.adapters.local import data_folder as folder
from shared.adapters.local.executions import LocalExecutions
from shared.adapters.local.identity import LocalIdentity
from shared.adapters.local.installation_keys import InstallationKeys, welcome_key
from shared.adapters.local.sqlite import REMOVE_QUEUE, RESTORE, check_header
from shared.adapters.local.store import SQLiteStore
from shared.adapters.local.task_queue import SQLiteQueue
from shared.adapters.sample.media_store import SampleMediaStore
from shared.adapters.system.clock import SystemClock, SystemIds
from shared.domain.kind import Kind
from shared.once import Once
from shared.ports.clock import Clock, Ids
from shared.ports.generator import Generator
from shared.settings import LocalBackend, Settings
from shared.wiring.generators import GoogleGenerators
from shared.wiring.ports import LocalParts, Ports


def local_ports(
    settings: Settings, backend: LocalBackend, *, makes: Kind | None
) -> tuple[Ports, LocalParts]:
    with folder.usable(backend.data):
        return _usable_ports(settings, backend, makes=makes)


def _usable_ports(
    settings: Settings, backend: LocalBackend, *, makes: Kind | None
) -> tuple[Ports, LocalParts]:
    data, clock, ids = backend.data, SystemClock(), SystemIds()
    google = GoogleGenerators(backend.gemini, clock) if backend.gemini else None
    if google is not None:
        google.check(makes)
    folder.prepare(data)
    keys = InstallationKeys(data / folder.KEY, clock=clock)
    check_files(data)
    store = SQLiteStore(data / folder.STORE)
    crashes, base_url = data / folder.GENERATOR / "crashes", settings.base_url
    media = SampleMediaStore(data / folder.MEDIA, crashes=crashes, base_url=base_url, secret=keys)
    environment, policy = settings.environment, settings.policy
    executions = LocalExecutions(
        data / folder.EXECUTIONS, environment=environment, policy=policy, ids=ids
    )
    local = LocalParts(
        identity=LocalIdentity(keys, clock=clock, admins=backend.admins),
        media=media,
        queue=SQLiteQueue(data / folder.QUEUE, clock=clock),
        executions=executions,
    )

    sample = Once(partial(_sample_generator, data, clock, ids))

    def close() -> None:
        store.close()
        local.queue.close()

    ports = Ports(
        store=store,
        queue=local.queue,
        media=local.media,
        executions=local.executions,
        identity=local.identity,
        service_identity=local.identity,
        clock=clock,
        ids=ids,
        generator=google.open if google else lambda _: sample(),
        close=close,
        price_usd=google.price_usd if google else lambda _: 0.0,
        welcome_key=welcome_key(data / folder.WELCOME_KEY),
    )
    return ports, local


def _sample_generator(data: Path, clock: Clock, ids: Ids) -> Generator:
    from shared.adapters.sample.generator import SampleGenerator

    return SampleGenerator(data / folder.GENERATOR, clock=clock, ids=ids)


def check_files(data: Path, *, check: Callable[..., None] = check_header) -> None:
    """Raise `WrongSetting` if a database of the data folder is damaged.

    An emptied store is checked for first, because SQLite starts a new one in an empty file.
    """
    folder.check_not_emptied(data / folder.STORE, data / folder.MEDIA, remedy=RESTORE)
    check(data / folder.STORE, remedy=RESTORE)
    check(data / folder.QUEUE, remedy=REMOVE_QUEUE)
