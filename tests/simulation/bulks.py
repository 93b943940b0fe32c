"""Owners who publish, delete and download all their creations at once.

Each list also names a creation of another user and an unknown one.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from shared.domain.creation import Creation
from shared.domain.errors import DownloadNotFound, MediaMissing
from shared.domain.keys import CreationId, UserId
from shared.domain.ledger import debit_id
from shared.domain.status import READY
from shared.lifecycle.bulk import ItemResult
from shared.lifecycle.downloads import ArchiveEntry
from tests.simulation.clients import Clients
from tests.simulation.cloud import CLOCKS_DIFFER_S
from tests.support.builders import a_creation_id

LIKELIHOOD = 0.1
ROUNDS = 3
SLEEP_S = 1500.0
UNKNOWN = a_creation_id("unknown")
NOT_FOUND = "creation_not_found"


def begin(
    clients: Clients, user: UserId, *, spawn: Callable[[str, Callable[[], None]], None]
) -> None:
    """Let a user act on everything in some histories."""
    if clients.simulation.chance(f"{user}.all", "is there") < LIKELIHOOD:
        spawn(f"{user}.all", partial(acts_on_all, clients, user))


def acts_on_all(clients: Clients, user: UserId) -> None:
    """Act on everything that the user has or had, again and again."""
    simulation, known = clients.simulation, set[CreationId]()
    for number in range(ROUNDS):
        name = f"{user}.all.{number}"
        simulation.sleep(SLEEP_S * simulation.chance(name, "sleep"))
        everything = [d for d in clients.store.documents.values() if isinstance(d, Creation)]
        known |= {each.creation_id for each in everything if each.user_id == user}
        others = {each.creation_id for each in everything if each.user_id != user}
        ids = [*sorted(known), *sorted(others), UNKNOWN]
        chance = simulation.chance(name, "act")
        if chance < 0.4:
            _publish(clients, name, user, ids)
        elif chance < 0.7:
            _delete(clients, name, user, ids)
        else:
            _download(clients, name, user, ids)


def _publish(clients: Clients, name: str, user: UserId, ids: Sequence[str]) -> None:
    request = partial(clients.phoenix.bulk.publish, ids, owner=user)
    for result in _answered(clients, name, user, ids, request):
        is_true = result.creation_id in clients.inspector.was_published
        clients.inspector.must(
            not result.ok or is_true, "I10", f"{name} {result} was never published"
        )


def _delete(clients: Clients, name: str, user: UserId, ids: Sequence[str]) -> None:
    for each in ids:
        clients._sent["delete", CreationId(each)] += 1
    request = partial(clients.phoenix.bulk.delete, ids, owner=user)
    for result in _answered(clients, name, user, ids, request):
        is_gone = clients.store.creation(CreationId(result.creation_id)) is None
        must = clients.inspector.must
        must(not result.ok or is_gone, "I10", f"{name} {result} and the creation exists")
        was_own = clients.store.has_entry(debit_id(CreationId(result.creation_id), 1))
        is_lost = was_own and result.code == NOT_FOUND
        must(not is_lost, "I9", f"{name} {result} although it was the owner's")


def _answered(
    clients: Clients, name: str, user: UserId, ids: Sequence[str], request: Any
) -> Iterator[ItemResult]:
    """Send the request; yield the results of the user's creations after checking the others'."""
    answer = clients.call_with_retry(name, request)
    if not isinstance(answer, list):
        return
    clients.simulation.marks["bulk"] += 1
    must = clients.inspector.must
    must([each.creation_id for each in answer] == [*ids], "I10", f"{name} has other results")
    for result in answer:
        if _is_of(clients, result.creation_id, user):
            yield result
        else:
            must(not result.ok and result.status is None, "I8", f"{name} got {result}")


def _is_of(clients: Clients, creation_id: str, user: UserId) -> bool:
    debit = clients.store.entry(debit_id(CreationId(creation_id), 1))
    return debit is not None and debit.user_id == user


def _download(clients: Clients, name: str, user: UserId, ids: Sequence[str]) -> None:
    must, create = clients.inspector.must, clients.phoenix.downloads.create
    known = [clients.store.creation(CreationId(each)) for each in ids]
    ready = [each for each in known if each and each.status in READY]
    own_ids = [each.creation_id for each in ready if each.user_id == user]
    if len(ready) > len(own_ids):
        every_id = [each.creation_id for each in ready]
        answer = clients.call_with_retry(name, partial(create, every_id, owner=user))
        must(not isinstance(answer, tuple), "I8", f"{name} got a link to another user's file")
    answer = clients.call_with_retry(f"{name}.own", partial(create, own_ids, owner=user))
    if not isinstance(answer, tuple):
        return
    download, _ = answer
    clients.simulation.sleep(900 * clients.simulation.chance(name, "opens"))
    opened = clients.call_with_retry(
        f"{name}.open", partial(clients.phoenix.downloads.open, download.secret)
    )
    if isinstance(opened, DownloadNotFound):
        skew = timedelta(seconds=CLOCKS_DIFFER_S)
        has_expired = clients.inspector.now >= download.expires_at - skew
        must(has_expired, "I15", f"{name}: the link ended before its time")
    elif isinstance(opened, tuple):
        clients.simulation.marks["download_opened"] += 1
        for entry in opened[1]:
            must(entry.key is None or f"/{user}/" in entry.key, "I8", f"{name} shows {entry}")
            _read(clients, name, entry)


def _read(clients: Clients, name: str, entry: ArchiveEntry) -> None:
    """Read a file: it is missing only if its creation is."""
    if entry.key is None:
        return
    answer = clients.call_with_retry(
        f"{name}.{entry.key}", lambda: b"".join(clients.phoenix.ports.media.read(entry.key or ""))
    )
    if isinstance(answer, MediaMissing):
        creation = clients.store.creation(entry.creation_id)
        is_gone = creation is None or creation.media_key != entry.key
        clients.inspector.must(is_gone, "I14", f"{name}: {entry.key} is missing")
