"""`phoenix capacity`: what binds first at a number of creations a day, and what they cost."""

import math
import os
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli import quotas
from cli.capacity_costs import Costs
from cli.capacity_model import (
    DAYS_PER_MONTH,
    PER_DAY_MAX,
    Demand,
    Model,
    Wall,
    draining_begins_at,
    in_order,
    to_raise,
)
from cli.capacity_sources import print_sources
from shared import settings
from shared.adapters.google_models.cards import CallStyle, ModelCard, Surface, known_cards
from shared.domain.brief import DURATION_DEFAULT_S
from shared.domain.errors import WrongSetting
from shared.domain.kind import Kind
from shared.settings import GCPBackend, Settings
from shared.settings.backends import GCP_MODELS

commands = typer.Typer()
out = Console(soft_wrap=True, highlight=False)

PEAK_MAX = 24
MONTHS_MAX = 120
FIRST = 4
"""How many limits are named in order."""
ROUND_FROM = 100
PEAK, VIDEO_SHARE, KEPT_MONTHS = "3", "0.1", "12"


@commands.command()
def capacity(
    *,
    per_day: Annotated[str, typer.Option(metavar="N", help="Creations a day.")],
    peak: Annotated[str, typer.Option(help="Peak rate over the day's mean.")] = PEAK,
    video_share: Annotated[str, typer.Option(help="Videos among creations, 0 to 1.")] = VIDEO_SHARE,
    kept_months: Annotated[str, typer.Option(help="How long media are kept.")] = KEPT_MONTHS,
    sources: Annotated[
        bool, typer.Option("--sources", help="Also print quotas and prices with their sources.")
    ] = False,
) -> None:
    """Print what binds first at a number of creations a day, and dollars a month by part."""
    demand = Demand(
        per_day=number("--per-day", per_day, least=1, most=PER_DAY_MAX),
        peak=number("--peak", peak, least=1, most=PEAK_MAX),
        video_share=number("--video-share", video_share, least=0, most=1),
    )
    months = number("--kept-months", kept_months, least=0, most=MONTHS_MAX)
    loaded = settings.load(dict(os.environ))
    cards = {kind: card_of(loaded, kind) for kind in Kind}
    is_veo = cards[Kind.VIDEO].call_style is CallStyle.GENERATE_VIDEOS
    alone = Model(policy=loaded.policy, drains=False, is_veo=is_veo)
    draining = replace(alone, drains=True)
    _print_demand(demand, cards, months)
    _print_walls(alone, draining, demand)
    costs = [_costs(demand, model, cards, months) for model in (alone, draining)]
    _print_costs(costs)
    _print_polling(costs[-1])
    if sources:
        print_sources(out, cards.values())


