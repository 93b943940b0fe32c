"""`phoenix stats`: what it prints, as text and as JSON."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import cli
from shared.domain.kind import Kind
from shared.lifecycle.statistics import HOURS_MAX
from shared.wiring import Phoenix
from tests.support.world import World

Stats = Callable[..., Result]


@pytest.fixture
def stats(world: World) -> Stats:
    """The command over a world."""

    def run(*arguments: str) -> Result:
        def of(_: Path | None) -> Phoenix:
            return world.phoenix

        return CliRunner(env={"COLUMNS": "160"}).invoke(cli, ["stats", *arguments], obj=of)

    return run


def busy(world: World) -> None:
    """A day with two drafts, a late failure, a publication and an image that waits."""
    world.published()
    claimed = world.claim(world.open(user="ben").creation)
    world.held(claimed).record_intent(model="omni", cost_usd=0.5)
    world.clock.sleep(930)
    world.phoenix.sweeping.sweep()
    world.draft(user="cyd")
    world.open(kind=Kind.IMAGE)
    world.clock.sleep(60)
    world.phoenix.sweeping.sweep()


def test_numbers_are_printed_as_a_table(world: World, stats: Stats) -> None:
    busy(world)

    result = stats("--hours", "3")

    assert result.exit_code == 0
    first, second, third, *rest = result.stdout.splitlines()
    assert first == "2026-11-21 10:00 to 2026-11-21 12:16 UTC, by the time of settling."
    assert second == "4 created: 2 ready, 1 failed; 1 published (50.0% of the ready ones)"
    assert third == (
        "success 66.7% without failures of owners, refunded 33.3%, "
        "after the deadline by 30 s (median), 30 s (95 %), 30 s (longest)"
    )
    text = "\n".join(rest)
    for part in ("images", "videos", "deadline_exceeded", "omni", "2026-11-21 12:00", "0.50"):
        assert part in text
    assert "Not counted yet" not in text


def test_age_of_what_is_not_counted_is_printed(world: World, stats: Stats) -> None:
    world.draft()
    world.clock.sleep(90)

    assert "Not counted yet: outcomes of the last 90 s." in stats().stdout


def test_empty_installation_has_no_rates(stats: Stats) -> None:
    lines = stats().stdout.splitlines()

    assert lines[1] == "0 created: 0 ready, 0 failed; 0 published (- of the ready ones)"
    assert lines[2] == "success - without failures of owners, refunded -, no refund"


def test_json_has_every_number_in_camel_case(world: World, stats: Stats) -> None:
    busy(world)

    numbers = json.loads(stats("--json").stdout)

    assert datetime.fromisoformat(numbers["at"]) == world.clock.now()
    assert (numbers["created"], numbers["ready"], numbers["failed"]) == (4, 2, 1)
    assert numbers["failedByCode"] == {"deadline_exceeded": 1}
    assert (numbers["refundLagP95S"], numbers["refundLagMaxS"]) == (30, 30)
    assert numbers["costMicroUsdByModel"] == {"omni": 500_000}
    assert numbers["image"]["oldestWaitingS"] == 60
    assert numbers["video"]["p95S"] == 1
    assert len(numbers["series"]) == 24
    assert numbers["series"][-1] == {
        "beginsAt": "2026-11-21T12:00:00+00:00",
        "ready": 2,
        "failed": 1,
        "medianS": {"image": None, "video": 1},
        "costMicroUsd": 500_000,
    }


@pytest.mark.parametrize("hours", ["0", str(HOURS_MAX + 1), "many"])
def test_wrong_number_of_hours_is_refused(stats: Stats, hours: str) -> None:
    result = stats("--hours", hours)

    assert result.exit_code == 2
    assert "--hours" in result.output
