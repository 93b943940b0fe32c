"""`phoenix stats`: what was created, ready and failed in the last hours, how fast and at what cost."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.table import Table

from cli.data import DataOption
from shared.domain.kind import Kind
from shared.domain.ledger import MICRO_USD_PER_USD
from shared.lifecycle.statistics import HOURS_MAX, Interval, KindNumbers, Numbers
from shared.wiring import Phoenix

commands = typer.Typer()

HOURS = 24
NONE = "-"
SHORT = re.compile(r"_([a-z0-9])")


@commands.command()
def stats(
    context: typer.Context,
    *,
    hours: Annotated[
        int, typer.Option(help="The current hour and those before it.", min=1, max=HOURS_MAX)
    ] = HOURS,
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the numbers of the last hours; the newest outcomes follow within two minutes."""
    phoenix = cast("Phoenix", context.obj(data))
    numbers = phoenix.statistics.of(hours)
    if as_json:
        print(json.dumps(json_of(numbers)))
        return
    _print(numbers, Console(soft_wrap=True, highlight=False))


def json_of(value: object) -> object:
    """Return a value as JSON, its fields in camelCase; names of models and codes stay."""
    if is_dataclass(value):
        return {_camel(each.name): json_of(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): json_of(each) for name, each in value.items()}
    return [json_of(each) for each in value] if isinstance(value, list | tuple) else value


def _camel(name: str) -> str:
    return SHORT.sub(lambda match: match[1].upper(), name)


def _print(numbers: Numbers, out: Console) -> None:
    out.print(f"{_minute(numbers.since)} to {_minute(numbers.at)} UTC, by the time of settling.")
    out.print(
        f"{numbers.created} created: {numbers.ready} ready, {numbers.failed} failed; "
        f"{numbers.published} published ({_percent(numbers.published_share)} of the ready ones)"
    )
    out.print(
        f"success {_percent(numbers.success_rate)} without failures of owners, "
        f"refunded {_percent(numbers.refund_rate)}, {_lag(numbers)}"
    )
    if numbers.oldest_unfolded_s is not None:
        out.print(f"Not counted yet: outcomes of the last {_seconds(numbers.oldest_unfolded_s)}.")
    out.print(_kinds(numbers), soft_wrap=False)
    if numbers.failed_by_code:
        out.print(_failures(numbers), soft_wrap=False)
    if numbers.cost_micro_usd:
        out.print(_costs(numbers), soft_wrap=False)
    out.print(_series(numbers), soft_wrap=False)


def _lag(numbers: Numbers) -> str:
    if not numbers.failed:
        return "no refund"
    lags = numbers.refund_lag_median_s, numbers.refund_lag_p95_s, numbers.refund_lag_max_s
    median, most, longest = map(_seconds, lags)
    return f"after the deadline by {median} (median), {most} (95 %), {longest} (longest)"


def _kinds(numbers: Numbers) -> Table:
    columns = ("ready", "failed", "success", "median", "95 %", "dollars")
    table = Table("kind", *columns, "pending", "processing", "oldest waiting")
    for kind in Kind:
        each: KindNumbers = numbers.video if kind is Kind.VIDEO else numbers.image
        table.add_row(
            f"{kind}s",
            str(each.ready),
            str(each.failed),
            _percent(each.success_rate),
            _seconds(each.median_s),
            _seconds(each.p95_s),
            _dollars(each.cost_micro_usd),
            str(each.pending),
            str(each.processing),
            _seconds(each.oldest_waiting_s),
        )
    return table


def _failures(numbers: Numbers) -> Table:
    table = Table("failure", "images", "videos")
    for code in sorted(numbers.failed_by_code):
        counts = (each.failed_by_code.get(code, 0) for each in (numbers.image, numbers.video))
        table.add_row(code, *map(str, counts))
    return table


def _costs(numbers: Numbers) -> Table:
    table = Table("model or day", "dollars")
    for costs in (numbers.cost_micro_usd_by_model, numbers.cost_micro_usd_by_day):
        for name, micro_usd in sorted(costs.items()):
            table.add_row(name, _dollars(micro_usd))
    table.add_row("all", _dollars(numbers.cost_micro_usd))
    return table


def _series(numbers: Numbers) -> Table:
    table = Table("from (UTC)", "ready", "failed", "image median", "video median", "dollars")
    for each in numbers.series:
        table.add_row(_minute(each.begins_at), *_interval(each))
    return table


def _interval(each: Interval) -> tuple[str, ...]:
    return (
        str(each.ready),
        str(each.failed),
        _seconds(each.median_s.image),
        _seconds(each.median_s.video),
        _dollars(each.cost_micro_usd),
    )


def _percent(share: float | None) -> str:
    return NONE if share is None else f"{share:.1%}"


def _seconds(seconds: float | None) -> str:
    return NONE if seconds is None else f"{seconds:,.0f} s"


def _dollars(micro_usd: int) -> str:
    return f"{micro_usd / MICRO_USD_PER_USD:,.2f}"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
