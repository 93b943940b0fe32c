import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shared.adapters.local.identity import LocalIdentity
from shared.adapters.local.installation_keys import installation_key
from tests.support.fakes import FakeClock


def test_installation_key_is_created_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "data" / "key"

    with ThreadPoolExecutor(8) as processes:
        keys = set(processes.map(lambda _: installation_key(path), range(32)))

    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_operators_are_named_by_the_settings() -> None:
    identity = LocalIdentity(b"k" * 32, clock=FakeClock(), admins=("olga",))

    assert identity.caller(identity.sign_in("olga")).is_admin
    assert not identity.caller(identity.sign_in("olga-2")).is_admin


def test_two_installations_have_different_keys(tmp_path: Path) -> None:
    assert installation_key(tmp_path / "a") != installation_key(tmp_path / "b")
