"""Views as JSON: built once per state of the document, and exactly as their models say."""

from dataclasses import dataclass, replace

import pytest

from api_service.admin_views import AdminTransactions, AdminTransactionView
from api_service.links import Links
from api_service.paging import Listed, encode_cursor
from api_service.responses import (
    Creations,
    CreationView,
    OneCreation,
    Publications,
    PublicationView,
    View,
)
from api_service.view_cache import ViewCache
from shared.adapters.local.media_store import FileMediaStore
from shared.domain.creation import Creation
from shared.domain.ledger import LedgerEntry
from shared.domain.status import Status
from shared.ports.store import Cursor, DraftsFilter, Page
from tests.support.builders import ADA
from tests.support.documents import parsed, put
from tests.support.world import World


@pytest.fixture
def links(world: World) -> Links:
    return new_links(world)


def new_links(world: World) -> Links:
    return Links(world.phoenix.ports.media, world.clock, world.settings.policy, "http://localhost")


def json_of(view: View) -> bytes:
    return view.model_dump_json(by_alias=True).encode()


def by_time(creation: Creation) -> Cursor:
    return Cursor(creation.created_at, creation.creation_id)


def by_sequence(entry: LedgerEntry) -> Cursor:
    return Cursor(entry.sequence, entry.entry_id)


def test_page_of_creations_equals_its_model(world: World, links: Links) -> None:
    for status in Status:
        world.creation_that_is(status)
    put(world.sqlite, replace(world.draft(), prompt='a "quoted"\\ \n\u2028 🦊 fox\x00'))
    stored = world.sqlite.drafts(ADA, DraftsFilter(), Page(50))
    views = [CreationView.of(each, links) for each in parsed(stored)]
    for has_more in (False, True):
        listed = Listed("drafts ada", stored, stored[-1] if has_more else None, by_time)
        last = encode_cursor(by_time(stored[-1].parse()), "drafts ada")
        model = Creations(creations=views, next_cursor=last if has_more else None)

        assert ViewCache().page("creations", listed, CreationView.of, links) == json_of(model)


def test_other_bodies_equal_their_models(world: World, links: Links) -> None:
    published = world.published(caption="First snow")
    of_ada = Listed("", world.sqlite.feed(Page(5)), last=None, sort_key=by_time)
    ledger = world.sqlite.ledger(ADA, Page(5))
    entries = Listed("", ledger, last=None, sort_key=by_sequence)
    one = world.sqlite.shown(published.key)
    cache = ViewCache()
    assert one is not None

    assert cache.page("creations", of_ada, PublicationView.of, links) == json_of(
        Publications(creations=[PublicationView.of(published, links)], next_cursor=None)
    )
    assert cache.page("transactions", entries, AdminTransactionView.of) == json_of(
        AdminTransactions(
            transactions=[AdminTransactionView.of(each) for each in parsed(ledger)],
            next_cursor=None,
        )
    )
    assert cache.one("creation", one, CreationView.of, links) == json_of(
        OneCreation(creation=CreationView.of(published, links))
    )
    assert cache.page("creations", replace(of_ada, items=[]), PublicationView.of, links) == json_of(
        Publications(creations=[], next_cursor=None)
    )


@dataclass
class Built:
    """A builder of views that counts."""

    count: int = 0

    def of(self, creation: Creation, links: Links) -> CreationView:
        self.count += 1
        return CreationView.of(creation, links)

    __hash__ = object.__hash__


def test_view_is_built_once_per_state_and_link_window(world: World) -> None:
    draft, cache, built = world.draft(), ViewCache(), Built()

    def read() -> bytes:
        stored = world.sqlite.shown(draft.key)
        assert stored is not None
        return cache.one("creation", stored, built.of, new_links(world))

    first, again = read(), read()
    put(world.sqlite, replace(draft, caption="First snow"))
    captioned, counts = read(), [built.count]
    world.clock.sleep(world.settings.policy.link_window_s)
    later = read()

    assert first == again
    assert len({first, captioned, later}) == 3
    assert [*counts, built.count] == [2, 3]


def test_view_is_built_again_after_the_signing_key_has_changed(world: World, links: Links) -> None:
    draft, cache = world.draft(), ViewCache()
    stored = world.sqlite.shown(draft.key)
    rotated = FileMediaStore(world.folder / "media", base_url="http://localhost", secret=b"n" * 32)
    new = Links(rotated, world.clock, world.settings.policy, "http://localhost")
    assert stored is not None

    views = [cache.one("creation", stored, CreationView.of, each) for each in (links, new)]

    assert views[1] == json_of(OneCreation(creation=CreationView.of(draft, new))) != views[0]
