"""Sharing over HTTP: what readers see, and that every refused link looks the same."""

import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import pytest

from shared.domain.creation import Creation
from shared.domain.sharing import COLLABORATORS_MAX
from tests.api.conftest import Api
from tests.api.test_access_matrix import headers_of
from tests.support.builders import ADA, BEN, POLICY, a_caller, a_creation_id, stored_media
from tests.support.eventually import eventually

VIEW = {
    *("creationId", "username", "type", "mediaType", "caption", "prompt", "mediaUrl"),
    *("thumbnailUrl", "mediaUrlExpiresAt", "width", "height", "duration", "aspectRatio"),
    "createdAt",
}
HTML = {"Accept": "text/html"}


def address(creation: Creation, action: str = "share") -> str:
    return f"/api/generate/creation/{creation.creation_id}/{action}"


@pytest.fixture
def draft(api: Api) -> Creation:
    api.world.phoenix.accounts.of(a_caller(BEN))
    return api.world.draft()


def path_of(answer: httpx.Response) -> str:
    """Return the path of the shared page."""
    assert answer.status_code == 200, answer.text
    url: str = answer.json()["url"]
    return "/shared/" + url.partition("/shared/")[2]


def test_link_shows_the_creation_without_its_prompt(api: Api, draft: Creation) -> None:
    shared = api.client(ADA).post(address(draft))
    seen = api.client().get(f"/api{path_of(shared)}")
    view = seen.json()["creation"]

    assert shared.json()["url"] == shared.json()["creation"]["sharing"]["url"]
    assert set(view) == VIEW
    assert (view["creationId"], view["username"]) == (draft.creation_id, ADA)
    assert view["prompt"] is None
    assert draft.prompt not in seen.text

    api.client(ADA).post(address(draft), json={"showsPrompt": True})
    assert api.client().get(f"/api{path_of(shared)}").json()["creation"]["prompt"] == draft.prompt
    api.client(ADA).post(address(draft))
    assert api.client().get(f"/api{path_of(shared)}").json()["creation"]["prompt"] == draft.prompt
    api.client(ADA).post(address(draft), json={"showsPrompt": False})
    assert api.client().get(f"/api{path_of(shared)}").json()["creation"]["prompt"] is None


def test_shared_media_links_work_and_end_within_fifteen_minutes(api: Api, draft: Creation) -> None:
    path = path_of(api.client(ADA).post(address(draft)))
    view = api.client().get(f"/api{path}").json()["creation"]
    link = view["mediaUrl"].replace("http://localhost", api.base_url)
    ends_at = datetime.fromisoformat(view["mediaUrlExpiresAt"])

    assert ends_at - api.world.clock.now() <= timedelta(seconds=POLICY.shared_link_life_s)
    assert api.client().get(link).status_code == 200
    api.world.clock.sleep(POLICY.shared_link_life_s)
    assert api.client().get(link).status_code == 404


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_shared_answers_are_kept_and_indexed_by_nobody(
    api: Api, draft: Creation, prefix: str
) -> None:
    answer = api.client().get(prefix + path_of(api.client(ADA).post(address(draft))), headers=HTML)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert "etag" not in answer.headers


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_every_wrong_link_gets_the_same_404(api: Api, draft: Creation, prefix: str) -> None:
    owner, anyone = api.client(ADA), api.client()
    revoked = path_of(owner.post(address(draft)))
    assert owner.delete(address(draft)).status_code == 200
    id_, secret = draft.creation_id, revoked.rpartition("/")[2]
    current = path_of(owner.post(address(draft)))
    deleted = api.world.draft(key="deleted")
    gone = path_of(owner.post(address(deleted)))
    owner.delete(f"/api/generate/creation/{deleted.creation_id}")
    unshared, failed = api.world.draft(key="unshared"), api.world.failed(key="failed")

    wrong = [
        *(revoked, gone, f"{current}x", current[:-1], current.upper(), f"{current}/", "/shared/x/"),
        *(f"/shared/{each.creation_id}/{secret}" for each in (unshared, failed)),
        *(f"/shared/{a_creation_id('unknown')}/{secret}", f"/shared/{id_}/%C3%A9"),
        *(f"/shared/{id_}/a%2Fb", f"/shared/a%2Fb/{secret}", f"/shared/{id_}/%00", "/shared/x"),
    ]
    answers = [anyone.get(prefix + path, headers=HTML) for path in wrong]

    assert anyone.get(prefix + current, headers=HTML).status_code == 200
    assert {each.status_code for each in answers} == {404}
    assert len({each.content for each in answers}) == 1
    assert len({json.dumps(headers_of(each)) for each in answers}) == 1


