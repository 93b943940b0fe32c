"""A creation keeps the price of its first debit, whatever the setting is later."""

from collections.abc import Callable

from fastapi.testclient import TestClient

from api_service.app import create_app
from tests.support.world import World


def test_retry_and_refund_use_the_price_of_the_first_debit(new_world: Callable[..., World]) -> None:
    failed = new_world(PHOENIX_VIDEO_COST="3").failed()
    world = new_world(PHOENIX_VIDEO_COST="7")
    headers = {"Authorization": f"Bearer {world.identity.sign_in('ada')}"}
    path = f"/api/generate/creation/{failed.creation_id}"

    with TestClient(
        create_app(world.phoenix), base_url="http://localhost", headers=headers
    ) as client:
        retried = client.post(f"{path}/retry")
        cancelled = client.post(f"{path}/cancel")

    assert (retried.status_code, cancelled.status_code) == (202, 200)
    amounts = [entry.signed_tokens for entry in reversed(world.ledger())]
    assert amounts == [100, -3, 3, -3, 3]
