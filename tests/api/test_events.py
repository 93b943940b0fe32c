"""Live events: a snapshot, then each change, to the owner only, until the stream ends."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import anyio.lowlevel
import httpx
import pytest
from anyio import to_thread
from starlette.types import Message

from api_service.events import SNAPSHOTS_MAX, EventStream, StreamLimits, Streams, _Packed
from infrastructure.local.stack import Stack
from shared.domain.errors import StoreUnavailable
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.ledger import Actor
from shared.domain.snapshot import WATCHED_MAX, Snapshot
from shared.ports.store import Store
from tests.api.conftest import Api
from tests.support.builders import ADA, BEN, COSTS, a_caller, a_creation_id, an_account
from tests.support.eventually import eventually
from tests.support.world import World

EVENTS = "/api/generate/events"
SHUTDOWN_S_MAX = 8
"""After this time, uvicorn closes its connections."""
KEPT_BYTES_MAX = 10_000
NewApi = Callable[..., Api]


class Reader:
    """A client of one stream."""

    def __init__(self, answer: httpx.Response) -> None:
        assert answer.status_code == 200, answer.read()
        self.answer = answer
        self._lines = answer.iter_lines()

    def next(self) -> tuple[str, Any]:
        """Return the next event's name and data; a comment's name is its text."""
        name = next(line for line in self._lines if line)
        if name.startswith(":"):
            return name, None
        data = next(self._lines)
        return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))

    def begin(self) -> None:
        """Read up to the snapshot, which heartbeats may precede on a busy machine."""
        while self.next()[0] != "snapshot":
            pass

    def rest(self) -> list[tuple[str, Any]]:
        """Return every event up to the stream's end, without comments."""
        events = [self.next()]
        while events[-1][0] != "end":
            events.append(self.next())
        assert list(self._lines) == [""]
        return [(name, data) for name, data in events if data is not None]


@contextmanager
def reading(client: httpx.Client) -> Iterator[Reader]:
    with client.stream("GET", EVENTS) as answer:
        yield Reader(answer)


def limited(new_api: NewApi, **limits: float) -> Api:
    return new_api({"stream_limits": StreamLimits(**limits)})  # type: ignore[arg-type]  # one is a count


def test_stream_starts_with_a_snapshot_as_its_owner_sees_it(api: Api) -> None:
    draft, published = api.world.draft(), api.world.published()
    client = api.client(ADA)

    with reading(client) as reader:
        name, data = reader.next()

    assert name == "snapshot"
    assert data["account"] == client.get("/api/me").json()
    assert data["gone"] == []
    shown = {creation["creationId"]: creation for creation in data["creations"]}
    assert list(shown) == sorted(shown, reverse=True)  # created at the same time: sorted by id
    assert shown == {
        each.creation_id: client.get(f"/api/generate/creation/{each.creation_id}").json()[
            "creation"
        ]
        for each in (draft, published)
    }
    assert reader.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reader.answer.headers["cache-control"] == "no-store"


def test_each_change_is_sent_without_unchanged_documents(api: Api) -> None:
    client = api.client(ADA)
    with reading(client) as reader:
        assert reader.next()[1]["creations"] == []

        creation = api.world.open(kind=Kind.VIDEO).creation
        opened = reader.next()[1]
        assert opened["account"]["tokenBalance"] == 90
        assert [each["status"] for each in opened["creations"]] == ["pending"]

        api.world.claim(creation)
        claimed = reader.next()[1]
        assert claimed["account"] is None
        assert [each["stage"] for each in claimed["creations"]] == ["generating"]


def test_deleted_creation_is_listed_as_gone(api: Api) -> None:
    draft, client = api.world.draft(), api.client(ADA)
    with reading(client) as reader:
        reader.next()
        client.delete(f"/api/generate/creation/{draft.creation_id}")

        assert reader.next() == (
            "change",
            {"account": None, "creations": [], "gone": [draft.creation_id]},
        )


def test_changes_of_other_users_are_not_sent(new_api: NewApi) -> None:
    api = limited(new_api, life_s=0.5)
    with reading(api.client(BEN)) as bens:
        bens.next()
        api.world.draft()

        assert bens.rest() == [("end", {"reason": "time"})]


