"""`phoenix capacity`: numbers by hand, its page, and bad input."""

import math
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from cli import quotas
from cli.capacity_costs import Costs
from cli.capacity_model import (
    Demand,
    Executions,
    Model,
    draining_begins_at,
    in_order,
    to_raise,
)
from shared.domain.kind import Kind
from tests.cli.test_commands import phoenix
from tests.support.builders import POLICY

ROOT = Path(__file__).parents[2]
ALONE = Model(policy=POLICY, drains=False)
DRAINING = Model(policy=POLICY, drains=True)
AN_IMAGE_A_SECOND = Demand(per_day=86_400, peak=1, video_share=0)
SIX_VIDEOS_A_MINUTE = Demand(per_day=8_640, peak=1, video_share=1)
MONTH_S = 30 * 86_400
VENDORS = (
    "https://cloud.google.com/",
    "https://docs.cloud.google.com/",
    "https://firebase.google.com/docs/",
    "https://developers.cloudflare.com/",
)


def costs(demand: Demand, model: Model) -> Costs:
    price_usd = {Kind.IMAGE: 0.05, Kind.VIDEO: 0.5}
    return Costs(demand=demand, model=model, price_usd=price_usd, kept_months=2)


def most(model: Model, demand: Demand) -> dict[str, int | None]:
    return {wall.what: wall.holds_up_to(demand) for wall in model.walls()}


def test_an_image_a_second_by_hand() -> None:
    """60 a minute are above the queue's 45: 0.75 executions a second, which 12 / 8 / 0.55 use.

    Few of them run for longer than the 60 s that each is billed for.
    """
    free_usd = 240_000 * 0.000018 + 450_000 * 0.000002
    a_minute_usd = 60 * (0.000018 + 0.000002)
    more_s = 12 / 8 / 0.55 / 0.75
    longer = 1 + more_s * math.exp(-55 / more_s) / 60

    assert ALONE.executions(Kind.IMAGE, 1) == Executions(1, 17)
    made = DRAINING.executions(Kind.IMAGE, 1)
    assert (made.per_s, made.shortest_s) == (0.75, 5)
    assert made.more_s == pytest.approx(more_s)
    alone, draining = (costs(AN_IMAGE_A_SECOND, each) for each in (ALONE, DRAINING))
    assert alone.jobs_usd() == pytest.approx(MONTH_S * a_minute_usd - free_usd)
    assert draining.jobs_usd() == pytest.approx(0.75 * MONTH_S * a_minute_usd * longer - free_usd)
    assert alone.by_part_usd()["generator"] == pytest.approx(MONTH_S * 0.05)
    assert alone.by_part_usd()["R2 storage"] == pytest.approx(MONTH_S * 1.6 / 1000 * 2 * 0.015)
    assert alone.by_part_usd()["Cloud Tasks"] == pytest.approx((2 * MONTH_S - 10**6) * 0.4 / 10**6)
    assert alone.by_part_usd()["Firestore writes"] == pytest.approx(19.005 * MONTH_S * 0.09 / 10**5)


def test_six_videos_a_minute_by_hand() -> None:
    """Below the queue's 10, each has an execution of 95 s with two vCPUs; draining saves nothing."""
    free_usd = 240_000 * 0.000018 + 450_000 * 0.000002
    a_video_usd = 95 * (2 * 0.000018 + 4 * 0.000002)

    alone, draining = (costs(SIX_VIDEOS_A_MINUTE, each) for each in (ALONE, DRAINING))

    assert ALONE.executions(Kind.VIDEO, 0.1) == Executions(0.1, 95)
    assert alone.jobs_usd() == pytest.approx(MONTH_S / 10 * a_video_usd - free_usd)
    assert draining.jobs_usd() == alone.jobs_usd()
    assert alone.by_part_usd()["Firestore writes"] == pytest.approx(2.9005 * MONTH_S * 0.09 / 10**5)


