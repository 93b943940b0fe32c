"""The operators' numbers: the window, the values and the switches."""

import json
from collections.abc import Callable

import httpx
import pytest

from cli.stats import json_of
from shared.domain.kind import Kind
from tests.api.conftest import Api
from tests.support.builders import ADA
from tests.support.world import World

OLGA = "olga"
STATS = "/api/admin/stats"


@pytest.fixture
def admin_api(new_api: Callable[..., Api]) -> Api:
    return new_api(PHOENIX_ADMINS=OLGA)


def busy(world: World) -> None:
    """A publication, a late failure that cost something, and an image that waits."""
    world.published()
    claimed = world.claim(world.open(user="ben").creation)
    world.held(claimed).record_intent(model="omni", cost_usd=0.5)
    world.clock.sleep(930)
    world.phoenix.sweeping.sweep()
    world.open(kind=Kind.IMAGE)
    world.clock.sleep(60)
    world.phoenix.sweeping.sweep()


def stats(api: Api, hours: str = "") -> httpx.Response:
    return api.client(OLGA).get(f"{STATS}{hours and f'?hours={hours}'}")


@pytest.mark.parametrize("hours", [1, 24, 168])
def test_numbers_are_those_of_the_command_and_of_the_switches(admin_api: Api, hours: int) -> None:
    world = admin_api.world
    busy(world)
    world.phoenix.operating.switch(Kind.VIDEO, is_paused=True)

    answer = stats(admin_api, str(hours))

    numbers = answer.json()
    paused = {kind: numbers[kind].pop("isPaused") for kind in ("image", "video")}
    times = [numbers, *numbers["series"]]
    shown = json.loads(json.dumps(json_of(world.phoenix.statistics.of(hours))))
    for ours, theirs in zip(times, [shown, *shown["series"]], strict=True):
        for name in {"at", "since", "beginsAt"} & ours.keys():
            assert ours.pop(name)[:19] == theirs.pop(name)[:19]
    assert numbers == shown
    assert (numbers["created"], numbers["ready"], numbers["failed"]) == (3, 1, 1)
    assert numbers["image"]["pending"] == 1
    assert paused == {"image": False, "video": True}
    assert answer.headers["Cache-Control"] == "no-store"


def test_default_window_is_a_day(admin_api: Api) -> None:
    assert len(stats(admin_api).json()["series"]) == 24


@pytest.mark.parametrize("hours", ["0", "169", "-1", "1.0", "01", "x", "%20", "²"])
def test_wrong_window_is_refused(admin_api: Api, hours: str) -> None:
    answer = stats(admin_api, hours)

    assert (answer.status_code, answer.json()["field"]) == (400, "hours")
    assert answer.json()["detail"].endswith("use 1 to 168.")


def test_wrong_window_does_not_answer_to_other_users(admin_api: Api) -> None:
    answer = admin_api.client(ADA).get(f"{STATS}?hours=x")

    assert (answer.status_code, answer.json()["code"]) == (403, "not_an_operator")
