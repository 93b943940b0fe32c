"""Thousands of histories of the real lifecycle without a violation."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from jobs import attempt
from shared.lifecycle import claims
from tests.simulation import campaign
from tests.simulation.draws import Site
from tests.simulation.faults import FAULTS, Faults
from tests.simulation.gates import GATES, AnyGate
from tests.simulation.history import Setup, play, ten_abusers, two_posts
from tests.simulation.mutants import (
    MUTANTS,
    NO_LIMIT,
    NO_WITHDRAWAL,
    UNKNOWN_COMPLETE_ENDS_THE_PROCESS,
    UNKNOWN_COMPLETE_IS_REFUNDED,
)
from tests.simulation.mutation import broken
from tests.simulation.shrinking import minimised, shrink

HERE = Path(__file__).parent
REGRESSIONS = tomllib.loads((HERE / "regressions.toml").read_text())["history"]
SEEDS = 2500
MARKS_MIN = {
    "already_started": 100,
    "cancelled": 30,
    "cancelled_while_processing": 20,
    "deleted": 500,
    "drained": 1500,
    "failed_deadline_exceeded": 50,
    "failed_internal": 15,
    "failed_queue_unavailable": 100,
    "failed_storage_failed": 15,
    "fenced_complete": 1,
    "folded": 1500,
    "found_in_place": 40,
    "generator_misconfigured": 20,
    "group_in_part": 15,
    "group_opened": 150,
    "group_replayed_in_part": 100,
    "handed_back": 100,
    "late_commit": 100,
    "lease_lost": 8,
    "liked": 500,
    "not_discarded": 60,
    "published": 1000,
    "rate_limited": 300,
    "read_refused": 300,
    "refunded_by_api": 100,
    "refunded_by_job": 100,
    "refunded_by_owner": 30,
    "refunded_by_sweep": 50,
    "replay_after_delete": 500,
    "refused_paused": 20,
    "refused_queue_full": 10,
    "refused_spending_limit": 10,
    "refused_too_many_free_outcomes": 20,
    "requeued": 100,
    "resumed_operation": 300,
    "retried": 200,
    "retry_later": 100,
    "withdrawal_failed": 50,
    "withdrawal_refused": 10,
    "withdrawn": 200,
    "search_found": 300,
    "second_image_start": 80,
    "start_unanswered": 100,
    "storage_full": 100,
    "stored_in_vain": 1500,
    "taken_back": 200,
    "unknown_start_found": 40,
    "unliked": 300,
    "unpublished": 1000,
}
"""How often each rare branch must be reached at least."""
FAULT_MIN = 3
"""How often each fault of the table must happen at least."""


@pytest.mark.parametrize("regression", REGRESSIONS, ids=lambda each: str(each["seed"]))
def test_regression_seed_has_no_violation(regression: dict[str, str]) -> None:
    assert play(int(regression["seed"])).violations == []


def test_ten_abusers_do_not_delay_another_account() -> None:
    """Each opens and cancels 60 videos; an eleventh account's video is ready in time."""
    outcome = play(7, faults=Faults(7, is_exact=True), scenario=ten_abusers)

    assert outcome.violations == []
    assert set(outcome.endings) == {"draft", "failed cancelled"}, "eve cancels nothing"
    assert outcome.endings["failed cancelled"] == 100
    assert outcome.marks["refused_too_many_free_outcomes"] >= 450
    assert outcome.endings["draft"] <= outcome.executions <= 20


def test_ten_abusers_delay_another_account_without_limit_withdrawal_and_draining() -> None:
    """Draining alone would be enough: an execution that finds nothing to claim takes what waits."""
    faults, alone = Faults(7, is_exact=True), Setup(drains=False)
    with broken(NO_WITHDRAWAL), broken(NO_LIMIT):
        outcome = play(7, faults=faults, scenario=ten_abusers, setup=alone)

    assert outcome.endings["failed deadline_exceeded"] >= 1


