"""Play many histories on all processors and add up their outcomes."""

import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from tests.simulation.draws import Site
from tests.simulation.faults import ANYWHERE, FAULTS, Faults
from tests.simulation.gates import GATES
from tests.simulation.history import Outcome, Setup, play, two_posts
from tests.simulation.mutants import MUTANTS
from tests.simulation.mutation import broken

PartT = TypeVar("PartT")
BATCH = 100
MEMORY = Path("/dev/shm")
SEEDS_MAX = 5000
"""How many histories are played before a mutant counts as not noticed."""
Fault = tuple[Site, str]
PAIR_SEED = 0
NOT_PROCESSES = (
    "job",
    "sweep",
    "api",
    "generator.operation",
    "generator.reads",
    "media.outage",
    "media.room",
)
"""Kinds of sites at which no process is acting."""


@dataclass
class Tally:
    """Sums over many outcomes."""

    histories: int = 0
    marks: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    """How often each fault happened, by `kind fault`."""
    violations: list[tuple[str, str]] = field(default_factory=list)
    """The name of each failing history and its first violation."""

    def add(self, name: str, outcome: Outcome) -> None:
        self.histories += 1
        self.marks += outcome.marks
        self.endings += outcome.endings
        self.faults += Counter(f"{site.kind} {fault}" for site, fault in outcome.happened)
        if outcome.violations:
            self.violations.append((name, outcome.violations[0]))

    def merge(self, other: "Tally") -> None:
        self.histories += other.histories
        self.marks += other.marks
        self.endings += other.endings
        self.faults += other.faults
        self.violations += other.violations


def at_random(seeds: Iterable[int]) -> Tally:
    """Play a history for each seed."""
    return _spread(_seeds, seeds)


def singles() -> Tally:
    """Play two racing POSTs of one creation under every single fault."""
    plans: list[tuple[Fault, ...]] = [(each,) for each in _possible({})]
    return _spread(_forced, plans)


def pairs(share: int = 1) -> Tally:
    """Play them under every ordered pair of faults, or those with every `share`th first fault."""
    return _spread(_pairs_after, _possible({})[::share], batch=1)


def mutants() -> list[tuple[str, str | None]]:
    """Return each mutant's name and what noticed it."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("fork")) as processes:
        noticed = processes.map(caught, range(len(MUTANTS)))
        return [(mutant.name, how) for mutant, how in zip(MUTANTS, noticed, strict=True)]


def caught(number: int) -> str | None:
    """Return the gate that fails with a mutant, or a seed and its first violation."""
    mutant = MUTANTS[number]
    with broken(mutant):
        if mutant.gate is not None:
            gate = next(gate for gate in GATES if gate.name == mutant.gate)
            failing = gate.failing()
            return failing and f"{gate.name}: {failing}"
        for seed in (mutant.seed, *range(SEEDS_MAX)):
            if violations := play(seed).violations:
                return f"seed {seed}: {violations[0]}"
    return None


def _seeds(seeds: list[int]) -> Tally:
    tally = Tally()
    for seed in seeds:
        tally.add(f"seed {seed}", play(seed))
    return tally


def _forced(plans: list[tuple[Fault, ...]]) -> Tally:
    tally = Tally()
    for plan in plans:
        tally.add(repr(plan), _exactly(dict(plan)))
    return tally


def _pairs_after(firsts: list[Fault]) -> Tally:
    tally = Tally()
    for first in firsts:
        tally.merge(_forced([(first, second) for second in _possible(dict([first]))]))
    return tally


def _exactly(forced: dict[Site, str]) -> Outcome:
    faults = Faults(PAIR_SEED, is_exact=True, forced=forced)
    setup = Setup(is_audited=False, folds=False)
    return play(PAIR_SEED, faults=faults, scenario=two_posts, books_every=1, setup=setup)


def _possible(forced: dict[Site, str]) -> list[Fault]:
    """Return every fault that can be injected after the forced ones, in order of site."""
    sites = list(dict.fromkeys(_exactly(forced).sites))
    last = max((sites.index(site) for site in forced), default=-1)
    return [
        (site, fault)
        for site in sites[last + 1 :]
        for fault in itertools.chain(FAULTS.get(site.kind, ()), _anywhere(site))
    ]


def _anywhere(site: Site) -> Iterable[str]:
    """Return the process faults that can happen at a site."""
    return () if site.kind in NOT_PROCESSES else ANYWHERE


def _keep_files_in_memory() -> None:
    """Use a memory file system: on a disk, creating and removing job folders is slow."""
    if MEMORY.is_dir():
        tempfile.tempdir = str(MEMORY)


def _spread(
    work: Callable[[list[PartT]], Tally], parts: Iterable[PartT], *, batch: int = BATCH
) -> Tally:
    """Do the work in batches on all processors and merge the tallies in order."""
    total = Tally()
    with ProcessPoolExecutor(
        os.cpu_count(), mp_context=get_context("fork"), initializer=_keep_files_in_memory
    ) as processes:
        for tally in processes.map(work, _batches(parts, batch)):
            total.merge(tally)
    return total


def _batches(parts: Iterable[PartT], size: int) -> Iterator[list[PartT]]:
    rest = iter(parts)
    while batch := list(itertools.islice(rest, size)):
        yield batch
