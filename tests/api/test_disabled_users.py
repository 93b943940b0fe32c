"""A disabled user may read, and may change nothing of value."""

from dataclasses import dataclass, replace

import pytest
from fastapi.testclient import TestClient

from api_service.app import create_app
from shared.adapters.local.identity import LocalIdentity
from shared.domain.errors import AccountDisabled
from shared.domain.keys import UserId
from shared.ports.identity import Caller
from tests.support.world import World


@dataclass(frozen=True)
class DisabledUsers:
    """An identity provider that has disabled every user whose token it checks."""

    identity: LocalIdentity

    def warm_up(self) -> None:
        pass

    def caller(self, token: str, *, must_be_live: bool = False) -> Caller:
        if must_be_live:
            raise AccountDisabled
        return self.identity.caller(token)

    def may_wait(self) -> bool:
        return False

    def is_known_live(self, token: str) -> bool:
        return False

    def user_id_of(self, email: str) -> UserId | None:
        return None


@pytest.mark.parametrize(
    ("status", "method", "action"),
    [
        ("draft", "DELETE", ""),
        ("published", "DELETE", ""),
        ("failed", "DELETE", ""),
        ("failed", "POST", "/retry"),
        ("draft", "POST", "/publish"),
        ("published", "PUT", "/like"),
    ],
)
def test_disabled_user_may_not_change_a_creation(
    world: World, status: str, method: str, action: str
) -> None:
    creation = world.creation_that_is(status)
    ports = replace(world.phoenix.ports, identity=DisabledUsers(world.identity))
    headers = {"Authorization": f"Bearer {world.identity.sign_in('ada')}"}
    app = create_app(replace(world.phoenix, ports=ports))
    path = f"/api/generate/creation/{creation.creation_id}"

    with TestClient(app, base_url="http://localhost", headers=headers) as client:
        response = client.request(method, path + action)
        shown = client.get(path)

    assert (response.status_code, response.json()["code"]) == (403, "account_disabled")
    assert shown.json()["creation"]["status"] == status
    assert world.now(creation) == creation
