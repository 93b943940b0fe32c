"""Mutants of what operators do: each is one plausible mistake in replays, grants and acts."""

from shared.domain.operating import OperatorAct
from shared.lifecycle import accounts, operating, replaying
from tests.simulation.mutation import Mutant, one

ACT_OF_A_SWITCH = """\
    act = OperatorAct(act_id=self._act_id(), verb=verb, who=who, kind=kind, created_at=at)

    def decide(found: Found) -> Decision[None]:
        if found.get(act.key) is not None:
"""
RUN_OF_A_REPLAY = """\
        if current.run_number != failed.run_number:
            raise IllegalTransition(status=current.status)
"""
GRANT_FIRST = """\
    try:
        self.replaying.operating.grant(
            self.failed.user_id, self.failed.cost_tokens,
            reference=reference, reason="replay", who="olga",
        )
    except Unavailable:
        pass
    granted, entry = account.granted("""

OPERATOR_MUTANTS: list[Mutant] = [
    one(
        "two requests replay one failure",
        replaying._Run,
        "debited",
        RUN_OF_A_REPLAY,
        RUN_OF_A_REPLAY.replace(
            "raise IllegalTransition(status=current.status)", "current = failed"
        ),
        seed=23,
    ),
    one(
        "a replay grants in a transaction of its own",
        replaying._Run,
        "_granted",
        "    granted, entry = account.granted(",
        GRANT_FIRST,
        seed=183,
    ),
    one(
        "a replay leaves no act",
        replaying._Run,
        "_debit",
        "*grants, entry, act,",
        "*grants, entry,",
        seed=15,
    ),
    one(
        "a replay's grant leaves no act",
        replaying._Run,
        "_granted",
        "(entry, OperatorAct.of_grant(entry, self.reason))",
        "(entry,)",
        seed=183,
    ),
    one(
        "an operator's grant leaves no act",
        accounts.Accounts,
        "grant",
        "(OperatorAct.of_grant(entry, reason),) if reason else ()",
        "()",
    ),
    one(
        "an act says another amount",
        OperatorAct,
        "of_debit",
        "tokens=entry.amount_tokens",
        "tokens=entry.balance_after_tokens",
        seed=15,
    ),
    one(
        "an act is written again over the last one",
        operating.Operating,
        "switch",
        ACT_OF_A_SWITCH,
        ACT_OF_A_SWITCH.replace("self._act_id()", "f'{verb}_{kind}'").replace(
            "found.get(act.key) is not None", "False"
        ),
    ),
    one(
        "a replay does not recognise its own commit",
        replaying._Run,
        "debited",
        "(debit.actor, debit.created_at) == (Actor.OPERATOR, at)",
        "False",
        seed=68,
    ),
]
