from typing import Any

import pytest

from shared.domain.errors import WrongSetting
from shared.domain.policy import Policy


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"deadline_s": 839}, "deadline_s"),
        ({"lease_s": 59}, "lease_s"),
        ({"lease_grace_s": 9}, "lease_grace_s"),
        ({"deletion_delay_s": 870}, "deletion_delay_s"),
        ({"publication_margin_s": 3600}, "publication_margin_s"),
        ({"publication_margin_s": 260}, "publication_margin_s"),
        ({"link_window_s": 7200}, "link_window_s"),
        ({"image_minimum_run_s": 11.9}, "image_minimum_run_s"),
        ({"video_minimum_run_s": 89}, "video_minimum_run_s"),
        ({"video_typical_s": 91}, "video_minimum_run_s"),
        ({"gauges_life_s": 10}, "gauges_life_s"),
        ({"video_minimum_run_s": 840}, "room for a queue"),
        ({"heartbeat_s": 0}, "heartbeat_s"),
        ({"image_poll_s": float("nan")}, "image_poll_s"),
        ({"lease_s": float("inf")}, "lease_s"),
        ({"retry_delays_s": (60, -1)}, "retry_delays_s"),
        ({"retry_delays_s": ()}, "retry_delays_s"),
        ({"attempts_max": 0}, "attempts_max"),
        ({"draft_life_days": 36_501}, "draft_life_days"),
    ],
)
def test_numbers_that_break_the_protocol_are_refused_by_name(
    changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(WrongSetting, match=named):
        Policy(**changes)


def test_all_broken_rules_are_reported_together() -> None:
    with pytest.raises(WrongSetting) as refusal:
        Policy(deadline_s=100, lease_s=10)

    assert "deadline_s" in str(refusal.value)
    assert "heartbeat_s" in str(refusal.value)


def test_only_the_life_of_drafts_may_be_zero() -> None:
    assert Policy(draft_life_days=0).draft_life_days == 0

    with pytest.raises(WrongSetting, match=r"lease_s.* must be a number above 0"):
        Policy(lease_s=0)
    with pytest.raises(WrongSetting, match=r"draft_life_days.* must be a number above 0"):
        Policy(draft_life_days=-1)
