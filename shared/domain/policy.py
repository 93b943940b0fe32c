"""Policy: costs, limits and times, each with its unit."""

import math
from dataclasses import dataclass, fields

from shared.domain.errors import WrongSetting
from shared.domain.kind import Kind

IMAGE_SIZE_BYTES_MAX = 25 * 1024 * 1024
VIDEO_SIZE_BYTES_MAX = 200 * 1024 * 1024
THUMBNAIL_ROOM_BYTES = 1024 * 1024
"""What a thumbnail may need in addition to its media file."""
IMAGE_PIXELS_MAX = 4096 * 4096

UPLOAD_GRACE_S = 260
"""How long after its sender died a store commit or an upload may still land (measured for both)."""
SWEEP_LAST_CALL_S = 5
"""How long before its end a sweep begins nothing more: the longest call of a store."""
START_SHARE = 1 / 15
"""The share of the deadline (60 s of 900) that a dispatch and the start of a machine may take."""
STOP_GRACE_S = 10
"""How long a job has between SIGTERM and SIGKILL."""
MAY_BE_ZERO = frozenset({"draft_life_days"})
"""The policies whose 0 means never."""
DRAFT_LIFE_DAYS_MAX = 36_500
"""A time too far ahead could not be written, and nothing could settle."""
RETRY_AFTER_S = {Kind.IMAGE: 5, Kind.VIDEO: 15}
"""How long to wait before polling an unfinished creation again."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The price of one creation, in tokens."""

    image_tokens: int = 1
    video_tokens: int = 10

    def of(self, kind: Kind) -> int:
        return self.video_tokens if kind is Kind.VIDEO else self.image_tokens


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Times in seconds, limits as counts; validated against each other on construction."""

    deadline_s: float = 900
    """From a debit to the moment when the creation is ready or refunded."""
    lease_s: float = 120
    """How long a claim holds without a heartbeat."""
    heartbeat_s: float = 20
    """How often a job renews its lease and writes its progress."""
    lease_grace_s: float = 30
    """How long after a lease's end the sweep enqueues the creation again."""
    image_job_timeout_s: float = 300
    video_job_timeout_s: float = 600
    """When the platform stops a job's process: SIGTERM, and SIGKILL 10 s later."""
    image_minimum_run_s: float = 12
    video_minimum_run_s: float = 90
    """The least time before the deadline for an attempt; at least the typical time.

    A generator that is paid for and then cut off by the deadline is refunded at our expense.
    """
    image_typical_s: float = 12
    video_typical_s: float = 90
    """Used to estimate progress if the generator reports none."""
    image_poll_s: float = 1
    video_poll_s: float = 5
    """The interval between polls of a generator's operation."""

    retry_delays_s: tuple[float, ...] = (60, 120, 240)
    """Before each retry of a transient error; their number is the number of retries."""
    retry_early_s: float = 5
    """How early before `retryAt` a task may start."""
    attempts_max: int = 6
    """Claims for one debit."""
    hand_backs_max: int = 6
    """How many attempts that ended with SIGTERM are not counted as attempts or requeues."""
    start_within_s: float = 10
    """From the intent to the start of the generator; after it, the intent is recorded again."""
    output_search_s: float = 300
    """How long to search for the output of an unanswered video start."""

    images_at_once: int = 8
    videos_at_once: int = 4
    """How many creations one execution works on at once."""
    images_running_max: int = 300
    videos_running_max: int = 50
    """While more of a kind are processing, an execution takes only its own creation."""
    image_drain_s: float = 150
    video_drain_s: float = 360
    """How long an execution takes further creations."""
    image_room_s: float = 150
    video_room_s: float = 240
    """What must be left of the job's timeout to take another creation."""

    sweep_every_s: float = 60
    """The interval between sweeps, and between two checks of one creation."""
    sweep_budget_s: float = 45
    """The time limit of one sweep."""
    sweep_repairs_s: float = 30
    """How long a sweep refunds and enqueues before it does anything else."""
    sweep_turn_s: float = 2
    """The least time of each other duty of a sweep."""
    sweep_creations_max: int = 10_000
    """The maximum number of documents in one sweep, for each duty."""
    requeues_max: int = 4
    """How often the sweep enqueues a creation again for one debit."""
    clock_skew_s: float = 10
    """The maximum difference of two machines' clocks: a lease is taken over only after it."""
    deletion_delay_s: float = 3600
    """After this, no process can still write an orphaned file."""
    publication_margin_s: float = 1800
    """What must be left of that delay when a publication commits."""

    images_in_flight_max: int = 20
    videos_in_flight_max: int = 5
    """Unfinished creations of one account."""
    opened_per_hour_max: int = 60
    """Opens and retries of one account."""
    free_outcomes_per_hour_max: int = 10
    """Refunds of one account in an hour that its owner caused; then it opens nothing."""

    gauges_every_s: float = 10
    """How often the queue, the switches and the day's cost are read, outside the requests."""
    gauges_life_s: float = 120
    """An older reading of the queue counts as unknown, and unknown is not full."""
    settled_within_s: float = 120
    """The window in which settled runs are counted to measure the jobs' rate."""
    welcome_grants_per_day_max: int = 1600
    """Welcome grants of the whole installation on one day (UTC), a sixteenth for each shard."""

    draft_life_days: float = 30
    """How long a draft or a failed creation is kept after it settled; 0 keeps it for ever."""
    shared_link_life_s: float = 900
    """How long a signed link to a file of a shared draft is valid."""

    link_life_s: float = 7200
    """How long a signed link to a private file is valid."""
    link_window_s: float = 1800
    """How long a signed link is reused, so that pages and caches keep their pictures."""

    def __post_init__(self) -> None:
        """Refuse numbers that break the protocol, naming every broken rule."""
        for field in fields(self):
            _check_number(field.name, getattr(self, field.name))
        job_timeout_s = max(self.image_job_timeout_s, self.video_job_timeout_s)
        rules = {
            "deadline_s must be >= job timeout + lease_s + 2 x sweep_every_s": (
                self.deadline_s >= job_timeout_s + self.lease_s + 2 * self.sweep_every_s
            ),
            "lease_s must be >= 3 x heartbeat_s": self.lease_s >= 3 * self.heartbeat_s,
            "lease_grace_s must be >= clock_skew_s": self.lease_grace_s >= self.clock_skew_s,
            "sweep_budget_s must be >= sweep_repairs_s + sweep_turn_s + 5 s": (
                self.sweep_budget_s >= self.sweep_repairs_s + self.sweep_turn_s + SWEEP_LAST_CALL_S
            ),
            "deletion_delay_s must be > job timeout + 270 s": (
                self.deletion_delay_s > job_timeout_s + STOP_GRACE_S + UPLOAD_GRACE_S
            ),
            "publication_margin_s must be > 260 s and below deletion_delay_s": (
                UPLOAD_GRACE_S < self.publication_margin_s < self.deletion_delay_s
            ),
            "link_window_s must be below link_life_s": self.link_window_s < self.link_life_s,
            **{
                f"{kind}_minimum_run_s must be >= {kind}_typical_s": (
                    self.minimum_run_s(kind) >= self.typical_s(kind)
                )
                for kind in Kind
            },
            **{
                f"{kind}_drain_s + {kind}_room_s must be <= {kind}_job_timeout_s": (
                    self.drain_s(kind) + self.room_s(kind) <= self.job_timeout_s(kind)
                )
                for kind in Kind
            },
            f"draft_life_days must be <= {DRAFT_LIFE_DAYS_MAX}": (
                self.draft_life_days <= DRAFT_LIFE_DAYS_MAX
            ),
            "gauges_life_s must be > gauges_every_s": self.gauges_life_s > self.gauges_every_s,
            "deadline_s must leave room for a queue as well as the minimum run": (
                all(self.queue_room_s(kind) > 0 for kind in Kind)
            ),
        }
        broken = [rule for rule, holds in rules.items() if not holds]
        if broken:
            raise WrongSetting(setting="policy", reason="; ".join(broken))

    def in_flight_max(self, kind: Kind) -> int:
        return self.videos_in_flight_max if kind is Kind.VIDEO else self.images_in_flight_max

    def job_timeout_s(self, kind: Kind) -> float:
        return self.video_job_timeout_s if kind is Kind.VIDEO else self.image_job_timeout_s

    def at_once(self, kind: Kind) -> int:
        return self.videos_at_once if kind is Kind.VIDEO else self.images_at_once

    def running_max(self, kind: Kind) -> int:
        return self.videos_running_max if kind is Kind.VIDEO else self.images_running_max

    def drain_s(self, kind: Kind) -> float:
        return self.video_drain_s if kind is Kind.VIDEO else self.image_drain_s

    def room_s(self, kind: Kind) -> float:
        return self.video_room_s if kind is Kind.VIDEO else self.image_room_s

    def minimum_run_s(self, kind: Kind) -> float:
        return self.video_minimum_run_s if kind is Kind.VIDEO else self.image_minimum_run_s

    def queue_room_s(self, kind: Kind) -> float:
        """Return how long a task of this kind may wait in the queue and still be ready in time."""
        return self.deadline_s * (1 - START_SHARE) - self.minimum_run_s(kind)

    def typical_s(self, kind: Kind) -> float:
        return self.video_typical_s if kind is Kind.VIDEO else self.image_typical_s

    def poll_s(self, kind: Kind) -> float:
        return self.video_poll_s if kind is Kind.VIDEO else self.image_poll_s

    def size_bytes_max(self, kind: Kind) -> int:
        return VIDEO_SIZE_BYTES_MAX if kind is Kind.VIDEO else IMAGE_SIZE_BYTES_MAX

    def room_bytes(self, kind: Kind) -> int:
        """Return the storage that one creation may need, with its thumbnail."""
        return self.size_bytes_max(kind) + THUMBNAIL_ROOM_BYTES


def _check_number(name: str, value: float | tuple[float, ...]) -> None:
    """Raise `WrongSetting` for a value that no policy can have."""
    if value == 0 and name in MAY_BE_ZERO:
        return
    numbers = value if isinstance(value, tuple) else (value,)
    if not numbers or not all(0 < number < math.inf for number in numbers):
        raise WrongSetting(setting=name, reason="must be a number above 0")