def number(option: str, text: str, *, least: float, most: float) -> float:
    """Return an option's number, or raise `WrongSetting`."""
    try:
        value = float(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:  # also if it is not a number
        raise WrongSetting(setting=option, reason=f"must be a number from {least:g} to {most:,}")
    return value


def card_of(loaded: Settings, kind: Kind) -> ModelCard:
    """Return the card of the configured model; on one machine, of the cloud's default."""
    backend = loaded.backend
    name = backend.model_of(kind) if isinstance(backend, GCPBackend) else GCP_MODELS[kind]
    wanted = (kind, Surface.AGENT_PLATFORM, name)
    return next(card for card in known_cards() if (card.kind, card.surface, card.model) == wanted)


def _costs(demand: Demand, model: Model, cards: dict[Kind, ModelCard], months: float) -> Costs:
    price_usd = {
        Kind.IMAGE: cards[Kind.IMAGE].price_usd,
        Kind.VIDEO: cards[Kind.VIDEO].price_usd * DURATION_DEFAULT_S,
    }
    return Costs(demand=demand, model=model, price_usd=price_usd, kept_months=months)


def _print_demand(demand: Demand, cards: dict[Kind, ModelCard], months: float) -> None:
    begins_at = draining_begins_at(demand)
    peaks = ", ".join(f"{60 * demand.peak_per_s(kind):,.1f} {kind}s a minute" for kind in Kind)
    models = " and ".join(cards[kind].model for kind in Kind)
    out.print(f"{demand.per_day:,.0f} creations a day, {demand.video_share:.0%} of them videos.")
    out.print(f"At the peak, {demand.peak:g} times the mean: {peaks}.")
    out.print(f"Generators: {models}; media and documents are kept for {months:g} months.")
    for kind, at in begins_at.items():
        rate = f"{kind}s: below {quotas.DISPATCHES_PER_MIN[kind]} a minute"
        when = "" if math.isinf(at) else f", at the peak of {at:,.0f} creations a day"
        out.print(f"{rate}{when}, each task starts its own execution: draining saves nothing.")


def _print_walls(alone: Model, draining: Model, demand: Demand) -> None:
    """Print each limit, without draining and with it."""
    table = Table(
        "at the peak", "limit", "needed *", "needed", "a day up to *", "a day up to", "past it"
    )
    without = {wall.what: wall for wall in alone.walls()}
    for wall in draining.walls():
        pair = (without.get(wall.what), wall)
        needed = [_rounded(each.load(demand)) if each else "" for each in pair]
        table.add_row(wall.what, _rounded(wall.limit), *needed, *_most(pair, demand), wall.past)
    out.print("\nLimits, with one execution for each creation (*) and with draining:")
    out.print(table, soft_wrap=False)
    for name, model in {"One execution each": alone, "Draining": draining}.items():
        first = [f"{wall.what} ({at:,})" for wall, at in in_order(model.walls(), demand)]
        out.print(f"{name}, what binds first: {', '.join(first[:FIRST])} a day.")
    raised = [f"{what} to {least:,}" for what, least in to_raise(draining.walls(), demand).items()]
    if raised:
        out.print(f"Draining at this peak, raise at least: {', '.join(raised)}.")


def _rounded(value: float) -> str:
    return f"{value:,.0f}" if value >= ROUND_FROM else f"{value:.3g}"


def _most(walls: tuple[Wall | None, Wall], demand: Demand) -> list[str]:
    found = [each.holds_up_to(demand) if each else 0 for each in walls]
    return ["never binds" if most is None else f"{most:,}" if most else "" for most in found]


def _print_costs(costs: list[Costs]) -> None:
    table = Table("dollars a month", "one execution each", "draining", "for 1,000")
    parts = [each.by_part_usd() for each in costs]
    per_thousand = costs[-1].demand.per_day * DAYS_PER_MONTH / 1000
    for name, alone_usd in parts[0].items():
        table.add_row(name, *_amounts(alone_usd, parts[1][name], per_thousand))
    totals = [sum(each.values()) for each in parts]
    without = [total - each["generator"] for total, each in zip(totals, parts, strict=True)]
    table.add_row("all but the generator", *_amounts(without[0], without[1], per_thousand))
    table.add_row("all", *_amounts(totals[0], totals[1], per_thousand))
    out.print()
    out.print(table, soft_wrap=False)


def _print_polling(costs: Costs) -> None:
    """Print what the pages past the provisioned streams do, and what that costs."""
    pages = costs.model.pages(costs.demand, costs.demand.peak)
    if share := pages.refused_share():
        out.print(
            f"The API's part has an instance for each {quotas.STREAMS_PER_INSTANCE} streams. With "
            f"{quotas.API_INSTANCES_MAX} only, {share:.0%} of the pages poll at the peak, "
            f"{pages.polls_per_s():,.0f} requests a second: polls add {costs.polling_usd():,.0f} dollars "
            f"a month, and the instances cost {costs.spared_usd():,.0f} less."
        )


def _amounts(alone_usd: float, draining_usd: float, per_thousand: float) -> tuple[str, str, str]:
    return f"{alone_usd:,.0f}", f"{draining_usd:,.0f}", f"{draining_usd / per_thousand:.4f}"
