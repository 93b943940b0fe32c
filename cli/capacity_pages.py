"""Open pages: the API instances that they need, and what it costs if some poll instead.

A page holds an event stream until a minute after its creation is ready. A process refuses more streams
than it may hold; their pages poll for as long as they are open. Each poll reads the whole list again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cli import quotas
from shared.domain.kind import Kind
from shared.domain.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Pages:
    """The pages of an installation whose creations arrive at these rates, one page for each."""

    policy: Policy
    opened_per_s: Mapping[Kind, float]

    def streams(self) -> float:
        """Return how many streams are open, if none is refused."""
        return self._total(lambda kind: self.policy.typical_s(kind) + quotas.SETTLED_S)

    def instances(self) -> float:
        """Return the mean number of instances that are billed, if no stream is refused."""
        streams = self.streams()
        return max(
            min(1.0, streams),
            streams / quotas.STREAMS_PER_INSTANCE,
            sum(self.opened_per_s.values()) * cpu_s() / quotas.CPU_SHARE_MAX,
        )

    def refused_share(self) -> float:
        """Return the share of the pages that poll, with the instances that are provisioned."""
        held = quotas.API_INSTANCES_MAX * quotas.STREAMS_PER_INSTANCE
        return max(0.0, 1 - held / self.streams()) if self.streams() else 0

    def polls_per_s(self) -> float:
        return self.refused_share() * self._total(self._polls)

    def more_reads_per_s(self) -> float:
        """Return the documents that polls read in addition to what the streams would have read."""
        spared = self.refused_share() * self._total(lambda _: quotas.STREAM_READS)
        return self.polls_per_s() * quotas.POLL_READS - spared

    def _polls(self, kind: Kind) -> float:
        """Return the polls of one page."""
        busy_s = min(self.policy.typical_s(kind), quotas.OPEN_S)
        return busy_s / quotas.POLL_BUSY_S + (quotas.OPEN_S - busy_s) / quotas.POLL_IDLE_S

    def _total(self, of: Callable[[Kind], float]) -> float:
        return sum(per_s * of(kind) for kind, per_s in self.opened_per_s.items())


def cpu_s() -> float:
    """Return the API's CPU seconds for one creation."""
    return quotas.POST_CPU_S + (quotas.REQUESTS - 1) * quotas.READ_CPU_S
