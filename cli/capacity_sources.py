"""What `phoenix capacity --sources` prints: quotas and prices with their pages, and assumptions."""

from collections.abc import Iterable

from rich.console import Console

from cli import quotas
from cli.capacity_model import DAYS_PER_MONTH
from shared.adapters.google_models.cards import ModelCard
from shared.domain.brief import DURATION_DEFAULT_S
from shared.domain.kind import Kind


def print_sources(out: Console, cards: Iterable[ModelCard]) -> None:
    """Print the quotas and prices below their vendor's page."""
    quotes = [*map(quotas.of_generator, cards), *quotas.QUOTES]
    out.print("\nQuotas and prices, with the day on which a copy of the page was read:")
    for source in dict.fromkeys(each.source for each in quotes):
        out.print(source)
        for each in quotes:
            if each.source == source:
                value = f"{each.value:,.7f}".rstrip("0").rstrip(".")
                origin = f"assumed: {each.assumed}" if each.assumed else each.read
                out.print(f"  {each.what}: {value} ({origin})", markup=False)
    out.print("\nAssumptions:")
    for line in assumptions():
        out.print(f"* {line}", markup=False)


def assumptions() -> list[str]:
    """Return what the model takes for granted, one sentence each."""
    sizes = " and ".join(f"{quotas.MEDIA_MB[kind]:g} MB for each {kind}" for kind in Kind)
    in_use = " or ".join(f"{quotas.OCCUPANCY[kind]:.0%} ({kind}s)" for kind in Kind)
    return [
        (
            "Half of a day's creations arrive at the peak rate, the other half evenly. A month has "
            f"{DAYS_PER_MONTH} days, and nothing fails or is run again."
        ),
        "One execution for each creation is priced as if the queue and jobs:run allowed it.",
        (
            f"An execution takes {quotas.START_S} s to start. When executions share, {in_use} of their "
            "places are in use (simulated), and their lengths are exponentially distributed."
        ),
        (
            f"Each creation has {quotas.REQUESTS} requests. A POST takes {1000 * quotas.POST_CPU_S:g} ms of "
            f"CPU (measured), other requests {1000 * quotas.READ_CPU_S:g} ms; "
            f"{quotas.CPU_SHARE_MAX:.0%} of a CPU may be in use."
        ),
        (
            f"Each creation has a page of an owner with {quotas.POLL_READS} creations. It is visible for "
            f"{quotas.OPEN_S} s. Its stream ends {quotas.SETTLED_S} s after the creation is ready. Without "
            f"a stream, it polls every {quotas.POLL_BUSY_S} s until the creation is ready, then every "
            f"{quotas.POLL_IDLE_S} s; each poll reads all {quotas.POLL_READS}."
        ),
        "Feeds and profiles are served by a cache and cost nothing.",
        (
            f"Stored: {sizes}, each read {quotas.VIEWS} times, and {quotas.FIRESTORE_KB} KB of "
            f"documents and index entries; {quotas.LOG_KB} KB of logs."
        ),
        (
            f"A video is {DURATION_DEFAULT_S} s long. Files that a generator keeps in Cloud Storage for "
            "a day cost nothing."
        ),
        (
            f"An account makes {quotas.CREATIONS_OF_AN_ACCOUNT} creations a month. The nightly audit reads "
            "each account and its checkpoint; of accounts with new entries also these, the creations that "
            "they name and their entries. The weekly one reads everything."
        ),
    ]
