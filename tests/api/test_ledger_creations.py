"""`GET /api/me/transactions`: each movement with its creation as it is now."""

from dataclasses import replace
from typing import Any

from shared.domain.failure import FailureCode
from tests.api.conftest import Api
from tests.support.builders import ADA, BEN
from tests.support.documents import put
from tests.support.world import World

ADDRESS = "/api/me/transactions"


def entries(api: Api, user: str = ADA, **params: Any) -> list[dict[str, Any]]:
    answer = api.client(user).get(ADDRESS, params=params).raise_for_status()
    assert answer.headers["cache-control"] == "no-store"
    found: list[dict[str, Any]] = answer.json()["transactions"]
    return found


def test_movements_have_their_creation_and_grants_have_none(api: Api) -> None:
    failed, published = api.world.failed(), api.world.published()
    put(api.world.sqlite, replace(failed, prompt="long " * 400))

    found = entries(api)

    paid = {"type": "video", "prompt": "a fox", "status": "published", "error": None}
    returned = {"type": "video", "prompt": "long " * 400, "status": "failed", "error": None}
    assert failed.error is not None
    assert [(each["reason"], each["creation"]) for each in found] == [
        ("debit", paid),
        ("refund", returned | {"error": failed.error.code}),
        ("debit", returned),
        ("welcome", None),
    ]
    assert found[0]["creationId"] == published.creation_id
    assert set(found[0]) == {
        *("id", "type", "amount", "balanceAfter", "creationId", "reference", "sequence"),
        *("createdAt", "creation", "reason"),
    }


def test_creation_is_shown_as_it_is_now(api: Api) -> None:
    opened = api.world.open().creation
    statuses = [entries(api)[0]["creation"]["status"]]
    claimed = api.world.claim(opened)
    statuses.append(entries(api)[0]["creation"]["status"])
    api.world.phoenix.failing.fail_attempt(claimed, FailureCode.INTERNAL, start_failed=False)
    statuses.append(entries(api)[0]["creation"]["status"])
    api.world.phoenix.media_cleanup.delete_creation(opened.creation_id, owner=opened.user_id)

    assert statuses == ["pending", "processing", "failed"]
    assert [each["creation"] for each in entries(api)] == [None] * 3
    assert {each["creationId"] for each in entries(api)} == {opened.creation_id, None}


def test_creation_of_another_user_is_never_shown(world: World) -> None:
    theirs = world.published(user=BEN)
    odd = [replace(each, user_id=ADA) for each in world.ledger(BEN)]

    shown = world.phoenix.reading.moved_for(odd, owner=ADA)

    assert [each.creation_id for each in odd] == [theirs.creation_id, None]
    assert shown == [None, None]


def test_pages_have_the_creations_of_their_own_movements(api: Api) -> None:
    for _ in range(3):
        api.world.failed()
    whole = entries(api)

    parts, params = [], {"limit": 2}
    while True:
        answer = api.client(ADA).get(ADDRESS, params=params).json()
        parts += answer["transactions"]
        if answer["nextCursor"] is None:
            break
        params["cursor"] = answer["nextCursor"]

    assert parts == whole
    assert [bool(each["creation"]) for each in whole] == [True] * 6 + [False]
