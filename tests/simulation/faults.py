"""Fault injection: which faults happen at which call, at random or exactly where forced."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tests.simulation.draws import Site, draw

FAULTS: Mapping[str, Mapping[str, float]] = {
    "store.read": {"down": 0.01},
    "store.commit": {
        "abort": 0.04,
        "down": 0.01,
        "lost": 0.015,
        "applied": 0.03,
        "late": 0.03,
    },
    "queue.enqueue": {
        "refused": 0.03,
        "applied": 0.04,
        "vanishes": 0.04,
        "twice": 0.06,
        "hours": 0.03,
    },
    "queue.waits": {"down": 0.02},
    "queue.withdraw": {"refused": 0.02, "lost": 0.04, "applied": 0.04, "in_dispatch": 0.04},
    "queue.rate": {"down": 0.03, "crowded": 0.15},
    "generator.start": {
        "unavailable": 0.06,
        "refused": 0.02,
        "silent": 0.03,
        "silent_started": 0.04,
        "surprise": 0.01,
        "gateway": 0.02,
        "gateway_started": 0.03,
        "unavailable_for_an_hour": 0.02,
    },
    "generator.operation": {
        "hangs": 0.02,
        "fails": 0.02,
        "fails_for_now": 0.04,
        "slow": 0.06,
        "fails_late": 0.03,
        "fails_with_media": 0.02,
        "fails_for_now_with_media": 0.02,
    },
    "generator.reads": {"refused_for_a_minute": 0.03, "refused_for_ever": 0.02},
    "generator.poll": {"unavailable": 0.02, "wait_an_hour": 0.01},
    "generator.fetch": {"unavailable": 0.02, "broken": 0.01, "wait_an_hour": 0.02},
    "generator.find": {"unavailable": 0.02, "wait_an_hour": 0.02},
    "generator.discard": {"fails": 0.05},
    "media.put": {"fails": 0.04, "applied": 0.03, "late": 0.04},
    "media.size": {"fails": 0.02},
    "media.outage": {"a_minute": 0.03, "minutes": 0.03},
    "media.room": {"fails": 0.02, "full": 0.04},
    "media.publish": {"fails": 0.04, "applied": 0.04, "late": 0.06},
    "media.delete": {"fails": 0.05, "applied": 0.04},
    "job": {"sigterm": 0.04},
    "api": {"lost": 0.06},
    "sweep": {"doubled": 0.1, "missed": 0.1},
}
"""The probability of each fault, by kind of call."""

ANYWHERE: Mapping[str, float] = {
    "crash_before": 0.004,
    "crash_after": 0.004,
    "pause": 0.004,
    "pause_after": 0.004,
    "freeze": 0.001,
}
"""Faults of the process itself, possible at any call."""

MULTIPLIERS = (0.0, 0.0, 0.3, 1.0, 2.5)


@dataclass
class Faults:
    """The faults of one history.

    Each seed multiplies each rate by one of `MULTIPLIERS`. No fault happens at `suppressed` sites;
    with `is_exact`, only `forced` ones happen.
    """

    seed: int
    is_exact: bool = False
    suppressed: AbstractSet[Site] = frozenset()
    forced: Mapping[Site, str] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    """Rates that override the table, by fault or by `kind fault`; with `is_only`, others are 0."""
    is_only: bool = False
    are_off: bool = False

    def __post_init__(self) -> None:
        self._thresholds = {
            kind: self._cumulated(kind, faults) for kind, faults in {**FAULTS, "": ANYWHERE}.items()
        }
        self.happened: list[tuple[Site, str]] = []

    def _cumulated(self, kind: str, faults: Mapping[str, float]) -> list[tuple[float, str]]:
        cumulated, total = [], 0.0
        for fault, rate in faults.items():
            total += self._rate(kind, fault, rate)
            cumulated.append((total, fault))
        return cumulated if total else []

    def _rate(self, kind: str, fault: str, rate: float) -> float:
        chosen = self.rates.get(f"{kind} {fault}", self.rates.get(fault))
        if chosen is not None:
            return chosen
        if self.is_only or self.is_exact:
            return 0.0
        place = int(draw(self.seed, "faults", f"{kind} {fault}") * len(MULTIPLIERS))
        return rate * MULTIPLIERS[place]

    def at(self, site: Site, chance: float, chance_anywhere: float) -> str | None:
        """Return the fault that happens at a site, if any."""
        if self.are_off:
            return None
        fault = self.forced.get(site)
        if fault is None and not self.is_exact and site not in self.suppressed:
            fault = _hit(self._thresholds.get(site.kind, []), chance) or _hit(
                self._thresholds[""], chance_anywhere
            )
        if fault is not None:
            self.happened.append((site, fault))
        return fault


def _hit(thresholds: list[tuple[float, str]], chance: float) -> str | None:
    if not thresholds or chance >= thresholds[-1][0]:
        return None
    return next(fault for threshold, fault in thresholds if chance < threshold)
