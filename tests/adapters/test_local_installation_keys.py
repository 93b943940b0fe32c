"""Rotation of installation keys: older signatures stay valid until their expiry."""

import stat
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.adapters.local.identity import USER_TOKEN_LIFE, LocalIdentity
from shared.adapters.local.installation_keys import InstallationKeys, installation_key
from shared.adapters.local.media_store import FileMediaStore
from shared.domain.errors import Unauthenticated, WrongSetting
from tests.support.fakes import FakeClock

KEY = "images/ada/x/1.png"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def keys(tmp_path: Path, clock: FakeClock) -> InstallationKeys:
    return InstallationKeys(tmp_path / "key", clock=clock)


def rotate(tmp_path: Path, clock: FakeClock, *, revoke: bool = False) -> int:
    """Rotate in another process."""
    return InstallationKeys(tmp_path / "key", clock=clock).rotate(revoke=revoke)


def query_of(media: FileMediaStore, clock: FakeClock) -> dict[str, str]:
    link = media.private_link(KEY, expires_at=clock.now() + timedelta(hours=2))
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


def test_tokens_and_links_survive_rotations_until_they_expire(
    keys: InstallationKeys, tmp_path: Path, clock: FakeClock
) -> None:
    identity = LocalIdentity(keys, clock=clock)
    media = FileMediaStore(tmp_path / "media", base_url="http://localhost:1", secret=keys)
    token, link = identity.sign_in("ada"), query_of(media, clock)

    for _ in range(2):
        rotate(tmp_path, clock)

    assert identity.caller(token).user_id == "ada"
    assert media.opened_by_link(KEY, **link, now=clock.now())
    assert identity.sign_in("ada") != token
    assert query_of(media, clock) != link
    clock.sleep((USER_TOKEN_LIFE - timedelta(seconds=1)).total_seconds())
    assert identity.caller(token).user_id == "ada"
    clock.sleep(1)
    with pytest.raises(Unauthenticated):
        identity.caller(token)


def test_old_key_signs_nothing_after_its_last_token_has_expired(
    keys: InstallationKeys, tmp_path: Path, clock: FakeClock
) -> None:
    stolen = keys.current()
    rotate(tmp_path, clock)
    identity = LocalIdentity(keys, clock=clock)
    clock.sleep(USER_TOKEN_LIFE.total_seconds())

    forged = LocalIdentity(stolen, clock=clock).sign_in("ada")

    with pytest.raises(Unauthenticated):
        identity.caller(forged)
    assert rotate(tmp_path, clock) == 1
    assert len(keys.accepted()) == 2


def test_revoked_key_is_refused_at_once(
    keys: InstallationKeys, tmp_path: Path, clock: FakeClock
) -> None:
    identity = LocalIdentity(keys, clock=clock)
    token = identity.sign_in("ada")
    assert identity.caller(token).user_id == "ada"

    assert rotate(tmp_path, clock, revoke=True) == 0

    with pytest.raises(Unauthenticated):
        identity.caller(token)
    assert identity.caller(identity.sign_in("ada")).user_id == "ada"


def test_rotated_file_is_closed_to_other_users_and_alone(
    keys: InstallationKeys, tmp_path: Path, clock: FakeClock
) -> None:
    first = installation_key(tmp_path / "key")
    rotate(tmp_path, clock)

    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["key"]
    assert keys.current() != first
    assert keys.accepted() == (keys.current(), first)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        b"x" * 33,
        b"{}",
        b'{"keys": []}',
        b'{"keys": [{"key": "00", "acceptedUntil": null}]}',
        b'{"keys": [{"key": "zz", "acceptedUntil": null}]}',
        b'{"keys": [3]}',
    ],
)
def test_damaged_key_file_is_refused_by_name(
    tmp_path: Path, clock: FakeClock, content: bytes
) -> None:
    (tmp_path / "key").write_bytes(content)

    with pytest.raises(WrongSetting) as refused:
        InstallationKeys(tmp_path / "key", clock=clock)

    assert f"{tmp_path / 'key'} is damaged" in str(refused.value)
