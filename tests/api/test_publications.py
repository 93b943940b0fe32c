"""The page of one publication, with the tags that chats read, and its JSON."""

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import httpx
import pytest

from api_service.page_cache import TTL_S
from shared.domain.creation import Creation
from shared.domain.keys import Key, UserId
from shared.domain.kind import Kind
from shared.domain.like import Like
from shared.ports.store import Stored
from tests.api.conftest import Api
from tests.api.hostile import XSS_CAPTIONS
from tests.api.test_access_matrix import headers_of
from tests.api.test_pages import directives
from tests.support.builders import ADA, BEN, a_creation_id
from tests.support.documents import put
from tests.support.fakes import FaultyStore

ACCEPT = {"Accept": "text/html"}
BASE = "http://localhost"


class Tags(HTMLParser):
    """The elements of a page: their names, attributes, and the text of the title."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.title = ""
        self._tag = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self._tag == "title":
            self.title += data

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    @property
    def metas(self) -> dict[str | None, str | None]:
        return {
            attributes.get("property") or attributes.get("name"): attributes.get("content")
            for tag, attributes in self.elements
            if tag == "meta"
        }

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(api: Api, creation: Creation, **headers: str) -> httpx.Response:
    path = f"/soho/{creation.username}/{creation.creation_id}"
    return api.client().get(path, headers={**ACCEPT, **headers})


def test_video_has_every_tag_of_a_preview(api: Api) -> None:
    published = api.world.published(caption="First snow")
    tags = Tags(page_of(api, published).text)
    url = f"{api.world.settings.base_url}/soho/ada/{published.creation_id}"
    video, poster = (f"{BASE}/media/{key}" for key in published.public_keys.values())
    [canonical] = [each for each in tags.of("link") if each["rel"] == "canonical"]

    assert tags.title == "First snow · Phoenix"
    assert canonical["href"] == url
    expected = {
        "description": "First snow",
        "og:site_name": "Phoenix",
        "og:type": "video.other",
        "og:title": "First snow",
        "og:description": "First snow",
        "og:url": url,
        "og:image": poster,
        "og:image:width": "640",
        "og:image:height": "360",
        "og:image:alt": "First snow",
        "og:video": video,
        "og:video:type": "video/mp4",
        "og:video:width": "1280",
        "og:video:height": "720",
        "twitter:card": "summary_large_image",
        "twitter:title": "First snow",
        "twitter:description": "First snow",
        "twitter:image": poster,
        "twitter:image:alt": "First snow",
    }
    assert expected.items() <= tags.metas.items()
    assert "robots" not in tags.metas


def test_publication_without_caption_is_described_without_its_prompt(api: Api) -> None:
    published = api.world.published()
    answer = page_of(api, published)
    metas = Tags(answer.text).metas

    assert metas["og:title"] == "Video by ada"
    assert metas["og:description"] == "Video by ada, made with Phoenix."
    assert published.prompt not in answer.text


@pytest.mark.parametrize("has_thumbnail", [True, False])
def test_image_has_no_video_tags(api: Api, *, has_thumbnail: bool) -> None:
    published = replace(api.world.published(), kind=Kind.IMAGE, duration_s=None)
    if not has_thumbnail:
        published = published.without_thumbnail()
    put(api.world.sqlite, published)
    metas = Tags(page_of(api, published).text).metas
    picture = [*published.public_keys.values()][-1]

    assert metas["og:type"] == "website"
    assert metas["og:image"] == f"{BASE}/media/{picture}"
    assert metas["og:image:width"] == ("640" if has_thumbnail else "1280")
    assert not [name for name in metas if name and name.startswith("og:video")]


def test_body_shows_everything_without_scripts(api: Api) -> None:
    published = replace(api.world.published(caption="First snow"), like_count=1)
    like = Like.of(published.creation_id, UserId(BEN), is_liked=True, at=api.world.clock.now())
    put(api.world.sqlite, published, like)
    answer = page_of(api, published)
    tags = Tags(answer.text)
    [video] = tags.of("video")

    assert {"controls", "playsinline", "poster"} <= set(video)
    assert {"href": "/soho/ada"} in tags.of("a")
    assert "21 November 2026" in answer.text
    assert "♥ 1<" in answer.text
    assert ">First snow</h1>" in answer.text


@pytest.mark.parametrize("caption", [*XSS_CAPTIONS[::6], "[[article]]", '"><script>', "a' b=\"c"])
def test_hostile_caption_adds_no_element_or_attribute(api: Api, caption: str) -> None:
    neutral = Tags(page_of(api, api.world.published(caption="x")).text)
    published = api.world.published(caption=caption)
    answer = page_of(api, published)
    hostile = Tags(answer.text)

    def shape(tags: Tags) -> list[tuple[str, set[str]]]:
        return [(tag, set(attributes)) for tag, attributes in tags.elements]

    assert shape(hostile) == shape(neutral)
    assert f"{html.escape(str(published.caption))}</h1>" in answer.text


def test_long_caption_is_cut_in_tags_only(api: Api) -> None:
    caption = "snow " * 99
    answer = page_of(api, api.world.published(caption=caption))
    tags = Tags(answer.text)

    assert len(str(tags.metas["og:title"])) <= 80
    assert len(str(tags.metas["og:description"])) <= 200
    assert str(tags.metas["og:title"]).endswith("snow…")
    assert caption.strip() in answer.text


def test_page_has_the_strict_policy_and_a_short_life(api: Api) -> None:
    published = api.world.published()
    answer = page_of(api, published)
    again = page_of(api, published, **{"If-None-Match": answer.headers["etag"]})
    head = api.client().head(f"/soho/ada/{published.creation_id}")

    policy = directives(answer)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == ["'self'"]
    assert policy["require-trusted-types-for"] == ["'script'"]
    assert answer.headers["cache-control"] == "public, s-maxage=5, stale-while-revalidate=30"
    assert "x-robots-tag" not in answer.headers
    assert not re.search(r"<script(?! type=\"module\" src=)|\sstyle=", answer.text)
    assert (again.status_code, again.content) == (304, b"")
    assert (head.status_code, head.content) == (200, b"")
    assert headers_of(head) == headers_of(answer)


@pytest.mark.parametrize("address", ["/soho/", "/api/profiles/"])
def test_every_other_address_gets_the_same_404(api: Api, address: str) -> None:
    world = api.world
    theirs, draft, failed = world.published(user=BEN), world.draft(), world.failed(key="failed")
    gone = world.published()
    api.client(ADA).delete(f"/api/generate/creation/{gone.creation_id}")
    ids = [each.creation_id for each in (theirs, draft, failed, gone)]
    paths = [f"ada/{id_}" for id_ in (*ids, a_creation_id("unknown"), "x", "%00", "a" * 2000)]
    others = [f"nobody/{theirs.creation_id}", f"BEN/{theirs.creation_id}", f"%C3%A9/{ids[0]}"]
    answers = [api.client().get(address + path, headers=ACCEPT) for path in (*paths, *others)]

    assert api.client().get(f"{address}ben/{theirs.creation_id}").status_code == 200
    assert {each.status_code for each in answers} == {404}
    assert len({each.content for each in answers}) == 1
    assert len({json.dumps(headers_of(each)) for each in answers}) == 1
    assert answers[0].headers["cache-control"] == "no-store"


def test_unpublished_page_is_gone_at_once_here_and_soon_elsewhere(api: Api) -> None:
    published = api.world.published()
    assert page_of(api, published).status_code == 200
    api.client(ADA).post(f"/api/generate/creation/{published.creation_id}/unpublish")
    here = page_of(api, published)
    api.client(ADA).post(f"/api/generate/creation/{published.creation_id}/publish")
    assert page_of(api, published).status_code == 200
    api.world.phoenix.publishing.unpublish(published.creation_id, owner=published.user_id)
    api.world.clock.sleep(TTL_S + 0.1)

    assert (here.status_code, page_of(api, published).status_code) == (404, 404)


class CountedReads(FaultyStore):
    """A store that counts reads of single creations."""

    reads = 0

    def shown(self, key: Key[Creation]) -> Stored[Creation] | None:
        self.reads += 1
        return self.store.shown(key)


def test_crawlers_cost_one_read_in_the_life_of_a_page(api: Api) -> None:
    published = api.world.published()
    counted = CountedReads(api.world.sqlite)
    api.world.store.store = counted  # type: ignore[assignment]  # it forwards the rest
    for _ in range(10):
        assert page_of(api, published).status_code == 200

    assert counted.reads == 1


def test_json_of_a_publication_is_its_view_in_the_feed(api: Api) -> None:
    published = api.world.published(caption="First snow")
    one = api.client().get(f"/api/profiles/ada/{published.creation_id}")
    [listed] = api.client().get("/api/feed").json()["creations"]

    assert one.json() == {"creation": listed}
    assert one.headers["cache-control"] == "public, s-maxage=5, stale-while-revalidate=30"
