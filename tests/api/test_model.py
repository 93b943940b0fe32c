"""The API against a small model of it, with requests, jobs, sweeps and time in any order."""

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from httpx import Response
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.domain.creation import Creation, creation_key
from shared.domain.failure import FailureCode
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from tests.api.conftest import Api, Server, running_server
from tests.support.builders import ADA, COSTS, POLICY, stored_media
from tests.support.world import World

TOKENS = 35
KEYS = st.sampled_from(["a", "b", "c", "d", "e", "f", "g"])


@dataclass
class Card:
    """The model's state of a creation."""

    creation_id: CreationId
    kind: Kind
    status: str
    deadline_at: datetime
    debits: int = 1

    @property
    def is_unfinished(self) -> bool:
        return self.status in ("pending", "processing")


class ModelledApi(RuleBasedStateMachine):
    """One owner's requests over HTTP, compared with the model."""

    server: Server

    def __init__(self) -> None:
        super().__init__()
        self.cards: dict[str, Card | None] = {}
        """By key; None after deletion."""
        self.balance = TOKENS
        self.claims: dict[str, Creation] = {}
        self.ends = ExitStack()

    @initialize()
    def begin(self) -> None:
        folder = Path(tempfile.mkdtemp())
        self.ends.callback(shutil.rmtree, folder)
        self.world = World(folder, PHOENIX_WELCOME_TOKENS=str(TOKENS))
        self.ends.callback(self.world.close)
        self.api = Api(self.world, self.server)
        self.ends.callback(self.api.clients.close)
        self.owner = self.api.client(ADA)
        self.scheduler = self.api.service()

    def teardown(self) -> None:
        self.ends.close()

    # The model

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    def card(self, key: str) -> Card | None:
        return self.cards.get(key)

    def refusal(self, kind: Kind) -> int | None:
        """Return the status that refuses another debit, or None."""
        unfinished = [
            card
            for card in self.cards.values()
            if card and card.is_unfinished and card.kind is kind
        ]
        if len(unfinished) >= POLICY.in_flight_max(kind):
            return 429
        return 402 if self.balance < COSTS.of(kind) else None

    def debited(self, card: Card) -> None:
        """Count a debit, whose tokens are refunded if its task could not be created."""
        card.deadline_at = self.now + timedelta(seconds=POLICY.deadline_s)
        card.status = "failed" if self.world.queue.is_down else "pending"
        if card.is_unfinished:
            self.balance -= COSTS.of(card.kind)

    def failed(self, card: Card) -> None:
        card.status = "failed"
        self.balance += COSTS.of(card.kind)

    def request(self, key: str, verb: str) -> Response:
        card = self.card(key)
        creation_id = card.creation_id if card else "a" * 26
        return self.owner.post(f"/api/generate/creation/{creation_id}/{verb}")

    def expect(self, answer: Response, status: int) -> None:
        assert answer.status_code == status, answer.text

    # Actions of owners

    @rule(key=KEYS, kind=st.sampled_from(list(Kind)))
    def open(self, key: str, kind: Kind) -> None:
        answer = self.owner.post(
            "/api/generate/creation",
            json={"type": kind, "prompt": "a fox"},
            headers={"Idempotency-Key": key},
        )
        if key in self.cards:
            self.replayed(answer, self.cards[key], kind)
            return
        refusal = self.refusal(kind)
        if refusal:
            self.expect(answer, refusal)
            return
        self.expect(answer, 503 if self.world.queue.is_down else 202)
        body = answer.json()
        assert body.get("refunded") is (True if self.world.queue.is_down else None)
        card = Card(CreationId(body["creationId"]), kind, "pending", self.now)
        self.cards[key] = card
        self.debited(card)

    def replayed(self, answer: Response, card: Card | None, kind: Kind) -> None:
        if card is None:
            self.expect(answer, 410)
        elif card.kind is not kind:
            self.expect(answer, 422)
        else:
            self.expect(answer, 202)
            assert answer.headers["Idempotency-Replayed"] == "true"
            assert answer.json()["status"] == card.status

    @rule(key=KEYS)
    def publish(self, key: str) -> None:
        self.moves(key, "publish", {"draft", "published"}, "published")

    @rule(key=KEYS)
    def unpublish(self, key: str) -> None:
        self.moves(key, "unpublish", {"draft", "published"}, "draft")

    def moves(self, key: str, verb: str, sources: set[str], target: str) -> None:
        card, answer = self.card(key), self.request(key, verb)
        if card is None:
            self.expect(answer, 404)
        elif card.status not in sources:
            self.expect(answer, 409)
        else:
            self.expect(answer, 200)
            card.status = target

    @rule(key=KEYS)
    def cancel(self, key: str) -> None:
        card, answer = self.card(key), self.request(key, "cancel")
        if card is None:
            self.expect(answer, 404)
        elif not card.is_unfinished:
            self.expect(answer, 409)
        else:
            self.expect(answer, 200)
            self.failed(card)

    @rule(key=KEYS)
    def retry(self, key: str) -> None:
        card, answer = self.card(key), self.request(key, "retry")
        if card is None:
            self.expect(answer, 404)
        elif card.status != "failed":
            self.expect(answer, 409)
        elif refusal := self.refusal(card.kind):
            self.expect(answer, refusal)
        else:
            self.expect(answer, 503 if self.world.queue.is_down else 202)
            card.debits += 1
            self.debited(card)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        card = self.card(key)
        creation_id = card.creation_id if card else "a" * 26
        answer = self.owner.delete(f"/api/generate/creation/{creation_id}")
        if card is None:
            self.expect(answer, 404)
        elif card.is_unfinished:
            self.expect(answer, 409)
        else:
            self.expect(answer, 204)
            self.cards[key] = None

    # Other events

    @rule(key=KEYS, end=st.sampled_from(["draft", "failed", "pending", "processing"]))
    def work(self, key: str, end: str) -> None:
        """Let a job claim a pending creation and end it in some way."""
        card = self.card(key)
        runs_s = POLICY.minimum_run_s(card.kind) if card else 0
        late = timedelta(seconds=runs_s)
        if card is None or card.status != "pending" or self.now + late > card.deadline_at:
            return
        creation = self.world.sqlite.get(creation_key(card.creation_id))
        assert creation is not None
        if creation.retry_at and creation.retry_at > self.now:
            return
        self.claims[key] = self.world.claim(creation, kind=card.kind)
        card.status = "processing"
        if end != "processing":
            self.ends_as(key, card, end)

    @rule(key=KEYS, end=st.sampled_from(["draft", "failed"]))
    def finish(self, key: str, end: str) -> None:
        """Let the job that holds a creation end it late."""
        card = self.card(key)
        if card is not None and card.status == "processing":
            self.ends_as(key, card, end)

    def ends_as(self, key: str, card: Card, end: str) -> None:
        mine = self.claims[key]
        claim = self.world.held(mine)
        if end == "draft":
            self.world.store_files(mine)
            claim.complete(stored_media(mine))
            card.status = "draft"
        elif end == "failed":
            self.world.phoenix.failing.fail_attempt(
                mine, FailureCode.SAFETY_FILTER, start_failed=False
            )
            self.failed(card)
        elif claim.retry_later(retry_after_s=0, start_failed=True):
            card.status = "pending"

    @rule()
    def sweep(self) -> None:
        answer = self.scheduler.post("/internal/cleanup")
        self.expect(answer, 200)
        for card in self.cards.values():
            if card and card.is_unfinished and self.now >= card.deadline_at:
                self.failed(card)

    @rule(seconds=st.sampled_from([30, 130, 400, 900, 4000]))
    def wait(self, seconds: int) -> None:
        self.world.clock.sleep(seconds)
        for client, token in (
            (self.owner, self.world.identity.sign_in(ADA)),
            (self.scheduler, self.world.identity.service_token("test")),
        ):
            client.headers["Authorization"] = f"Bearer {token}"

    @rule()
    def queue_goes_down_or_up(self) -> None:
        self.world.queue.is_down = not self.world.queue.is_down

    # Invariants

    @invariant()
    @precondition(lambda self: hasattr(self, "owner"))
    def the_account_is_as_the_model_says(self) -> None:
        account = self.owner.get("/api/me").json()
        unfinished = [card for card in self.cards.values() if card and card.is_unfinished]

        assert account["tokenBalance"] == self.balance
        assert sum(account["inFlight"].values()) == len(unfinished)

    @invariant()
    @precondition(lambda self: hasattr(self, "owner"))
    def every_card_is_as_the_model_says(self) -> None:
        cards = [card for card in self.cards.values() if card]
        unpublished = self.owner.get("/api/generate/drafts?limit=50").json()["creations"]
        published = self.owner.get("/api/feed?limit=50").json()["creations"]

        assert {each["creationId"]: each["status"] for each in unpublished} == {
            card.creation_id: card.status for card in cards if card.status != "published"
        }
        assert {each["creationId"] for each in published} == {
            card.creation_id for card in cards if card.status == "published"
        }

    @invariant()
    @precondition(lambda self: hasattr(self, "owner"))
    def own_list_and_ledger_are_as_the_model_says(self) -> None:
        statuses = {card.creation_id: card.status for card in self.cards.values() if card}
        own = self.owner.get("/api/me/creations?limit=50").json()["creations"]
        ledger = self.owner.get("/api/me/transactions?limit=50").json()["transactions"]

        assert {each["creationId"]: each["status"] for each in own} == statuses
        assert [each["creation"] and each["creation"]["status"] for each in ledger] == [
            statuses.get(each["creationId"]) for each in ledger
        ]

    @invariant()
    @precondition(lambda self: hasattr(self, "owner"))
    def every_promise_is_kept(self) -> None:
        sweep_is_the_only_one_late = {"I7"}
        broken = [
            each
            for each in self.world.violations()
            if each.invariant not in sweep_is_the_only_one_late
        ]

        assert broken == []


@pytest.mark.slow
def test_api_behaves_like_its_model() -> None:
    with running_server() as server:
        machine = type("Modelled", (ModelledApi,), {"server": server})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=60,
                stateful_step_count=40,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
