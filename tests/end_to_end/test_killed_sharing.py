"""SIGKILL of the API around the commit that makes or revokes a link of a draft."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from shared.domain.creation import Creation
from shared.lifecycle.sharing import DraftSharing
from tests.end_to_end.api_process import API, api, sign_in
from tests.end_to_end.dying_api import MOMENTS
from tests.support.builders import ADA
from tests.support.world import World

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("moment", MOMENTS)]

OK, NOT_FOUND = HTTPStatus.OK, HTTPStatus.NOT_FOUND


class Owner:
    """Shares one draft over HTTP."""

    def __init__(self, client: httpx.Client, draft: Creation) -> None:
        self._client, self._headers = client, sign_in(client, ADA)
        self._address = f"/api/generate/creation/{draft.creation_id}/share"

    def share(self) -> str:
        answer = self._client.post(self._address, headers=self._headers).raise_for_status()
        return urlsplit(answer.json()["url"]).path

    def unshare(self) -> None:
        self._client.delete(self._address, headers=self._headers).raise_for_status()

    def status_of(self, link: str) -> int:
        """Return the status that a reader without an account gets."""
        return self._client.get(f"/api{link}").status_code


@contextmanager
def owner(data: Path, draft: Creation) -> Iterator[Owner]:
    with api(data, {}, command=API) as (_, url), httpx.Client(base_url=url, timeout=30) as client:
        yield Owner(client, draft)


def die_at(moment: str, data: Path, draft: Creation, act: Callable[[Owner], object]) -> None:
    """Send a request to an API that dies during it."""
    command = ("-m", "tests.end_to_end.dying_api", moment)
    with (
        api(data, {}, command=command) as (process, url),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        with pytest.raises(httpx.TransportError):
            act(Owner(client, draft))
        assert process.wait(30) == -signal.SIGKILL


def link_of(world: World, draft: Creation) -> str | None:
    secret = world.now(draft).sharing.secret
    return secret and f"/shared/{draft.creation_id}/{secret}"


@pytest.fixture
def draft(world: World) -> Creation:
    return world.draft()


@pytest.fixture
def sharing(world: World) -> DraftSharing:
    return world.phoenix.sharing


def test_repeated_share_answers_the_link_that_a_killed_one_made_or_a_new_one(
    world: World, tmp_path: Path, draft: Creation, moment: str
) -> None:
    die_at(moment, tmp_path, draft, Owner.share)
    made = link_of(world, draft)
    assert (made is not None) == (moment == "committed")

    with owner(tmp_path, draft) as ada:
        link = ada.share()

        assert link == (made or link) == link_of(world, draft)
        assert ada.status_of(link) == OK


def test_link_is_closed_by_a_repeated_revocation_and_stays_closed(
    world: World, sharing: DraftSharing, tmp_path: Path, draft: Creation, moment: str
) -> None:
    sharing.share(draft.creation_id, owner=ADA)
    revoked = str(link_of(world, draft))
    die_at(moment, tmp_path, draft, Owner.unshare)
    is_closed = moment == "committed"

    with owner(tmp_path, draft) as ada:
        assert ada.status_of(revoked) == (NOT_FOUND if is_closed else OK)
        ada.unshare()
        assert ada.status_of(revoked) == NOT_FOUND
    die_at(moment, tmp_path, draft, Owner.share)
    with owner(tmp_path, draft) as ada:
        assert ada.status_of(revoked) == NOT_FOUND
        again = ada.share()

        assert (ada.status_of(again), ada.status_of(revoked)) == (OK, NOT_FOUND)
