"""Mutants of groups: each is one plausible mistake in opening several variations at once."""

from shared.domain.account import Account
from shared.domain.brief import Brief
from shared.lifecycle.opening import Opening
from shared.lifecycle.task_creation import TaskCreation
from tests.simulation.mutation import Mutant, one

GROUP_MUTANTS: list[Mutant] = [
    one(
        "a group is debited once",
        Account,
        "debited_for_each",
        "account, entry = account._debited(",
        "account, entry = self._debited(",
        seed=19,
    ),
    one(
        "only the first variation has a ledger entry",
        Account,
        "debited_for_each",
        "entries.append(entry)",
        "entries = entries or [entry]",
        seed=19,
    ),
    one(
        "limits and balance count a group as one",
        Account,
        "debited_for_each",
        "count=len(creation_ids)",
        "count=1",
        seed=770,
    ),
    one(
        "the second variation has a random id",
        Opening,
        "_new_id",
        "if idempotency_key is None:",
        "if idempotency_key is None or number == 2:",
        seed=19,
    ),
    one(
        "a replay opens a deleted variation again",
        Opening,
        "_debit_and_create",
        "            return _replay(known, account)\n",
        (
            "            again = [id_ for id_, key in zip(ids, keys) if found.get(key) is None]\n"
            "            if not again:\n"
            "                return _replay(known, account)\n"
            "            new = [replace(known[0], creation_id=id_) for id_ in again]\n"
            "            decision = self._debit(account, new, actor=Actor.OWNER, at=at)\n"
            "            return replace(decision, writes=(*decision.writes, *known))\n"
        ),
        seed=19,
    ),
    one(
        "a variation without a task refunds the whole group",
        TaskCreation,
        "create",
        "if has_task\n",
        "if False\n",
        seed=28,
    ),
    one(
        "the fingerprint lacks the count",
        Brief,
        "fingerprint",
        "if each.name not in _IN_EVERY_FINGERPRINT",
        'if each.name not in (*_IN_EVERY_FINGERPRINT, "count")',
        seed=19,
    ),
    one(
        "a smaller count does not see what is left of a group",
        Opening,
        "_check_larger_group",
        "raise KeyReused",
        "pass",
        seed=46,
    ),
]