def test_walls_by_hand() -> None:
    """Images only, at an even rate."""
    alone, draining = (most(each, AN_IMAGE_A_SECOND) for each in (ALONE, DRAINING))

    assert alone["image starts a minute"] == 45 * 1440
    assert alone["jobs:run a minute"] == 60 * 1440
    assert alone["running executions"] == pytest.approx(1000 / 17 * 86_400, abs=1)
    assert draining["images processing (brake)"] == 300 / 12 * 86_400
    # 0.75 executions a second that work for 162 s, 4.4 of 8 places in use
    assert draining["image starts a minute"] == pytest.approx(0.75 * 162 * 4.4 / 12 * 86_400, abs=1)
    assert draining["API instances"] == pytest.approx(1000 / (12 + 60) * 86_400, abs=1)
    assert draining["index creations.sweepAt"] == pytest.approx(500 / 6 * 86_400, abs=1)
    assert draining["index creations.availableAt"] == pytest.approx(500 / 2 * 86_400, abs=1)
    assert draining["index costs.createdAt"] == 500 * 86_400
    assert draining["index costs.foldAt"] == 500 / 2 * 86_400
    assert draining["writes of an account a second"] is None
    assert in_order(ALONE.walls(), AN_IMAGE_A_SECOND)[0][0].what == "image starts a minute"


def test_pages_past_the_provisioned_streams_poll() -> None:
    """20 images a second hold 1,440 streams of 72 s; the API's 10 instances hold 1,000."""
    demand = replace(AN_IMAGE_A_SECOND, per_day=20 * 86_400)
    month = costs(demand, DRAINING)
    share = 440 / 1440
    polls_of_a_page = 12 / 3 + 288 / 20
    per_image = share * polls_of_a_page * (50 * 0.03 / 10**5 + 0.4 / 10**6)
    spared_reads = share * 51 * 0.03 / 10**5

    (seconds, _), *_ = demand.phases()
    pages = DRAINING.pages(demand, 1)

    assert seconds == MONTH_S / 2
    assert (pages.streams(), pages.instances()) == pytest.approx((1440, 14.4))
    assert pages.polls_per_s() == pytest.approx(20 * share * polls_of_a_page)
    assert month.polling_usd() == pytest.approx(20 * MONTH_S * (per_image - spared_reads))
    assert month.spared_usd() == pytest.approx(4.4 * MONTH_S * 0.0000265)
    assert to_raise(DRAINING.walls(), demand)["API instances"] == 15


def test_pages_within_the_provisioned_streams_do_not_poll() -> None:
    month = costs(AN_IMAGE_A_SECOND, DRAINING)

    assert DRAINING.pages(AN_IMAGE_A_SECOND, 1).polls_per_s() == 0
    assert (month.polling_usd(), month.spared_usd()) == (0, 0)
    assert "poll at the peak" not in phoenix("capacity", "--per-day=33333").stdout


def test_advice_and_dollars_have_one_number_of_instances() -> None:
    """At an even rate, the API's dollars are those of the instances that it advises."""
    demand = replace(AN_IMAGE_A_SECOND, per_day=100 * 86_400)
    month = costs(demand, DRAINING)
    requests_usd = 100 * MONTH_S * quotas.REQUESTS * 0.4 / 10**6

    assert to_raise(DRAINING.walls(), demand)["API instances"] == 72
    assert month.by_part_usd()["API"] - requests_usd == pytest.approx(72 * MONTH_S * 0.0000265)


def test_audits_by_hand() -> None:
    """A million creations a month of 100,000 accounts, kept for two months."""
    demand = Demand(per_day=1e6 / 30, peak=1, video_share=0)
    nightly_reads = 30 * 100_000 * 2 + 1e6 * 4
    weekly_reads = 100_000 * 2 + 2e6 * 4
    checkpoints = 30 * 1e6 / 30

    assert costs(demand, DRAINING).audit_usd() == pytest.approx(
        (nightly_reads + 30 / 7 * weekly_reads) * 0.03 / 10**5 + checkpoints * 0.09 / 10**5
    )


def test_peak_takes_half_a_day_s_creations_and_a_limit_its_share() -> None:
    demand = Demand(per_day=86_400, peak=3, video_share=0.1)

    (peak_s, peak), (rest_s, rest) = demand.phases()

    assert (peak_s, peak) == pytest.approx((MONTH_S / 6, 3))
    assert (rest_s, rest) == pytest.approx((MONTH_S * 5 / 6, 0.6))
    assert peak_s * peak + rest_s * rest == pytest.approx(MONTH_S)
    assert draining_begins_at(demand) == {
        Kind.IMAGE: pytest.approx(24_000),
        Kind.VIDEO: pytest.approx(48_000),
    }
    assert most(ALONE, demand)["image starts a minute"] == 24_000
    assert most(ALONE, demand)["video starts a minute"] == 48_000


