import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shared.adapters.local.installation_keys import installation_key


def test_installation_key_is_created_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "data" / "key"

    with ThreadPoolExecutor(8) as processes:
        keys = set(processes.map(lambda _: installation_key(path), range(32)))

    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_two_installations_have_different_keys(tmp_path: Path) -> None:
    assert installation_key(tmp_path / "a") != installation_key(tmp_path / "b")
