"""The audit of operators' acts (I22): each grant and debit that an act records is in the ledger.

The other direction is not checked: releases before the acts left entries without one.
"""

from collections.abc import Iterator, Sequence

from shared.domain.errors import Unavailable
from shared.domain.ledger import Actor, LedgerEntry, debit_id, entry_key
from shared.domain.operating import OperatorAct, Verb
from shared.lifecycle.paging import READ_AT_ONCE
from shared.lifecycle.violation import Violation
from shared.ports.store import Cursor, Page, Store, Stored

INVARIANT = "I22"


def act_violations(store: Store) -> Iterator[Violation]:
    """Check every act, in memory that does not grow with their number."""
    after: Cursor | None = None
    while page := store.acts(Page(READ_AT_ONCE, after)):
        acts: list[OperatorAct] = []
        for each in page:
            act = _parsed(each)
            if isinstance(act, Violation):
                yield act
            else:
                acts.append(act)
        yield from _of_page(store, acts)
        if len(page) < READ_AT_ONCE or not acts:
            return
        after = Cursor(acts[-1].created_at, acts[-1].act_id)


def _parsed(stored: Stored[OperatorAct]) -> OperatorAct | Violation:
    try:
        return stored.parse()
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 (damage has no limits; the audit must report the rest)
        document = f"operatorActs/{stored.version.partition(' ')[0]}"
        return Violation("I0", document, f"cannot be read: {error!r}")


def _of_page(store: Store, acts: Sequence[OperatorAct]) -> Iterator[Violation]:
    expected = {entry_key(entry_id): act for act in acts if (entry_id := _entry_id(act))}
    found = store.found([*expected])
    for key, act in expected.items():
        entry = found.get(key)
        if entry is None or not _agrees(entry, act):
            what = f"records {act.tokens} tokens of {act.user_id}, which {key.id} does not move"
            yield Violation(INVARIANT, act.act_id, what)


def _entry_id(act: OperatorAct) -> str | None:
    """Return the id of the ledger entry that an act was written with, or None."""
    if act.verb is Verb.GRANT:
        return act.act_id
    if act.verb in (Verb.REPLAY, Verb.RERUN) and act.creation_id is not None:
        run = act.act_id.rpartition("_")[2]
        return debit_id(act.creation_id, int(run)) if run.isdigit() else act.act_id
    return None


def _agrees(entry: LedgerEntry, act: OperatorAct) -> bool:
    moved = entry.user_id, entry.amount_tokens, entry.actor
    return moved == (act.user_id, act.tokens, Actor.OPERATOR)
