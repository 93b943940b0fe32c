"""The audit of operators' acts."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from shared.domain.failure import FailureCode
from shared.domain.operating import OperatorAct, Verb
from shared.lifecycle import acts_audit
from shared.lifecycle.replaying import ReplayRequest
from tests.support.builders import ADA, NOON
from tests.support.documents import put
from tests.support.world import World


@pytest.fixture
def wrong(tmp_path: Path) -> Iterator[World]:
    """A world whose books may have violations when the test ends."""
    with closing(World(tmp_path)) as world:
        yield world


def acted(world: World) -> None:
    """Let an operator grant, replay, rerun, unpublish, pause and sweep."""
    world.failed()
    operating = world.phoenix.operating
    operating.grant(ADA, 5, reference="r", reason="an outage")
    request = ReplayRequest(code=FailureCode.INTERNAL, since=NOON, is_granted=True)
    [replayed] = world.phoenix.replaying.replay(request)
    world.phoenix.failing.cancel(replayed.creation_id, owner=ADA)
    world.phoenix.opening.rerun(replayed.creation_id, execution="by-hand")
    operating.unpublish(world.published().creation_id, reason="spam")
    operating.sweep()


@pytest.mark.parametrize("at_once", [1, 3, 200])
def test_acts_of_every_kind_agree_with_the_ledger(
    world: World, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(acts_audit, "READ_AT_ONCE", at_once)
    acted(world)
    acts = [each for each in world.sqlite.everything() if isinstance(each, OperatorAct)]

    assert {each.verb for each in acts} >= {Verb.GRANT, Verb.REPLAY, Verb.RERUN, Verb.UNPUBLISH}
    assert world.violations() == []


@pytest.mark.parametrize("verb", [Verb.GRANT, Verb.REPLAY, Verb.RERUN])
def test_act_that_the_ledger_contradicts_is_named(wrong: World, verb: Verb) -> None:
    acted(wrong)
    acts = [each for each in wrong.sqlite.everything() if isinstance(each, OperatorAct)]
    act = next(each for each in acts if each.verb is verb and each.tokens)
    with closing(sqlite3.connect(wrong.folder / "store.db")) as connection:
        connection.executescript("DROP TRIGGER acts_are_not_changed")
        connection.execute(
            "UPDATE operatorActs SET document = json_set(document, '$.tokens', 7) WHERE id = ?",
            [act.act_id],
        )
        connection.commit()

    [violation] = wrong.violations()

    assert (violation.invariant, violation.document) == ("I22", act.act_id)


def test_act_without_its_entry_is_named(wrong: World) -> None:
    act = OperatorAct(act_id="grant_x", verb=Verb.GRANT, user_id=ADA, tokens=5, created_at=NOON)
    put(wrong.sqlite, act)
    put(wrong.sqlite, replace(act, act_id="a_replay_x", verb=Verb.REPLAY, user_id=None))

    assert [each.document for each in wrong.violations()] == ["grant_x"]


def test_unreadable_act_hides_no_other(wrong: World) -> None:
    act = OperatorAct(act_id="grant_x", verb=Verb.GRANT, user_id=ADA, tokens=5, created_at=NOON)
    put(wrong.sqlite, act)
    with closing(sqlite3.connect(wrong.folder / "store.db")) as connection:
        connection.execute(
            "INSERT INTO operatorActs SELECT 'damaged', json_set(document, '$.verb', 'teleport')"
            " FROM operatorActs"
        )
        connection.commit()

    assert [(each.invariant, each.document) for each in wrong.violations()] == [
        ("I0", "operatorActs/damaged"),
        ("I22", "grant_x"),
    ]
