"""Simulated clients: retries, racing replays, double clicks, requests of other users.

Each request runs in a process of its own, so that the API can crash during it; the client then gets
no response and retries. Each response is checked against the store at once (I8, I9, I10).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from shared.domain.brief import creation_id_for
from shared.domain.creation import Creation
from shared.domain.errors import (
    AlreadyStarted,
    CreationGone,
    CreationNotFound,
    IllegalTransition,
    InsufficientTokens,
    MediaUnavailable,
    NotQueued,
    Paused,
    QueueFull,
    RequestError,
    SpendingLimit,
    StorageFull,
    TooManyFree,
    TooManyOpened,
    TooManyUnfinished,
    Unavailable,
)
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId, UserId
from shared.domain.kind import Kind
from shared.domain.ledger import debit_id, refund_id
from shared.domain.status import Status
from shared.lifecycle.opening import Opened
from shared.wiring import Phoenix
from tests.simulation import retention, sharing
from tests.simulation.cloud import process
from tests.simulation.inspector import Inspector
from tests.simulation.likes import expect_fans
from tests.simulation.scheduler import Crashed, Process, Simulation
from tests.simulation.store import SimulatedStore
from tests.simulation.welcomes import Welcomes
from tests.support.builders import a_brief

REFUSED = (
    InsufficientTokens
    | TooManyUnfinished
    | TooManyOpened
    | TooManyFree
    | Paused
    | QueueFull
    | SpendingLimit
    | StorageFull
)
"""Responses after which nothing is written."""
BRAKES = TooManyFree | Paused | QueueFull | SpendingLimit | StorageFull | MediaUnavailable
"""Responses after which nothing is debited."""
FREE_MORE_THAN_ALLOWED = 2
PROMPT = "a fox in the snow"
TRIES_MAX = 4
POLLS_MAX = 8
SENDS_AGAIN, SENDS_AGAIN_WITHIN_S = 0.2, 1200.0
"""How often, and how much later, the same request is repeated; its run may have failed."""
SECONDS_OF_WATCHING = 120
NO_RESPONSE = "no response"
LIKELIHOODS: Mapping[Status, Mapping[str, float]] = {
    Status.PENDING: {"cancel": 0.08},
    Status.PROCESSING: {"cancel": 0.08},
    Status.FAILED: {"retry": 0.6, "delete": 0.15, "share": 0.1, **retention.FAILED_VERBS},
    Status.DRAFT: {"publish": 0.5, "delete": 0.15, "share": 0.3, **retention.DRAFT_VERBS},
    Status.PUBLISHED: {
        "unpublish": 0.4,
        "delete": 0.15,
        "share": 0.15,
        **retention.PUBLISHED_VERBS,
    },
}
"""Probability of each owner action on a creation in this state."""


@dataclass
class Clients:
    """All users of one history. `skipped` operations are left out when a history is shrunk."""

    simulation: Simulation
    phoenix: Phoenix
    store: SimulatedStore
    inspector: Inspector
    welcomes: Welcomes
    skipped: frozenset[str] = frozenset()
    operations: list[str] = field(default_factory=list)
    _clicks: Counter[CreationId] = field(default_factory=Counter)
    """Number of retry requests."""
    _sent: Counter[tuple[str, CreationId]] = field(default_factory=Counter)

    # Requests

    def call_with_retry(
        self, name: str, request: Callable[[], Any], *, tries_max: int = TRIES_MAX
    ) -> Any:
        """Send a request until there is a response; return its result or its error."""
        answer: Any = NO_RESPONSE
        for attempt in range(tries_max):
            answer = self._once(f"api {name} {attempt}", request)
            is_final = not isinstance(answer, Unavailable) or isinstance(answer, NotQueued)
            if answer is not NO_RESPONSE and is_final:
                break
            self.simulation.sleep(2.0 * 3**attempt)
        return answer

    def _once(self, name: str, request: Callable[[], Any]) -> Any:
        actor = self.simulation.actor
        client = actor.process
        actor.process = process(self.simulation, name)
        try:
            answer = request()
            return NO_RESPONSE if self.simulation.fate(name, "api") == "lost" else answer
        except RequestError as error:
            if isinstance(error, BRAKES):
                is_free = not self.inspector.debits_by[name]
                self.inspector.must(is_free, "I18", f"{name} got {error!r} and was debited")
            return NO_RESPONSE if self.simulation.fate(name, "api") == "lost" else error
        except Crashed:
            return NO_RESPONSE
        except Exception as error:
            self.inspector.report("I10", f"{name} was answered 500: {error!r}")
            return error
        finally:
            actor.process = client

    def acts(self, operation: str, likelihood: float) -> bool:
        """Return whether the client performs this operation."""
        if self.simulation.chance(operation, "acts") >= likelihood:
            return False
        self.operations.append(operation)
        return operation not in self.skipped

    # Journeys

    def journey(self, user: UserId, number: int) -> None:
        """Open a creation, then act on it as owners, other users and operators do."""
        name = f"{user}.{number}"
        key = f"key {number}"
        creation_id = creation_id_for(user, key)
        kind = Kind.VIDEO if self.simulation.chance(name, "kind") < 0.6 else Kind.IMAGE
        if self.acts(f"{name}.race", 0.3):
            self._spawn(f"{name}.race", lambda: self.open(f"{name}.race", user, key, kind))
        self.open(name, user, key, kind)
        if self.acts(f"{name}.hand", 0.25):
            self._spawn(
                f"{name}.hand", lambda: self._poll_and_act(f"{name}.hand", user, creation_id)
            )
        if self.acts(f"{name}.stranger", 0.2):
            stranger = UserId(f"not {user}")
            self._spawn(
                f"{name}.stranger", lambda: self._poll_and_act(f"{name}.x", stranger, creation_id)
            )
        if self.acts(f"{name}.operator", 0.3):
            self._spawn(f"{name}.operator", lambda: self._rerun(creation_id, kind))
        expect_fans(self, name, user, creation_id)
        self._poll_and_act(name, user, creation_id)
        if self.store.creation(creation_id) is None and self.acts(f"{name}.late replay", 0.7):
            self.open(f"{name}.late", user, key, kind)

    def _spawn(self, name: str, run: Callable[[], None]) -> None:
        delay_s = self.simulation.chance(name, "delay") * 3
        self.simulation.spawn(
            name, run, process=Process(name), at_s=self.simulation.now_s + delay_s
        )

    def pauses(self) -> None:
        """Pause and resume both kinds, as an operator does."""
        operating, name = self.phoenix.operating, self.simulation.actor.name
        for is_paused in (True, False):
            for kind in Kind:
                switch = partial(operating.switch, kind, is_paused=is_paused)
                self.call_with_retry(f"{name}.{kind}.{is_paused}", switch)
            self.simulation.sleep(60 + 600 * self.simulation.chance(name, "sleep"))

    def opens_and_keeps_one(self, user: UserId) -> None:
        """Open and cancel more images than an hour allows, then cancel one more."""
        limit = self.phoenix.settings.policy.free_outcomes_per_hour_max
        self.open(f"{user}.kept", user, f"{user}.kept", Kind.IMAGE)
        self.opens_and_cancels(user, kind=Kind.IMAGE, count=limit + FREE_MORE_THAN_ALLOWED)
        self._cancel_if_there(f"{user}.kept", user)

    def opens_and_cancels(self, user: UserId, *, kind: Kind, count: int) -> None:
        for number in range(count):
            name = f"{user}.{number}"
            self.open(name, user, name, kind)
            self._cancel_if_there(name, user)

    def opens_cancels_and_retries(self, user: UserId, key: str, kind: Kind) -> None:
        """Open and cancel in one tab; retry in another as soon as it shows the failure."""
        creation_id = creation_id_for(user, key)
        self._spawn(f"{user}.retry", lambda: self._retry_at_once(f"{user}.retry", creation_id))
        self.open(user, user, key, kind)
        self._cancel_if_there(key, user)

    def _retry_at_once(self, name: str, creation_id: CreationId) -> None:
        for _ in range(SECONDS_OF_WATCHING):
            self.simulation.sleep(1)
            known = self.store.creation(creation_id)
            if known is not None and known.status is Status.FAILED:
                self._retry(name, known)
                return

    def _cancel_if_there(self, name: str, user: UserId) -> None:
        known = self.store.creation(creation_id_for(user, name))
        if known is not None:
            self._cancel(f"{name}.cancel", known)

    def slow_queue(self, pace_per_s: float) -> None:
        """Dispatch one task after the other, at this rate."""
        queue: Any = self.phoenix.ports.queue
        queue.pace_per_s = pace_per_s

    def opens_at(
        self, at_s: float, name: str, user: UserId, kind: Kind, *, prompt: str = PROMPT
    ) -> None:
        """Let a user open a creation then; its name is its key."""
        run = partial(self.open, name, user, name, kind, prompt=prompt)
        self.simulation.spawn(name, run, process=Process(name), at_s=at_s)

    def open(self, name: str, user: UserId, key: str, kind: Kind, *, prompt: str = PROMPT) -> None:
        """Open, or replay."""
        creation_id = creation_id_for(user, key)
        entry_id = debit_id(creation_id, 1)
        was_debited = False
        was_gone = False

        def request() -> Opened:
            nonlocal was_debited, was_gone
            was_debited = self.store.has_entry(entry_id)
            was_gone = was_debited and self.store.creation(creation_id) is None
            return self.phoenix.opening.open(
                a_brief(kind, prompt), caller=self.welcomes.caller(user), idempotency_key=key
            )

        answer = self.call_with_retry(name, request)
        must = self.inspector.must
        if isinstance(answer, TooManyFree):
            limit = self.phoenix.settings.policy.free_outcomes_per_hour_max
            ended = self.inspector.free_outcomes(user)
            must(ended >= limit, "I18", f"{name} is refused after {ended} free outcomes")
        if isinstance(answer, Opened):
            must(answer.creation.creation_id == creation_id, "I9", f"{name} got another id")
            must(self.store.has_entry(entry_id), "I10", f"{name} got 202 without a debit")
            must(not was_gone, "I9", f"{name} opened a deleted one again")
        elif isinstance(answer, NotQueued):
            must(self.store.has_entry(refund_id(creation_id, 1)), "I10", f"{name} is not refunded")
        elif isinstance(answer, REFUSED):
            self.simulation.marks[f"refused_{answer.code}"] += 1
            must(not was_debited, "I10", f"{name} got {answer!r} for a replay")
        elif isinstance(answer, CreationGone):
            self.simulation.marks["replay_after_delete"] += 1
            is_gone = self.store.has_entry(entry_id) and self.store.creation(creation_id) is None
            must(is_gone, "I9", f"{name} got 410 for a creation that was not deleted")
        elif was_gone and isinstance(answer, RequestError):
            must(isinstance(answer, Unavailable), "I9", f"{name} got {answer!r}, not 410")

    def _poll_and_act(self, name: str, user: UserId, creation_id: CreationId) -> None:
        """Poll a creation and act on it as its state allows."""
        for poll in range(POLLS_MAX):
            each = f"{name}.{poll}"
            self.simulation.sleep(5 + 235 * self.simulation.chance(each, "sleep"))
            known = self.store.creation(creation_id)
            if known is None:
                continue
            if known.user_id != user:
                self._stranger(each, user, creation_id)
                return
            self._act(each, known)

    def _act(self, name: str, known: Creation) -> None:
        verbs: dict[str, Callable[[str, Creation], None]] = {
            "cancel": self._cancel,
            "retry": self._retry,
            "publish": self._publish,
            "unpublish": self._unpublish,
            "delete": self._delete,
            "share": partial(sharing.share, self),
            **retention.verbs(self),
        }
        for verb, likelihood in LIKELIHOODS[known.status].items():
            if self.acts(f"{name}.{verb}", likelihood):
                verbs[verb](name, known)
                return

    def _rerun(self, creation_id: CreationId, kind: Kind) -> None:
        """Start a job execution by hand, in any state."""
        name = self.simulation.actor.name
        self.simulation.sleep(600 * self.simulation.chance(name, "sleep"))
        self.phoenix.ports.executions.run(creation_id, kind=kind)

    # Owner actions

    def _retry(self, name: str, known: Creation) -> None:
        """Click once; repeat only a request that names the run it follows."""
        run_number = (
            known.run_number if self.simulation.chance(name, "tells debits") < 0.7 else None
        )
        self._clicks[known.creation_id] += 1

        def request() -> Opened:
            return self.phoenix.opening.retry(
                known.creation_id, owner=known.user_id, run_number=run_number
            )

        answer = self.call_with_retry(name, request, tries_max=TRIES_MAX if run_number else 1)
        if run_number and self.simulation.chance(name, "sends again") < SENDS_AGAIN:
            self.simulation.sleep(SENDS_AGAIN_WITHIN_S * self.simulation.chance(name, "again"))
            self.call_with_retry(f"{name}.again", request)
        current = self.store.creation(known.creation_id)
        clicks = self._clicks[known.creation_id]
        allowed = clicks + 1 + self.inspector.operators.replays[known.creation_id]
        is_once = current is None or current.run_number <= allowed
        self.inspector.must(is_once, "I9", f"{name}: {clicks} clicks caused more debits")
        if isinstance(answer, Opened):
            self.simulation.marks["retried"] += 1
            entry_id = debit_id(known.creation_id, known.run_number + 1)
            self.inspector.must(
                self.store.has_entry(entry_id), "I10", f"{name} got 202 without a debit"
            )
        elif isinstance(answer, NotQueued):
            entry_id = refund_id(known.creation_id, known.run_number + 1)
            self.inspector.must(self.store.has_entry(entry_id), "I10", f"{name} is not refunded")

    def _send(self, verb: str, use_case: Callable[..., Any], known: Creation) -> Any:
        """Call the use case and count the request."""
        self._sent[verb, known.creation_id] += 1
        return use_case(known.creation_id, owner=known.user_id)

    def _cancel(self, name: str, known: Creation) -> None:
        answer = self.call_with_retry(
            name, lambda: self._send("cancel", self.phoenix.failing.cancel, known)
        )
        if isinstance(answer, RequestError):
            of_state = AlreadyStarted | IllegalTransition | CreationNotFound | Unavailable
            is_of_state = isinstance(answer, of_state)
            self.inspector.must(is_of_state, "I18", f"{name}: cancelling got {answer!r}")
        if isinstance(answer, IllegalTransition) and self._sent["cancel", known.creation_id] == 1:
            current = self.store.creation(known.creation_id)
            is_ours = current and current.error and current.error.code is FailureCode.CANCELLED
            self.inspector.must(not is_ours, "I10", f"{name} got 409 for its own effect")
        if isinstance(answer, AlreadyStarted):
            self.simulation.marks["already_started"] += 1
        if isinstance(answer, Creation):
            self.simulation.marks["cancelled"] += 1
            is_refunded = self.store.has_entry(refund_id(known.creation_id, known.run_number))
            self.inspector.must(is_refunded, "I10", f"{name} got 200 without a refund")

    def _delete(self, name: str, known: Creation) -> None:
        answer = self.call_with_retry(
            name, lambda: self._send("delete", self.phoenix.media_cleanup.delete_creation, known)
        )
        if isinstance(answer, CreationNotFound):
            is_first = self._sent["delete", known.creation_id] == 1
            has_expired = known.creation_id in self.inspector.retention.expired
            self.inspector.must(
                not is_first or has_expired, "I10", f"{name} got 404 for its own effect"
            )
        if answer is None:
            self.simulation.marks["deleted"] += 1
            is_gone = self.store.creation(known.creation_id) is None
            self.inspector.must(is_gone, "I10", f"{name} got 204 but the creation exists")

    def _publish(self, name: str, known: Creation) -> None:
        answer = self.call_with_retry(
            name, lambda: self.phoenix.publishing.publish(known.creation_id, owner=known.user_id)
        )
        if isinstance(answer, Creation):
            self.simulation.marks["published"] += 1
            is_true = known.creation_id in self.inspector.was_published
            self.inspector.must(is_true, "I10", f"{name} got 200 but was never published")

    def _unpublish(self, name: str, known: Creation) -> None:
        answer = self.call_with_retry(
            name, lambda: self.phoenix.publishing.unpublish(known.creation_id, owner=known.user_id)
        )
        if isinstance(answer, Creation):
            self.simulation.marks["unpublished"] += 1
            is_true = answer.status is Status.DRAFT
            self.inspector.must(is_true, "I10", f"{name} got 200 with {answer.status}")

    def _stranger(self, name: str, stranger: UserId, creation_id: CreationId) -> None:
        """Try every use case on another user's creation: each must return not found."""
        phoenix, publishing = self.phoenix, self.phoenix.publishing
        use_cases: list[Callable[..., Any]] = [
            phoenix.reading.own_creation,
            phoenix.reading.own_shown,
            phoenix.opening.retry,
            phoenix.failing.cancel,
            phoenix.media_cleanup.delete_creation,
            publishing.publish,
            publishing.unpublish,
            *sharing.owner_actions(self),
            *retention.strangers_calls(self),
        ]
        for use_case in use_cases:
            answer = self.call_with_retry(name, partial(use_case, creation_id, owner=stranger))
            is_blind = isinstance(answer, CreationNotFound | Unavailable) or answer is NO_RESPONSE
            self.inspector.must(is_blind, "I8", f"{name} got {answer!r}")
