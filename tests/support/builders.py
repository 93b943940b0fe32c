"""A builder for each entity: valid by default, changed where a test says so."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.adapters.documents import INTERNALS, from_fields, to_fields
from shared.domain.account import Account, HourlyCount
from shared.domain.brief import Brief, creation_id_for
from shared.domain.creation import Creation
from shared.domain.keys import CreationId, UserId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.domain.media import MediaFormat, StoredMedia, media_key, thumbnail_key
from shared.domain.policy import Costs, Policy
from shared.ports.identity import Caller

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
POLICY = Policy()
COSTS = Costs()
ADA = UserId("ada")
BEN = UserId("ben")
LEASE_OWNER = LeaseOwner("video-generation-job-abcde", 0)
RIVAL = LeaseOwner("video-generation-job-fghij", 0)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def a_caller(user_id: str = ADA, **changes: Any) -> Caller:
    values: dict[str, Any] = {
        "user_id": UserId(user_id),
        "username_hint": user_id,
        "is_verified": True,
        "verified_contact": f"{user_id}@example.com",
    }
    return Caller(**values | changes)


def a_brief(kind: Kind = Kind.VIDEO, prompt: str = "a fox in the snow", **changes: Any) -> Brief:
    return Brief.of(kind, prompt=prompt, **changes)


def an_account(user_id: str = ADA, *, tokens: int = 100, **changes: Any) -> Account:
    values: dict[str, Any] = {
        "user_id": UserId(user_id),
        "username": user_id,
        "balance_tokens": tokens,
        "opened_hour": HourlyCount(started_at=NOON),
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Account(**values | changes)


def a_creation_id(name: str = "one", user_id: str = ADA) -> CreationId:
    return creation_id_for(UserId(user_id), name)


def a_creation(
    name: str = "one", *, kind: Kind = Kind.VIDEO, user_id: str = ADA, **changes: Any
) -> Creation:
    """Return a creation debited at noon; `changes` are attributes."""
    opened = Creation.opened(
        a_creation_id(name, user_id),
        account=an_account(user_id),
        brief=a_brief(kind),
        costs=COSTS,
        policy=POLICY,
        at=NOON,
    )
    return replace(opened, **changes)


def a_claimed_creation(name: str = "one", **changes: Any) -> Creation:
    return a_creation(name, **changes).claimed(LEASE_OWNER, policy=POLICY, at=NOON)


def shown(*creations: Creation) -> list[Creation]:
    """Return creations without their internals, as lists for views may return them."""
    return [
        from_fields(
            each.key,
            {name: value for name, value in to_fields(each).items() if name not in INTERNALS},
        )
        for each in creations
    ]


def stored_media(creation: Creation, *, thumbnail: bool = True) -> StoredMedia:
    address = (creation.kind, creation.user_id, creation.creation_id, creation.attempt)
    media_format = MediaFormat.MP4 if creation.kind is Kind.VIDEO else MediaFormat.PNG
    return StoredMedia(
        media_key=media_key(*address, media_format),
        thumbnail_key=thumbnail_key(*address) if thumbnail else None,
        width=1280,
        height=720,
        size_bytes=5,
    )
