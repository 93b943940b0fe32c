"""Response bodies: documents become views, in camelCase, every field always present."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from api_service.links import Links
from shared.domain.account import Account
from shared.domain.brief import AspectRatio
from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.ledger import LedgerEntry
from shared.domain.policy import Costs
from shared.lifecycle.opening import Opened
from shared.ports.media_store import MediaStore


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(_time)]


class View(BaseModel):
    """A response body: camelCase, every field always present."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class FailureView(View):
    """Why a creation failed."""

    code: FailureCode
    message: str
    retryable: bool


class CreationView(View):
    """A creation as its owner sees it."""

    creation_id: str
    type: Kind
    media_type: Kind
    status: Literal["pending", "processing", "draft", "published", "failed"]
    stage: str | None
    progress: int
    prompt: str
    aspect_ratio: AspectRatio
    duration: int | None
    cost: int
    error: FailureView | None
    refunded: bool
    queue_error_code: str | None
    caption: str | None
    like_count: int
    media_url: str | None
    thumbnail_url: str | None
    media_url_expires_at: Time | None
    width: int | None
    height: int | None
    size_bytes: int | None
    attempt: int
    debits: int
    retry_at: Time | None
    deadline_at: Time | None
    created_at: Time
    updated_at: Time
    published_at: Time | None

    @classmethod
    def of(cls, creation: Creation, links: Links) -> "CreationView":
        """Return the view with links that are live now."""
        return cls(
            **_same_names(cls, creation),
            type=creation.kind,
            media_type=creation.kind,
            duration=creation.duration_s,
            cost=creation.cost_tokens,
            debits=creation.run_number,
            error=FailureView(**vars(creation.error)) if creation.error else None,
            media_url=links.to(creation.media_key),
            thumbnail_url=links.to(creation.thumbnail_key),
            media_url_expires_at=links.expires_at if creation.media_key else None,
        )


def _same_names(cls: type[BaseModel], document: Creation | Account) -> dict[str, Any]:
    """Return the document's values whose names the view shares."""
    return {
        name: getattr(document, name)
        for name in cls.model_fields
        if name != "error" and hasattr(document, name)
    }


class OneCreation(View):
    """One creation."""

    creation: CreationView


class Creations(View):
    """A page of creations; `nextCursor` leads to the next one."""

    creations: list[CreationView]
    next_cursor: str | None


class PublicationView(View):
    """A published creation as everybody sees it: nothing more than this."""

    creation_id: str
    username: str
    type: Kind
    media_type: Kind
    caption: str | None
    like_count: int
    media_url: str | None
    thumbnail_url: str | None
    width: int | None
    height: int | None
    duration: int | None
    aspect_ratio: AspectRatio
    published_at: Time | None

    @classmethod
    def of(cls, creation: Creation, media: MediaStore) -> "PublicationView":
        """Return the view with its lasting links."""
        links = {key: media.public_link(public) for key, public in creation.public_keys.items()}
        return cls(
            **_same_names(cls, creation),
            type=creation.kind,
            media_type=creation.kind,
            duration=creation.duration_s,
            media_url=links.get(creation.media_key or ""),
            thumbnail_url=links.get(creation.thumbnail_key or ""),
        )


class Publications(View):
    """A page of published creations; `nextCursor` leads to the next one."""

    creations: list[PublicationView]
    next_cursor: str | None


class OpenedView(View):
    """A creation that was paid, with the balance after it."""

    creation_id: str
    status: str
    type: Kind
    cost: int
    token_balance: int
    deadline_at: Time | None
    creation: CreationView

    @classmethod
    def of(cls, opened: Opened, links: Links) -> "OpenedView":
        """Return the view."""
        creation = opened.creation
        return cls(
            creation_id=creation.creation_id,
            status=creation.status,
            type=creation.kind,
            cost=creation.cost_tokens,
            token_balance=opened.balance_tokens,
            deadline_at=creation.deadline_at,
            creation=CreationView.of(creation, links),
        )


class PerKind(View):
    """One number for each kind."""

    image: int
    video: int

    @classmethod
    def costs(cls, costs: Costs) -> "PerKind":
        """Return the prices in tokens."""
        return cls(image=costs.image_tokens, video=costs.video_tokens)


class AccountView(View):
    """The caller's own account."""

    user_id: str
    username: str
    token_balance: int
    total_tokens_spent: int
    in_flight: PerKind
    costs: PerKind

    @classmethod
    def of(cls, account: Account, costs: Costs) -> "AccountView":
        """Return the view."""
        return cls(
            user_id=account.user_id,
            username=account.username,
            token_balance=account.balance_tokens,
            total_tokens_spent=account.total_tokens_spent,
            in_flight=PerKind(image=account.in_flight.image, video=account.in_flight.video),
            costs=PerKind.costs(costs),
        )


class TransactionView(View):
    """One movement of tokens; `type` gives the amount its sign."""

    id: str
    type: Literal["grant", "debit", "refund"]
    amount: int
    balance_after: int
    creation_id: str | None
    reference: str | None
    sequence: int
    created_at: Time

    @classmethod
    def of(cls, entry: LedgerEntry) -> "TransactionView":
        """Return the view."""
        return cls(
            id=entry.entry_id,
            type=entry.entry_type.value,
            amount=entry.amount_tokens,
            balance_after=entry.balance_after_tokens,
            creation_id=entry.creation_id,
            reference=entry.reference,
            sequence=entry.sequence,
            created_at=entry.created_at,
        )


class SweepView(View):
    """What one sweep did, in counts."""

    refunded: int
    requeued: int
    left: int
    deleted: int
    errors: int


class Transactions(View):
    """A page of an account's ledger; `nextCursor` leads to the next one."""

    transactions: list[TransactionView]
    next_cursor: str | None


class Token(View):
    """A bearer token."""

    token: str


class Alive(View):
    """The process answers."""

    status: Literal["ok"] = "ok"


class PartHealth(View):
    """Whether one part answers, and how fast."""

    ok: bool
    milliseconds: float


class Readiness(View):
    """Whether everything a creation needs is in reach; a part is null until it has answered."""

    status: Literal["ok", "unavailable", "unknown"] = "unknown"
    store: PartHealth | None = None
    queue: PartHealth | None = None
    media: PartHealth | None = None


class Problem(BaseModel):
    """RFC 9457, with a stable `code` and the older clients' fields; more by kind of problem."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int | str = Field(
        description="The answer's own status, but with `illegal_transition` the creation's: "
        "older clients read it there"
    )
    code: str
    detail: str
    success: Literal[False]
    error: str
    errors: list[dict[Literal["field", "reason"], str]] = Field(
        [],
        description="With `invalid_field`: every wrong field, at most 10; `error` names the first",
    )
