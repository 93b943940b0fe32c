"""Live changes as server-sent events; all streams of one user share a watch of the store.

A stream sends a snapshot, and then the difference between the latest snapshot and the one it sent
last. Nothing is queued for a slow reader, who skips intermediate states. Streams run on the event
loop; store calls and the building of views run in threads.
"""

import asyncio
import pickle
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Literal

import anyio
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api_service.errors import TooManyOwnStreams, TooManyStreams, problem_response
from api_service.links import Links
from api_service.responses import AccountView, CreationView, View
from api_service.threads import THREADS
from shared.domain.account import InFlight
from shared.domain.keys import UserId
from shared.domain.policy import Costs
from shared.domain.snapshot import Changes, Snapshot
from shared.ports.store import Store

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = ": heartbeat\n\n"
SNAPSHOTS_MAX = 2
"""Snapshots that are built at a time: the others wait, and neither changes nor requests do."""

EndReason = Literal["settled", "time", "shutdown"]


class ChangesView(View):
    """The data of an event. `account` is null if unchanged.

    `gone`: ids of creations that were deleted, or are no longer among the newest 50.
    """

    account: AccountView | None
    creations: list[CreationView]
    gone: list[str]


@dataclass(frozen=True, kw_only=True)
class StreamLimits:
    """The number of streams in a process, and the life of one in seconds."""

    streams_max: int = 1_000
    streams_of_user_max: int = 5
    heartbeat_s: float = 15
    life_s: float = 300
    settled_s: float = 60  # life after the user's last unfinished creation has settled
    write_s: float = 15  # extra time before a stalled reader is disconnected


class _Packed:
    """A snapshot that is kept: 50 creations are 130 KB as objects, and 5 KB in this form."""

    def __init__(self, snapshot: Snapshot) -> None:
        in_flight = snapshot.account.in_flight if snapshot.account else InFlight()
        self.has_unfinished = in_flight.image + in_flight.video > 0
        self._bytes = zlib.compress(pickle.dumps(snapshot), level=1)

    def unpacked(self) -> Snapshot:
        snapshot: Snapshot = pickle.loads(zlib.decompress(self._bytes))  # noqa: S301 (our own)
        return snapshot


class _UserWatch:
    """The watch of one user's documents, and the latest snapshot."""

    def __init__(self) -> None:
        self.latest: _Packed | None = None
        self.changed = asyncio.Event()  # set, and replaced by a new one, at each change
        self.stream_count = 0
        self.has_failed = False
        """The watch could not start: its streams end, so that their clients reconnect."""
        self._context: AbstractContextManager[object] | None = None

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def update(self, latest: _Packed) -> None:
        self.latest = latest
        self.wake()

    async def start(self, store: Store, user_id: UserId) -> None:
        loop = asyncio.get_running_loop()

        def update(snapshot: Snapshot) -> None:
            loop.call_soon_threadsafe(self.update, _Packed(snapshot))

        context = store.watch(user_id, update)
        try:
            with anyio.CancelScope(shield=True):  # else a watch could start and never end
                await THREADS.run(context.__enter__)
        except Exception:
            self.has_failed = True
            self.wake()
            raise
        self._context = context

    async def stop(self) -> None:
        if self._context is not None:
            with anyio.CancelScope(shield=True):
                await THREADS.run(partial(self._context.__exit__, None, None, None))