def test_stream_without_a_token_is_401(api: Api) -> None:
    assert api.client().get(EVENTS).status_code == 401
    assert api.client().get(f"{EVENTS}?token={api.world.identity.sign_in(ADA)}").status_code == 401


def test_quiet_stream_sends_heartbeats(new_api: NewApi) -> None:
    api = limited(new_api, heartbeat_s=0.02)
    with reading(api.client(ADA)) as reader:
        reader.begin()

        assert [reader.next()[0] for _ in range(3)] == [": heartbeat"] * 3


def test_stream_ends_some_time_after_the_last_creation_settled(new_api: NewApi) -> None:
    api = limited(new_api, settled_s=0.3, heartbeat_s=0.1)
    claimed = api.world.claim(api.world.open().creation)
    with reading(api.client(ADA)) as reader:
        reader.begin()
        assert [reader.next()[0] for _ in range(5)] == [": heartbeat"] * 5
        began_s = time.monotonic()
        api.world.phoenix.failing.fail_attempt(claimed, FailureCode.INTERNAL, start_failed=False)

        events = reader.rest()

    assert [name for name, _ in events] == ["change", "end"]
    assert events[-1][1] == {"reason": "settled"}
    assert time.monotonic() - began_s >= 0.3


def test_streams_of_one_user_share_a_watch(api: Api) -> None:
    class Counting:
        begun = 0

        def watch(self, *watched: Any) -> Any:
            self.begun += 1
            return api.world.sqlite.watch(*watched)

        def __getattr__(self, name: str) -> Any:
            return getattr(api.world.sqlite, name)

    counting = Counting()
    api.world.store.store = counting
    client = api.client(ADA)
    with reading(client) as first, reading(client) as second:
        snapshots = first.next(), second.next()
        api.world.open()

        assert first.next() == second.next()
    assert snapshots[0] == snapshots[1]
    assert counting.begun == 1
    assert eventually(lambda: not api.world.sqlite._watches._watches)


def test_too_many_streams_are_503_until_one_ends(new_api: NewApi) -> None:
    api = limited(new_api, streams_max=2)
    client = api.client(ADA)
    with reading(client), reading(api.client(BEN)):
        refused = client.get(EVENTS)

    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
    assert int(refused.headers["retry-after"]) > 0

    def opens_again() -> bool:
        with client.stream("GET", EVENTS) as answer:
            return answer.status_code == 200

    eventually(opens_again)


# Stalled readers


def streams_of(world: World, **limits: float) -> Streams:
    links: Any = None
    return Streams(world.sqlite, COSTS, lambda: links, StreamLimits(**limits))  # type: ignore[arg-type]  # one is a count


def latest_of(streams: Streams) -> Snapshot | None:
    latest = streams._watches[ADA].latest
    return latest.unpacked() if latest else None


async def never() -> Message:
    await anyio.sleep_forever()
    raise AssertionError


def test_slow_reader_skips_intermediate_states(world: World) -> None:
    world.phoenix.accounts.of(a_caller())
    streams, sent = streams_of(world), list[str]()

    def grant_ten() -> None:
        for number in range(10):
            world.phoenix.accounts.grant(ADA, 1, reference=str(number), actor=Actor.OPERATOR)
        eventually(lambda: latest_of(streams) == Snapshot(world.account(), {}))

    async def send(message: Message) -> None:
        sent.append(message.get("body", b"").decode())
        if "snapshot" in sent[-1]:
            await to_thread.run_sync(grant_ten)
        if "change" in sent[-1]:
            streams.stop()

    anyio.run(EventStream(streams, ADA), {"type": "http"}, never, send)

    assert [text.split("\n")[0] for text in sent if text] == [
        "event: snapshot",
        "event: change",
        "event: end",
    ]
    assert '"tokenBalance":110' in sent[2]


def test_change_overtakes_snapshots_that_wait_to_be_built(world: World) -> None:
    """Many readers that connect at once must not delay the changes of others."""
    streams, is_sent = streams_of(world), threading.Event()
    earlier, latest = _Packed(Snapshot(an_account())), _Packed(Snapshot(an_account(tokens=7)))

    async def build_slowly() -> None:
        await to_thread.run_sync(is_sent.wait, 10, limiter=streams._snapshots)

    async def change() -> bytes:
        async with anyio.create_task_group() as group:
            for _ in range(SNAPSHOTS_MAX):
                group.start_soon(build_slowly)
            await anyio.wait_all_tasks_blocked()
            assert streams._snapshots.available_tokens == 0
            with anyio.fail_after(5):
                event = await streams.event(earlier, latest)
            is_sent.set()
        return event

    assert b'"tokenBalance":7' in anyio.run(change)


