import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from tests.api.conftest import Api
from tests.builders import ADA


@pytest.mark.parametrize(
    "change", [{"id": ".."}, {"id": "a/b"}, {"id": ""}, {"value": 2**63}, {"value": -1}], ids=str
)
def test_a_cursor_that_a_client_has_changed_is_400(api: Api, change: dict[str, object]) -> None:
    client, address = api.client(ADA), "/api/me/transactions"
    cursor = client.get(address, params={"limit": 1}).json()["nextCursor"]
    written = json.loads(urlsafe_b64decode(cursor + "=="))
    changed = urlsafe_b64encode(json.dumps(written | change).encode()).decode()

    answer = client.get(address, params={"cursor": changed})
    same = urlsafe_b64encode(json.dumps(written).encode()).decode()

    assert (answer.status_code, answer.json()["field"]) == (400, "cursor")
    assert client.get(address, params={"cursor": same}).is_success
