"""Cursors of the ledger belong to one user."""

from fastapi.testclient import TestClient

from api_service.app import create_app
from tests.support.world import World


def test_ledger_cursor_of_another_user_is_refused(world: World) -> None:
    for user in ("ada", "ben"):
        world.failed(user=user)
    app = create_app(world.phoenix)

    def page(user: str, cursor: str | None = None) -> tuple[int, dict[str, str]]:
        headers = {"Authorization": f"Bearer {world.identity.sign_in(user)}"}
        parameters = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        with TestClient(app, base_url="http://localhost", headers=headers) as client:
            response = client.get("/api/me/transactions", params=parameters)
        return response.status_code, response.json()

    status, first = page("ada")
    cursor = first["nextCursor"]

    assert status == 200
    assert page("ada", cursor)[0] == 200
    assert page("ben", cursor)[0] == 400