def test_kept_snapshot_is_small(world: World) -> None:
    """As objects, fifty creations take 130 KB."""
    draft, ids = world.draft(), [a_creation_id(str(number)) for number in range(WATCHED_MAX)]
    creations = {id_: replace(draft, creation_id=id_, prompt=f"a fox {id_}") for id_ in ids}
    snapshot = Snapshot(world.account(), creations)

    packed = _Packed(snapshot)

    assert packed.unpacked() == snapshot
    assert len(packed._bytes) < KEPT_BYTES_MAX


def test_stalled_reader_is_disconnected(world: World) -> None:
    streams = streams_of(world, life_s=0.1, write_s=0.1)

    async def send(_: Message) -> None:
        await anyio.sleep_forever()

    anyio.run(EventStream(streams, ADA), {"type": "http"}, never, send)

    assert (streams._count, streams._watches) == (0, {})


def test_disconnected_reader_frees_its_stream_at_once(world: World) -> None:
    streams = streams_of(world)

    async def leave() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        pass

    anyio.run(EventStream(streams, ADA), {"type": "http"}, leave, send)

    assert (streams._count, streams._watches) == (0, {})


def test_streams_end_when_their_watch_cannot_start(
    world: World,
) -> None:
    """A second reader connects while the watch of the first one is starting."""
    is_starting, is_joined = threading.Event(), threading.Event()

    @contextmanager
    def out_of_reach(*_: object) -> Iterator[None]:
        is_starting.set()
        assert is_joined.wait(10)
        raise StoreUnavailable(reason="a test")
        yield

    streams = streams_of(world)
    streams._store = cast("Store", SimpleNamespace(watch=out_of_reach))
    sent: list[bytes] = []

    async def send(message: Message) -> None:
        sent.append(message.get("body", b""))

    async def first() -> None:
        with pytest.raises(StoreUnavailable):
            await EventStream(streams, ADA)({"type": "http"}, never, send)

    async def second() -> None:
        await to_thread.run_sync(is_starting.wait, 10)
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(EventStream(streams, ADA), {"type": "http"}, never, send)
                await anyio.lowlevel.checkpoint()
                is_joined.set()

    async def both() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(first)
            group.start_soon(second)

    anyio.run(both)

    assert b"event: end" in b"".join(sent)
    assert (streams._count, streams._watches) == (0, {})


def test_sixth_stream_of_a_user_is_429_while_others_are_served(api: Api) -> None:
    ada, ben = api.client(ADA), api.client(BEN)
    with ExitStack() as streams:
        readers = [streams.enter_context(reading(client)) for client in (*[ada] * 5, ben)]
        for reader in readers:  # keep a reference: a collected reader closes its stream
            reader.begin()
        refused = ada.get(EVENTS)

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_own_streams")
    assert int(refused.headers["Retry-After"]) > 0
    assert eventually(lambda: is_accepted(ada))  # the server has noticed the ended ones
    with reading(ada) as reader:
        reader.begin()


def is_accepted(client: httpx.Client) -> bool:
    with client.stream("GET", EVENTS) as answer:
        return answer.status_code == HTTPStatus.OK


@pytest.mark.slow
def test_terminated_server_ends_its_streams_first(tmp_path: Path) -> None:
    stack = Stack({**os.environ, "PHOENIX_DATA": str(tmp_path)})
    with stack, httpx.Client(base_url=stack.base_url, timeout=20) as client:
        token = client.post("/api/local/sign-in", json={"username": "ada"}).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        with reading(client) as reader:
            reader.next()
            began_s = time.monotonic()
            stack._api.terminate()

            assert reader.rest() == [("end", {"reason": "shutdown"})]
            assert time.monotonic() - began_s < SHUTDOWN_S_MAX

    assert "ERROR" not in (tmp_path / "logs/api.log").read_text()
