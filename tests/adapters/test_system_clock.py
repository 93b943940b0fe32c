from datetime import UTC

from shared.adapters.system.clock import SystemClock, SystemIds
from tests.support.eventually import eventually


def test_time_is_utc_in_whole_milliseconds() -> None:
    now = SystemClock().now()

    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0


def test_beat_repeats_and_never_runs_after_the_block() -> None:
    beats: list[int] = []
    with SystemClock().every(0.005, lambda: beats.append(1)):
        eventually(lambda: len(beats) >= 3)
    count = len(beats)
    SystemClock().sleep(0.03)

    assert len(beats) == count


def test_random_ids_have_their_length_and_alphabet() -> None:
    ids = SystemIds()

    assert len({ids.random_id(26) for _ in range(100)}) == 100
    assert set(ids.random_id(1000)) == set("abcdefghijklmnopqrstuvwxyz234567")
    assert set(ids.digits(1000)) == set("0123456789")