def test_longer_work_than_drain_s_allows_needs_more_starts() -> None:
    """100 videos a second: 9,000 at once, 3.2 of 4 places in use, each execution for 5 and 450 s."""
    made = DRAINING.executions(Kind.VIDEO, 100)

    assert (made.per_s, made.run_s) == pytest.approx((9000 / 3.2 / 450, 455))


def test_spread_of_run_times_is_billed_above_the_minute_only() -> None:
    assert Executions(1, 17).billed_s == 60
    assert Executions(1, 95).billed_s == 95
    assert Executions(1, 5, 55).billed_s == pytest.approx(60 + 55 / math.e)
    assert Executions(1, 95, 30).billed_s == 125


def test_only_veo_has_a_number_for_the_generator() -> None:
    veo = Model(policy=POLICY, drains=True, is_veo=True)

    assert most(veo, SIX_VIDEOS_A_MINUTE)["Veo starts a minute"] == 10 * 1440
    assert "Veo starts a minute" not in most(DRAINING, SIX_VIDEOS_A_MINUTE)


def test_every_quote_has_the_vendor_s_page_and_a_day() -> None:
    assert len(quotas.QUOTES) > 20
    for each in quotas.QUOTES:
        assert each.source.startswith(VENDORS), each
        assert each.read.startswith("2026-"), each


def test_assumed_values_say_why() -> None:
    printed = phoenix("capacity", "--per-day=9", "--sources").stdout
    assumed = [each for each in quotas.QUOTES if each.assumed]

    assert {quotas.FIRESTORE_READ, quotas.VEO_STARTS_PER_MIN} <= {*assumed}
    for each in assumed:
        assert each.assumed in printed
    assert "gemini-3.1-flash-image, $ an image" in printed


def test_page_shows_what_the_command_prints() -> None:
    """If this fails, run `python docs/capacity.py`."""
    page = (ROOT / "docs/capacity.md").read_text()
    refreshed = runpy.run_path(str(ROOT / "docs/capacity.py"))["refreshed"]

    assert page.count("$ phoenix capacity") == 2
    assert refreshed(page) == page


def test_policy_and_model_of_the_environment_are_used() -> None:
    limit = phoenix("capacity", "--per-day", "9", PHOENIX_POLICY_IMAGES_RUNNING_MAX="777")

    assert limit.returncode == 0, limit.stderr
    assert "777" in limit.stdout


@pytest.mark.parametrize("per_day", ["0", "-1", "nan", "inf", "1e30", "many", "", "0x10", "\udcff"])
def test_number_that_cannot_be_is_refused_in_one_line(per_day: str) -> None:
    done = phoenix("capacity", f"--per-day={per_day}")

    assert done.returncode == 2
    assert done.stderr == "--per-day: must be a number from 1 to 1,000,000,000\n"


@pytest.mark.parametrize(
    ("option", "value"),
    [("--peak", "0.5"), ("--peak", "25"), ("--video-share", "1.1"), ("--kept-months", "-1")],
)
def test_other_options_have_limits_too(option: str, value: str) -> None:
    done = phoenix("capacity", "--per-day=9", option, value)

    assert done.returncode == 2
    assert done.stderr.startswith(f"{option}: must be a number from ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("share", ["0", "1"])
@pytest.mark.parametrize("per_day", ["1", "1e9"])
def test_smallest_and_largest_demands_are_answered(per_day: str, share: str) -> None:
    done = phoenix("capacity", "--per-day", per_day, "--video-share", share, "--kept-months", "0")

    assert (done.returncode, done.stderr) == (0, "")
    assert "nan" not in done.stdout


def test_free_amount_costs_nothing() -> None:
    few = Demand(per_day=100, peak=1, video_share=0)

    assert costs(few, ALONE).jobs_usd() == 0
    assert costs(few, ALONE).by_part_usd()["Cloud Tasks"] == 0
