"""`python -m tests.simulation`: random histories, every pair of faults, or one history in detail."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Annotated

import typer

from tests.simulation import campaign
from tests.simulation.campaign import Tally
from tests.simulation.history import Outcome, play
from tests.simulation.shrinking import shrink

SHOWN_MAX = 20


def main(
    seeds: Annotated[int, typer.Option(help="number of histories")] = 10_000,
    first: Annotated[int, typer.Option(help="first seed")] = 0,
    seed: Annotated[int | None, typer.Option(help="play only this history")] = None,
    *,
    trace: Annotated[bool, typer.Option(help="print its trace")] = False,
    mutants: Annotated[bool, typer.Option(help="print what noticed each mutant")] = False,
    pairs: Annotated[
        bool, typer.Option(help="also play every single fault and every pair of faults")
    ] = False,
) -> None:
    """Run the real lifecycle under fault injection; exit 1 if an invariant is violated."""
    if seed is not None:
        _one(seed, is_traced=trace)
        return
    if mutants:
        for name, how in campaign.mutants():
            print(f"{name}: {how or 'NOT NOTICED'}")
        return
    is_broken = _report("at random", lambda: campaign.at_random(range(first, first + seeds)))
    if pairs:
        is_broken |= _report("every fault", campaign.singles)
        is_broken |= _report("every ordered pair of faults", campaign.pairs)
    raise typer.Exit(is_broken)


def _report(title: str, played: Callable[[], Tally]) -> bool:
    began_s = time.monotonic()
    tally = played()
    took_s = time.monotonic() - began_s
    print(f"{title}: {tally.histories} histories in {took_s:.0f} s", end="")
    print(f" ({tally.histories / took_s:.0f}/s), {len(tally.violations)} with a violation")
    print("  endings:", _listed(tally.endings))
    print("  marks:", _listed(tally.marks))
    for name, violation in tally.violations[:SHOWN_MAX]:
        print(f"  {name}: {violation}")
    return bool(tally.violations)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _one(seed: int, *, is_traced: bool) -> None:
    """Play one history; shrink it if it violates an invariant."""
    outcome = play(seed, is_traced=True)
    if is_traced:
        print("\n".join(outcome.trace or []))
    print(f"seed {seed}: {_listed(outcome.endings)}; trace {outcome.trace_hash}")
    print(*outcome.violations, sep="\n")
    if outcome.violations:
        _print_shrunk(outcome)
        raise typer.Exit(1)


def _print_shrunk(outcome: Outcome) -> None:
    least = shrink(outcome)
    print("\nminimal reproduction:")
    for site, fault in least.faults.items():
        print(f"  {fault} at {site.actor}, {site.kind} {site.nth}")
    for operation in least.operations:
        print(f"  {operation}")
    print(*least.outcome.violations, sep="\n")


if __name__ == "__main__":
    typer.run(main)