@pytest.mark.slow
def test_random_histories_have_no_violation_and_reach_the_rare_branches() -> None:
    tally = campaign.at_random(range(SEEDS))

    assert tally.violations == []
    assert {
        mark: tally.marks[mark] for mark, least in MARKS_MIN.items() if tally.marks[mark] < least
    } == {}
    faults = [f"{kind} {fault}" for kind, each in FAULTS.items() for fault in each]
    assert {fault: tally.faults[fault] for fault in faults if tally.faults[fault] < FAULT_MIN} == {}


def test_first_sixty_histories_have_no_violation() -> None:
    assert [play(seed).violations for seed in range(60)] == [[]] * 60


def test_two_racing_posts_survive_every_single_fault() -> None:
    tally = campaign.singles()

    assert tally.violations == []
    assert tally.histories > 200
    assert tally.endings["draft"] > 0.9 * tally.histories


@pytest.mark.slow
def test_two_racing_posts_survive_a_sample_of_all_pairs_of_faults() -> None:
    tally = campaign.pairs(share=40)

    assert tally.violations == []
    assert tally.histories > 1500


@pytest.mark.slow
@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.name)
def test_gate_holds_without_mutants(gate: AnyGate) -> None:
    assert gate.failing() is None


def test_trace_depends_on_the_seed_and_not_on_the_hash_seed() -> None:
    program = (
        "from tests.simulation.history import play;"
        "print([play(seed, is_traced=True).trace_hash for seed in range(12)])"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=HERE.parent.parent,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "4711")
    }

    assert len(answers) == 1
    assert len(set(answers.pop().split(","))) == 12


def test_failing_history_shrinks_to_a_few_faults_and_operations() -> None:
    mutant = next(
        each for each in MUTANTS if each.name == "a refund does not free the in-flight slot"
    )
    with broken(mutant):
        outcome = next(each for each in map(play, range(100)) if each.violations)
        least = shrink(outcome)

    assert len(least.faults) + len(least.operations) <= 3 < len(outcome.happened)
    assert least.outcome.violations[0].split()[0] == outcome.violations[0].split()[0]


def test_minimising_keeps_exactly_the_necessary_parts() -> None:
    assert minimised(range(100), lambda parts: {7, 42, 99} <= set(parts)) == [7, 42, 99]


def five_lost_completions() -> Faults:
    calm = play(0, faults=Faults(0, is_exact=True), scenario=two_posts)
    assert calm.endings == {"draft": 1}
    commits = [site for site in calm.sites if site.kind == "store.commit" and "job" in site.actor]
    last = next(site for site in reversed(commits) if "beat" not in site.actor)
    forced = {Site(last.actor, last.kind, last.nth + rerun): "lost" for rerun in range(5)}
    return Faults(0, is_exact=True, forced=forced)


def test_completion_of_unknown_outcome_is_repeated_and_never_refunded() -> None:
    faults = five_lost_completions()
    outcome = play(0, faults=faults, scenario=two_posts)
    with broken(UNKNOWN_COMPLETE_IS_REFUNDED):
        refunded = play(0, faults=five_lost_completions(), scenario=two_posts)
    with broken(UNKNOWN_COMPLETE_ENDS_THE_PROCESS):
        restarted = play(0, faults=five_lost_completions(), scenario=two_posts)

    assert len(faults.happened) == 5
    assert (outcome.endings, outcome.violations) == ({"draft": 1}, [])
    assert (outcome.attempts, restarted.attempts) == (1, 2)
    assert refunded.endings == {"failed storage_failed": 1}


def test_a_mutant_lasts_as_long_as_its_block() -> None:
    before = (vars(claims.Claims)["claim"], vars(attempt.Attempt)["run"])
    for mutant in MUTANTS:
        with broken(mutant):
            pass

    assert (vars(claims.Claims)["claim"], vars(attempt.Attempt)["run"]) == before