class Streams:
    """Every stream of one process."""

    def __init__(
        self, store: Store, costs: Costs, new_links: Callable[[], Links], limits: StreamLimits
    ) -> None:
        self.limits = limits
        self.is_stopping = False
        self._store = store
        self._costs = costs
        self._new_links = new_links
        self._count = 0
        self._snapshots = anyio.CapacityLimiter(SNAPSHOTS_MAX)
        self._watches: dict[UserId, _UserWatch] = {}

    def stop(self) -> None:
        """End every stream before the process exits."""
        self.is_stopping = True
        for watch in self._watches.values():
            watch.wake()

    @asynccontextmanager
    async def open(self, user_id: UserId) -> AsyncIterator[_UserWatch]:
        """Occupy a stream, and share the watch of its user; raise `TooManyStreams`."""
        if self._count >= self.limits.streams_max:
            raise TooManyStreams(limit=self.limits.streams_max)
        watch = self._watches.get(user_id) or _UserWatch()
        if watch.stream_count >= self.limits.streams_of_user_max:
            raise TooManyOwnStreams(limit=self.limits.streams_of_user_max)
        self._count += 1
        watch.stream_count += 1
        self._watches[user_id] = watch
        try:
            if watch.stream_count == 1:
                await watch.start(self._store, user_id)
            yield watch
        finally:
            self._count -= 1
            watch.stream_count -= 1
            is_unused = watch.stream_count == 0
            if (is_unused or watch.has_failed) and self._watches.get(user_id) is watch:
                del self._watches[user_id]
            if is_unused:
                await watch.stop()

    async def event(self, sent: _Packed | None, latest: _Packed) -> bytes:
        """Return the event that leads from one snapshot, or from none, to another."""
        async with nullcontext() if sent else self._snapshots:
            with anyio.CancelScope(shield=True):  # else more would be built at a time
                event = await THREADS.run(partial(self._event, sent, latest))
        return event

    def _event(self, sent: _Packed | None, latest: _Packed) -> bytes:
        name, known = ("change", sent.unpacked()) if sent else ("snapshot", Snapshot())
        data = self._view(latest.unpacked().since(known)).model_dump_json(by_alias=True)
        return f"event: {name}\ndata: {data}\n\n".encode()

    def _view(self, changes: Changes) -> ChangesView:
        """Return the view of changes, newest creations first."""
        links = self._new_links()
        creations = sorted(changes.creations, key=lambda each: (each.created_at, each.creation_id))
        return ChangesView(
            account=AccountView.of(changes.account, self._costs) if changes.account else None,
            creations=[CreationView.of(creation, links) for creation in reversed(creations)],
            gone=sorted(changes.gone),
        )


class EventStream(StreamingResponse):
    media_type = MEDIA_TYPE

    def __init__(self, streams: Streams, user_id: UserId) -> None:
        super().__init__((), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._streams = streams
        self._limits = streams.limits
        self._user_id = user_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client disconnects or the stream ends; respond 503 or 429 to too many."""
        try:
            async with self._streams.open(self._user_id) as watch:
                self.body_iterator = self._events(watch)
                with anyio.move_on_after(self._limits.life_s + self._limits.write_s):
                    await super().__call__(scope, receive, send)
        except TooManyStreams as error:
            await problem_response(error)(scope, receive, send)

    async def stream_response(self, send: Send) -> None:
        """Send as the base class does, but without keeping the last event, which may be 50 KB."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        async for event in self.body_iterator:
            await send({"type": "http.response.body", "body": event, "more_body": True})
            del event
        await send({"type": "http.response.body", "body": b""})

    async def _events(self, watch: _UserWatch) -> AsyncIterator[bytes]:
        """Yield the snapshot, each change, heartbeats, and the reason for the end."""
        start_s = busy_s = time.monotonic()
        sent: _Packed | None = None
        while True:
            now_s = time.monotonic()
            if sent is None or sent.has_unfinished:
                busy_s = now_s
            changed, latest = watch.changed, watch.latest
            if latest is not None and latest is not sent:
                yield await self._streams.event(sent, latest)
                sent = latest
            end_s, reason = self._end(start_s, busy_s, sent)
            if watch.has_failed or now_s >= end_s:
                yield f'event: end\ndata: {{"reason":"{reason}"}}\n\n'.encode()
                return
            with anyio.move_on_after(min(self._limits.heartbeat_s, end_s - now_s)) as wait:
                await changed.wait()
            if wait.cancelled_caught:
                yield HEARTBEAT.encode()

    def _end(self, start_s: float, busy_s: float, sent: _Packed | None) -> tuple[float, EndReason]:
        """Return when the stream ends, and why."""
        if self._streams.is_stopping:
            return start_s, "shutdown"
        end_s, settled_s = start_s + self._limits.life_s, busy_s + self._limits.settled_s
        if sent and not sent.has_unfinished and settled_s < end_s:
            return settled_s, "settled"
        return end_s, "time"
