import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from tests.api.conftest import Api
from tests.support.builders import ADA


@pytest.mark.parametrize(
    "address",
    [
        *("/api/feed", "/api/profiles/ada", "/api/generate/drafts", "/api/me/transactions"),
        *("/api/me/creations", "/api/me/creations?q=fox"),
    ],
)
def test_full_last_page_has_no_next_cursor(api: Api, address: str) -> None:
    name = "transactions" if address.endswith("transactions") else "creations"
    for _ in range(2):
        api.world.published()
        api.world.draft()
        api.world.clock.sleep(1)
    client = api.client(ADA)
    every = client.get(address).json()[name]

    first = client.get(address, params={"limit": len(every) - 1}).json()
    second = client.get(address, params={"limit": 1, "cursor": first["nextCursor"]}).json()
    whole = client.get(address, params={"limit": len(every)}).json()

    assert (first[name], second[name], whole[name]) == (every[:-1], every[-1:], every)
    assert (second["nextCursor"], whole["nextCursor"]) == (None, None)


@pytest.mark.parametrize(
    "change", [{"id": ".."}, {"id": "a/b"}, {"id": ""}, {"value": 2**63}, {"value": -1}], ids=str
)
def test_modified_cursor_is_400(api: Api, change: dict[str, object]) -> None:
    api.world.failed()
    client, address = api.client(ADA), "/api/me/transactions"
    cursor = client.get(address, params={"limit": 1}).json()["nextCursor"]
    written = json.loads(urlsafe_b64decode(cursor + "=="))
    changed = urlsafe_b64encode(json.dumps(written | change).encode()).decode()

    answer = client.get(address, params={"cursor": changed})
    same = urlsafe_b64encode(json.dumps(written).encode()).decode()

    assert (answer.status_code, answer.json()["field"]) == (400, "cursor")
    assert client.get(address, params={"cursor": same}).is_success