def test_shared_page_shows_caption_owner_and_prompt_only_if_the_owner_wants(
    api: Api, new_draft: Callable[[str], Creation]
) -> None:
    draft = new_draft("<b>A secret prompt</b>")
    owner, anyone = api.client(ADA), api.client()
    path = path_of(owner.post(address(draft)))
    hidden = anyone.get(path)
    owner.post(address(draft), json={"showsPrompt": True})
    shown = anyone.get(path)

    assert "@ada" in hidden.text
    assert "<video" in hidden.text
    assert '<meta name="robots" content="noindex">' in hidden.text
    assert "secret prompt" not in hidden.text
    assert "&lt;b&gt;A secret prompt&lt;/b&gt;" in shown.text
    assert anyone.head(path).content == b""


@pytest.fixture
def new_draft(api: Api) -> Callable[[str], Creation]:
    def make(prompt: str) -> Creation:
        world = api.world
        claimed = world.claim(world.open(prompt=prompt).creation)
        media = stored_media(claimed)
        world.store_files(claimed)
        world.held(claimed).complete(media)
        return world.now(claimed)

    return make


def test_collaborator_sees_the_creation_until_the_next_request_after_removal(
    api: Api, draft: Creation
) -> None:
    owner, ben = api.client(ADA), api.client(BEN)
    added = owner.put(address(draft, "collaborators/ben"))
    listed = ben.get("/api/generate/shared")
    removed = owner.delete(address(draft, "collaborators/ben"))

    assert added.json()["creation"]["sharing"]["collaborators"] == [BEN]
    [view] = listed.json()["creations"]
    assert set(view) == VIEW
    assert (view["creationId"], view["prompt"]) == (draft.creation_id, None)
    assert listed.headers["cache-control"] == "private, no-store"
    assert removed.json()["creation"]["sharing"]["collaborators"] == []
    assert ben.get("/api/generate/shared").json() == {"creations": [], "nextCursor": None}
    assert owner.get("/api/generate/shared").json()["creations"] == []


def test_shared_list_has_pages(api: Api) -> None:
    api.world.phoenix.accounts.of(a_caller(BEN))
    ids = []
    for number in range(3):
        draft = api.world.draft(key=f"{number}")
        api.client(ADA).put(address(draft, "collaborators/ben"))
        ids.append(draft.creation_id)
        api.world.clock.sleep(1)
    ben = api.client(BEN)
    first = ben.get("/api/generate/shared?limit=2").json()
    second = ben.get(f"/api/generate/shared?limit=2&cursor={first['nextCursor']}").json()
    foreign = api.client(ADA).get(f"/api/generate/shared?cursor={first['nextCursor']}")

    shown = [each["creationId"] for each in first["creations"] + second["creations"]]
    assert shown == ids[::-1]
    assert second["nextCursor"] is None
    assert (foreign.status_code, foreign.json()["field"]) == (400, "cursor")


def test_wrong_collaborators_are_refused_by_name(api: Api, draft: Creation) -> None:
    owner = api.client(ADA)
    oneself = owner.put(address(draft, "collaborators/ada"))
    unknown = [owner.put(address(draft, f"collaborators/{each}")) for each in ("nobody", "%C3%A9")]
    for number in range(COLLABORATORS_MAX + 1):
        api.world.phoenix.accounts.of(a_caller(f"user-{number}"))
        last = owner.put(address(draft, f"collaborators/user-{number}"))

    assert (oneself.status_code, oneself.json()["field"]) == (400, "username")
    assert {(each.status_code, each.json()["code"]) for each in unknown} == {
        (404, "account_not_found")
    }
    assert (last.status_code, last.json()["code"]) == (409, "too_many_collaborators")
    assert last.json()["limit"] == COLLABORATORS_MAX


@pytest.mark.parametrize("body", [{"showsPrompt": 1}, {"showsPrompt": "yes"}, {"secret": "x"}, []])
def test_wrong_share_request_is_refused(api: Api, draft: Creation, body: object) -> None:
    answer = api.client(ADA).post(address(draft), json=body)

    assert answer.status_code == 400
    assert api.world.now(draft) == draft


def test_no_log_line_has_the_secret(api: Api, draft: Creation, log_stream: io.StringIO) -> None:
    path = path_of(api.client(ADA).post(address(draft)))
    secret = path.rpartition("/")[2]
    for wrong in ("", "x", "/more"):
        for prefix in ("", "/api", "/API"):
            api.client().get(f"{prefix}{path}{wrong}")
    api.client().post(f"/api{path}")
    logged = eventually(lambda: [each for each in ours(log_stream) if "/shared/" in each][9:])

    assert f"/api/shared/{draft.creation_id}/*" in logged[-1]
    assert not [line for line in ours(log_stream) if secret in line]


def ours(log_stream: io.StringIO) -> list[str]:
    """Return the log's lines without those of the test's client."""
    return [line for line in log_stream.getvalue().splitlines() if '"httpx"' not in line]
