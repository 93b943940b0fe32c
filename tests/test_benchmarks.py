"""The benchmark's own arithmetic, and its smallest measurement from end to end."""

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.bench import Bench
from benchmarks.phoenix import Size, filled, served
from benchmarks.processes import BenchError, check_programs
from benchmarks.results import HEAD, LOSSES, Results, recorded
from benchmarks.table import Goal, Row, Samples, Table
from benchmarks.trees import Tree, this_tree
from benchmarks.wrk import Load, parsed, together
from tests.support.machine import needs

LINE = (
    '{"requests": 900, "duration_us": 2000000, "p50_us": 1500, "p99_us": 20000,'
    ' "bad": {"none": 0, "503": 2}}'
)


def a_load(**changes: float) -> Load:
    values = {"duration_s": 2.0, "p50_ms": 1.0, "p99_ms": 5.0, **changes}
    return Load(requests=100, bad=Counter({"503": 1}), **values)


def a_row(goal: Goal | None = None, bad: int = 0, **samples: list[float]) -> Row:
    counts = Counter({"503": bad}) if bad else Counter()
    return Row(what="req/s", samples=samples, goal=goal, bad={"now": counts})


def test_last_line_of_wrk_is_its_load() -> None:
    load = parsed(f"Running 2s test\n  1 threads\n{LINE}\n")

    assert load == Load(requests=900, duration_s=2, p50_ms=1.5, p99_ms=20, bad=Counter({"503": 2}))
    assert load.per_s == 450


@pytest.mark.parametrize("output", ["", "unable to connect", "{}", '{"requests": 1}'])
def test_other_output_of_wrk_is_an_error(output: str) -> None:
    with pytest.raises(BenchError):
        parsed(output)


def test_loads_of_two_servers_add_their_rates_and_keep_the_worst_latency() -> None:
    both = together([a_load(), a_load(duration_s=2.5, p99_ms=9.0)])

    assert both.per_s == pytest.approx(50 + 40)
    assert (both.p50_ms, both.p99_ms, both.bad) == (1, 9, Counter({"503": 2}))


def test_row_shows_medians_and_their_ratio() -> None:
    row = a_row(before=[400, 100, 200], now=[700, 500, 600])

    assert (row.median("before"), row.median("now"), row.ratio) == (200, 600, 3)
    assert a_row(now=[1]).ratio is None


@pytest.mark.parametrize(
    ("goal", "holds"),
    [
        (Goal(limit=2.5, at_least=True, than="before"), True),
        (Goal(limit=3.5, at_least=True, than="before"), False),
        (Goal(limit=600), True),
        (Goal(limit=599), False),
        (Goal(limit=1, than="old design"), None),
    ],
)
def test_goal_is_a_limit_or_a_multiple(goal: Goal, *, holds: bool | None) -> None:
    assert a_row(goal, before=[200], now=[600]).holds is holds


def test_bad_answer_fails_the_goal_of_its_row() -> None:
    assert a_row(Goal(limit=1000), bad=1, now=[600]).holds is False


def test_table_has_a_row_for_each_figure_of_a_load() -> None:
    samples = Samples("POST", ["before", "now"])
    samples.add_load("before", 1, a_load(), cpu_ms=2.0)
    samples.add_load("now", 1, a_load(), cpu_ms=1.0)

    table = samples.table({"p99 ms, 1 connection": Goal(limit=100), "p99 ms, 64": Goal(limit=1)})

    assert [row.what.partition(",")[0] for row in table.rows] == [
        *("req/s", "p50 ms", "p99 ms", "CPU ms")
    ]
    assert table.rows[3].ratio == 0.5
    assert table.rows[2].holds is False
    assert "Not measured in this run: p99 ms, 64." in table.markdown()
    assert "| before 1 x 503; now 1 x 503 |" in table.markdown()


def test_run_replaces_only_its_own_sections_of_the_record() -> None:
    text = f"{HEAD}\n## POST\n\nold\n\n## Hostile bodies\n\nkept\n\n## {LOSSES}\n\nold\n"
    results = Results(before="a", now="b", tables=[Table("POST", ["now"], [a_row(now=[7])])])

    new = recorded(text, results)

    assert "| req/s | 7.00 |" in new
    assert "## Hostile bodies\n\nkept\n" in new
    assert "old\n" not in new
    assert recorded(new, results) == new


def test_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(BenchError, match="sudo apt-get install wrk redis-server"):
        check_programs("wrk", "redis-server")


def test_tree_that_would_run_other_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="would run the code of"):
        Tree("before", tmp_path, "abc").check()


@pytest.mark.slow
@needs("wrk")
def test_every_post_of_a_short_load_is_accepted(tmp_path: Path) -> None:
    tree = this_tree()
    bench = Bench(before=tree, now=tree, folder=tmp_path, is_quick=True)
    data = filled(tree, tmp_path / "data", Size(users=2))

    with served(tree, data, bench.scratch()) as server:
        load, cpu_ms = bench.load(server, data.posts(), connections=2)

    assert load.requests > 10
    assert load.bad == Counter()
    assert 0 < cpu_ms < 1000
