"""Response bodies in camelCase with every field present, and responses that are not cached."""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self

from fastapi import Response
from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from api_service.links import Links
from shared.domain.account import Account
from shared.domain.brief import AspectRatio
from shared.domain.creation import Creation
from shared.domain.failure import FailureCode
from shared.domain.kind import Kind
from shared.domain.policy import Costs
from shared.domain.schedule import ScheduleError
from shared.lifecycle.opening import Opened


def _iso_milliseconds(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(_iso_milliseconds)]


class View(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, from_attributes=True, populate_by_name=True)

    @classmethod
    def from_document(cls, document: object, **values: Any) -> Self:  # noqa: ANN401 (pydantic checks them)
        """Return the view with these values, and the document's for all other fields."""
        return cls(**vars(document) | values)


class FailureView(View):
    code: FailureCode
    message: str
    retryable: bool


class ScheduleErrorView(View):
    code: ScheduleError
    message: str

    @classmethod
    def of(cls, error: ScheduleError | None) -> Self | None:
        return cls(code=error, message=error.message) if error else None


class SharingView(View):
    """Who else sees the draft. `url` is its link for everyone who has it."""

    url: str | None
    collaborators: list[str]
    shows_prompt: bool

    @classmethod
    def of(cls, creation: Creation, links: Links) -> Self:
        sharing = creation.sharing
        return cls(
            url=links.to_shared(creation),
            collaborators=list(sharing.collaborators),
            shows_prompt=sharing.shows_prompt,
        )


class MediaView(View):
    """What everyone who may see a creation sees."""

    creation_id: str
    type: Kind
    media_type: Kind
    caption: str | None
    media_url: str | None
    thumbnail_url: str | None
    width: int | None
    height: int | None
    duration: int | None
    aspect_ratio: AspectRatio

    @classmethod
    def from_creation(cls, creation: Creation, **values: Any) -> Self:  # noqa: ANN401 (pydantic checks them)
        return cls.from_document(
            creation,
            type=creation.kind,
            media_type=creation.kind,
            duration=creation.duration_s,
            **values,
        )


class CreationView(MediaView):
    """A creation as its owner sees it."""

    status: Literal["pending", "processing", "draft", "published", "failed"]
    stage: str | None
    progress: int
    prompt: str
    model: str | None
    cost: int
    error: FailureView | None
    refunded: bool
    queue_error_code: str | None
    media_url_expires_at: Time | None
    size_bytes: int | None
    attempt: int
    debits: int
    retry_at: Time | None
    deadline_at: Time | None
    created_at: Time
    updated_at: Time
    published_at: Time | None
    like_count: int
    group_id: str | None
    is_cancellable: bool
    is_kept: bool
    expires_at: Time | None
    publish_at: Time | None
    schedule_error: ScheduleErrorView | None
    sharing: SharingView

    @classmethod
    def of(cls, creation: Creation, links: Links) -> Self:
        return cls.from_creation(
            creation,
            cost=creation.cost_tokens,
            debits=creation.run_number,
            is_cancellable=creation.is_cancellable,
            media_url=links.to(creation.media_key),
            thumbnail_url=links.to(creation.thumbnail_key),
            media_url_expires_at=links.expires_at if creation.media_key else None,
            publish_at=creation.schedule.publish_at if creation.schedule else None,
            schedule_error=ScheduleErrorView.of(creation.schedule_error),
            sharing=SharingView.of(creation, links),
        )


class PublicationView(MediaView):
    """A published creation as everyone sees it."""

    username: str
    published_at: Time | None
    like_count: int

    @classmethod
    def of(cls, creation: Creation, links: Links) -> Self:
        """Return the view with permanent links."""
        public = creation.public_keys
        return cls.from_creation(
            creation,
            media_url=links.to_public(public.get(creation.media_key or "")),
            thumbnail_url=links.to_public(public.get(creation.thumbnail_key or "")),
        )


class OneCreation(View):
    creation: CreationView


class Likes(View):
    """The ids of the request that the caller likes."""

    creation_ids: list[str]


class Creations(View):
    creations: list[CreationView]
    next_cursor: str | None


class Publications(View):
    creations: list[PublicationView]
    next_cursor: str | None


class OpenedView(View):
    """A creation that was paid for, with the balance after it."""

    creation_id: str
    status: str
    type: Kind
    cost: int
    token_balance: int
    deadline_at: Time | None
    creation: CreationView

    @classmethod
    def of(cls, opened: Opened, links: Links) -> Self:
        return cls.from_document(
            opened.creation,
            type=opened.creation.kind,
            cost=opened.creation.cost_tokens,
            token_balance=opened.balance_tokens,
            creation=CreationView.of(opened.creation, links),
        )


class PerKind(View):
    image: int
    video: int

    @classmethod
    def costs(cls, costs: Costs) -> Self:
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
    def of(cls, account: Account, costs: Costs) -> Self:
        return cls.from_document(
            account, token_balance=account.balance_tokens, costs=PerKind.costs(costs)
        )


class SweepView(View):
    """Counts of one sweep."""

    refunded: int
    requeued: int
    left: int
    deleted: int
    folded: int
    counted: int
    expired: int
    published: int
    errors: int


class Token(View):
    token: str


class Alive(View):
    status: Literal["ok"] = "ok"


def json_response(
    view: View | bytes, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response that must not be cached, unless `headers` say otherwise."""
    headers = {"Cache-Control": "no-store", **(headers or {})}
    content = view if isinstance(view, bytes) else view.model_dump_json(by_alias=True)
    return Response(content, status, headers, media_type="application/json")
