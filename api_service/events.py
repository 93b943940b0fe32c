"""Live changes as server-sent events: one watch for each user and process, shared by its streams.

A stream sends the difference between what it sent last and what is: everything first, then each
change. So nothing is queued for a slow reader, who skips what is over. Streams live on the event
loop; calls of the store and the making of views do not.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import anyio
from anyio.to_thread import run_sync
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api_service.errors import problem
from api_service.links import Links
from api_service.views import AccountView, CreationView, View
from shared.domain.errors import TooManyOwnStreams, TooManyStreams
from shared.domain.keys import UserId
from shared.domain.policy import Costs
from shared.ports.store import Snapshot, Store

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
HEARTBEAT = ": heartbeat\n\n"

EndReason = Literal["settled", "time", "shutdown"]


class ChangesView(View):
    """What is new to a reader of events; `account` is null while it is as before.

    `gone`: deleted, or no longer among the newest that are watched.
    """

    account: AccountView | None
    creations: list[CreationView]
    gone: list[str]


@dataclass(frozen=True, kw_only=True)
class StreamLimits:
    """How many streams a process has, and how long one lasts, in seconds."""

    streams_max: int = 100
    streams_of_user_max: int = 5
    heartbeat_s: float = 15
    life_s: float = 300
    settled_s: float = 60
    """How long a stream goes on when nothing of its user's is unfinished."""
    write_s: float = 15
    """How much longer than its life a stream may last whose reader takes nothing."""


class _Watched:
    """What is known of one user, for as long as somebody reads it."""

    def __init__(self) -> None:
        self.known: Snapshot | None = None
        self.changed = asyncio.Event()
        """Set, and replaced by a fresh one, at each change."""
        self.streams = 0
        self.watch: AbstractContextManager[object] | None = None
        self.has_failed = False
        """The watch could not begin: its streams end, so that their readers try again."""

    def apply(self, snapshot: Snapshot) -> None:
        self.known = snapshot
        self.wake()

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


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
        self._watched: dict[UserId, _Watched] = {}

    def stop(self) -> None:
        """End every stream: the process is about to end."""
        self.is_stopping = True
        for watched in self._watched.values():
            watched.wake()

    @asynccontextmanager
    async def opened(self, user_id: UserId) -> AsyncIterator[_Watched]:
        """Hold one of the process's streams, and what is known of its user.

        Raises:
            TooManyStreams, TooManyOwnStreams
        """
        if self._count >= self.limits.streams_max:
            raise TooManyStreams(limit=self.limits.streams_max)
        watched = self._watched.get(user_id) or _Watched()
        if watched.streams >= self.limits.streams_of_user_max:
            raise TooManyOwnStreams(limit=self.limits.streams_of_user_max)
        self._count += 1
        self._watched[user_id] = watched
        watched.streams += 1
        try:
            if watched.streams == 1:
                await self._begin(watched, user_id)
            yield watched
        finally:
            self._count -= 1
            watched.streams -= 1
            if watched.streams == 0 or watched.has_failed:
                self._forget(watched, user_id)
            if watched.streams == 0:
                await self._end(watched)

    def _forget(self, watched: _Watched, user_id: UserId) -> None:
        if self._watched.get(user_id) is watched:
            del self._watched[user_id]

    async def _begin(self, watched: _Watched, user_id: UserId) -> None:
        loop = asyncio.get_running_loop()

        def changed(snapshot: Snapshot) -> None:
            loop.call_soon_threadsafe(watched.apply, snapshot)

        watch = self._store.watch(user_id, changed)
        try:
            with anyio.CancelScope(shield=True):  # else a watch could begin that nobody ends
                await run_sync(watch.__enter__)
        except Exception:
            watched.has_failed = True
            watched.wake()
            raise
        watched.watch = watch

    async def _end(self, watched: _Watched) -> None:
        if watched.watch is not None:
            with anyio.CancelScope(shield=True):
                await run_sync(watched.watch.__exit__, None, None, None)

    def news(self, shown: Snapshot, known: Snapshot) -> ChangesView:
        """Return what has changed since the snapshot that a reader was shown, newest first."""
        links, changes = self._new_links(), known.since(shown)
        new = sorted(
            changes.creations, key=lambda each: (each.created_at, each.creation_id), reverse=True
        )
        return ChangesView(
            account=AccountView.of(changes.account, self._costs) if changes.account else None,
            creations=[CreationView.of(creation, links) for creation in new],
            gone=sorted(changes.gone),
        )


class EventStream(StreamingResponse):
    """The changes of one user's account and creations, until it is time to end."""

    media_type = MEDIA_TYPE

    def __init__(self, streams: Streams, user_id: UserId) -> None:
        super().__init__((), headers=HEADERS)
        self._streams = streams
        self._user_id = user_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the reader leaves or the stream ends; too many of them are a problem."""
        limits = self._streams.limits
        try:
            async with self._streams.opened(self._user_id) as watched:
                self.body_iterator = self._events(watched)
                with anyio.move_on_after(limits.life_s + limits.write_s):
                    await super().__call__(scope, receive, send)
        except TooManyStreams as error:
            await problem(error)(scope, receive, send)

    async def _events(self, watched: _Watched) -> AsyncIterator[str]:
        """Yield the snapshot, each change, heartbeats, and why it ends."""
        limits = self._streams.limits
        began_s = busy_s = time.monotonic()
        shown: Snapshot | None = None
        while True:
            now_s = time.monotonic()
            if shown is None or _has_unfinished(shown):
                busy_s = now_s
            changed, known = watched.changed, watched.known
            if known is not None and known is not shown:
                news = await run_sync(self._streams.news, shown or Snapshot(), known)
                yield _event("change" if shown else "snapshot", news.model_dump_json(by_alias=True))
                shown = known
            ends: dict[EndReason, float] = {"time": began_s + limits.life_s}
            if shown and not _has_unfinished(shown):
                ends["settled"] = busy_s + limits.settled_s
            reason = min(ends, key=lambda each: ends[each])
            if watched.has_failed or self._streams.is_stopping or now_s >= ends[reason]:
                reason = "shutdown" if self._streams.is_stopping else reason
                yield _event("end", f'{{"reason":"{reason}"}}')
                return
            with anyio.move_on_after(min(limits.heartbeat_s, ends[reason] - now_s)) as waiting:
                await changed.wait()
            if waiting.cancelled_caught:
                yield HEARTBEAT


def _has_unfinished(snapshot: Snapshot) -> bool:
    in_flight = snapshot.account.in_flight if snapshot.account else None
    return in_flight is not None and in_flight.image + in_flight.video > 0


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"
