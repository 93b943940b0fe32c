"""Dollars a month of a number of creations a day, by part."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cli import quotas
from cli.capacity_model import DAY_S, DAYS_PER_MONTH, Demand, Model
from shared.domain.kind import Kind

MILLION = 1_000_000
READS_PRICED = 100_000
KIB_PER_GIB = 1024 * 1024
MB_PER_GB = 1000
GIB_PER_GB = 1000**3 / 1024**3
TASK_OPERATIONS = 2
"""A creation's task is created, and dispatched or deleted."""
R2_WRITES = 2
"""A file and its thumbnail."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """`price_usd` is the vendor's for one creation; media and documents are kept for months."""

    demand: Demand
    model: Model
    price_usd: Mapping[Kind, float]
    kept_months: float

    def by_part_usd(self) -> dict[str, float]:
        return {
            "generator": sum(self.per_month(kind) * self.price_usd[kind] for kind in Kind),
            "jobs": self.jobs_usd(),
            "Firestore reads": self.reads() * quotas.FIRESTORE_READ.value / READS_PRICED,
            "Firestore writes": self._writes() * quotas.FIRESTORE_WRITE.value / READS_PRICED,
            "Firestore storage": self._kept() * quotas.FIRESTORE_KB / KIB_PER_GIB
            * quotas.FIRESTORE_GIB.value,
            "audit": self.audit_usd(),
            "API": self._api_usd(),
            "Cloud Tasks": beyond(self._all() * TASK_OPERATIONS, quotas.TASKS_FREE.value)
            * quotas.TASK_OPERATION.value / MILLION,
            "R2 storage": self._media_gb() * self.kept_months * quotas.R2_GB.value,
            "R2 operations": self._all() * R2_WRITES
            * (quotas.R2_CLASS_A.value + quotas.VIEWS * quotas.R2_CLASS_B.value) / MILLION,
            "network to R2": self._media_gb() * GIB_PER_GB * quotas.NETWORK_GIB.value,
            "logs": beyond(self._all() * quotas.LOG_KB / KIB_PER_GIB, quotas.LOGS_FREE_GIB.value)
            * quotas.LOG_GIB.value,
        }  # fmt: skip

    def per_month(self, kind: Kind) -> float:
        return self.demand.mean_per_s(kind) * DAY_S * DAYS_PER_MONTH

    def jobs_usd(self) -> float:
        vcpu_s = gib_s = 0.0
        for kind in Kind:
            size, billed_s = quotas.JOB_SIZES[kind], self.billed_s(kind)
            vcpu_s += billed_s * size.vcpu
            gib_s += billed_s * size.gib
        return (
            beyond(vcpu_s, quotas.JOB_FREE_VCPU_S.value) * quotas.JOB_VCPU_S.value
            + beyond(gib_s, quotas.JOB_FREE_GIB_S.value) * quotas.JOB_GIB_S.value
        )

    def billed_s(self, kind: Kind) -> float:
        """Return the seconds of executions billed in a month."""
        total_s = 0.0
        for seconds, factor in self.demand.phases():
            made = self.model.executions(kind, self.demand.mean_per_s(kind) * factor)
            total_s += seconds * made.per_s * made.billed_s
        return total_s

    def reads(self) -> float:
        """Return the documents read in a month, without those of the audit."""
        total = 0.0
        for seconds, factor in self.demand.phases():
            for kind in Kind:
                per_s = self.demand.mean_per_s(kind) * factor
                total += seconds * per_s * self.model.reads(kind, per_s)
        return total + self._instance_s() / self.model.policy.gauges_every_s * quotas.GAUGE_READS

    def _writes(self) -> float:
        return sum(self.per_month(kind) * self.model.writes(kind) for kind in Kind)

    def audit_usd(self) -> float:
        """Return what the nightly audit of what is new, and the weekly one of everything, cost.

        The nightly one looks at every account, and writes the checkpoint of each one that it checked.
        """
        accounts = self._all() / quotas.CREATIONS_OF_AN_ACCOUNT
        accounts_reads = accounts * quotas.ACCOUNT_DOCUMENTS
        nightly = DAYS_PER_MONTH * accounts_reads + self._all() * quotas.NEW_DOCUMENTS
        whole = accounts_reads + self._kept() * quotas.AUDITED_DOCUMENTS
        reads = nightly + quotas.WHOLE_AUDITS_PER_MONTH * whole
        checkpoints = DAYS_PER_MONTH * min(accounts, self.demand.per_day)
        return (
            reads * quotas.FIRESTORE_READ.value + checkpoints * quotas.FIRESTORE_WRITE.value
        ) / READS_PRICED

    def _api_usd(self) -> float:
        return self._instances_usd(self._instance_s()) + requests_usd(self._all() * quotas.REQUESTS)

    def polling_usd(self) -> float:
        """Return what polls add in a month, if the API keeps the instances of the provisioning."""
        reads = requests = 0.0
        for seconds, factor in self.demand.phases():
            pages = self.model.pages(self.demand, factor)
            reads += seconds * pages.more_reads_per_s()
            requests += seconds * pages.polls_per_s()
        return reads * quotas.FIRESTORE_READ.value / READS_PRICED + requests_usd(requests)

    def spared_usd(self) -> float:
        """Return what these instances would cost less in a month than those that streams need."""
        kept_s = self._instance_s(at_most=quotas.API_INSTANCES_MAX)
        return self._instances_usd(self._instance_s() - kept_s)

    def _instances_usd(self, seconds: float) -> float:
        return seconds * (quotas.API_VCPU_S.value + quotas.API_GIB_S.value)

    def _instance_s(self, at_most: float = math.inf) -> float:
        """Return the seconds of API instances billed in a month; each has 1 vCPU and 1 GiB."""
        return sum(
            seconds * min(at_most, self.model.pages(self.demand, factor).instances())
            for seconds, factor in self.demand.phases()
        )

    def _media_gb(self) -> float:
        return sum(self.per_month(kind) * quotas.MEDIA_MB[kind] for kind in Kind) / MB_PER_GB

    def _all(self) -> float:
        return self.demand.per_day * DAYS_PER_MONTH

    def _kept(self) -> float:
        return self._all() * self.kept_months


def requests_usd(requests: float) -> float:
    return requests * quotas.API_REQUEST.value / MILLION


def beyond(amount: float, free: float) -> float:
    return max(0.0, amount - free)
