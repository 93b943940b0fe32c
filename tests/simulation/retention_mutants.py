"""Mutants of keeping, scheduling and expiry."""

from shared.domain import retention
from shared.domain.creation import Creation
from shared.domain.schedule import Schedule
from shared.lifecycle import expiring, keeping, publishing, scheduling
from tests.simulation.mutation import Edit, Mutant, one

RETENTION_MUTANTS: list[Mutant] = [
    one(
        "expiry deletes as its owner would",
        expiring.Expiring,
        "expire",
        "    at = self.clock.now()\n",
        "    self.cleanup.delete_creation(creation.creation_id, owner=creation.user_id)\n"
        "    return Outcome.EXPIRED\n",
        seed=114,
    ),
    Mutant(
        "expiry ignores that it was moved",
        (
            Edit(
                expiring,
                "_has_passed",
                "expires_at is not None and expires_at == read.expires_at and expires_at <= at",
                "expires_at is not None",
            ),
            Edit(
                retention,
                "later_life_ends_at",
                "if creation.expiry_run == creation.run_number and not is_unswept:",
                "if True:",
                (expiring,),
            ),
        ),
        seed=114,
    ),
    one(
        "expiry ignores whether it is wanted",
        expiring.Expiring,
        "expire",
        "if current is None or not _has_passed(current.expires_at, read=creation, at=at):\n"
        "            return unchanged(None)\n"
        "        if not current.may_expire or not self.policy.draft_life_days:",
        "if current is None:\n"
        "            return unchanged(None)\n"
        "        if current.is_unfinished:",
        seed=114,
    ),
    one(
        "keeping leaves the expiry",
        retention,
        "with_kept",
        "return changed.with_expiry(policy=policy, at=at)",
        "return changed",
        keeping,
    ),
    one("scheduling leaves the expiry", retention, "scheduled", "expires_at=None,", "", scheduling),
    one(
        "a withdrawn schedule sets no expiry",
        retention,
        "unscheduled",
        "return changed.with_expiry(policy=policy, at=at)",
        "return changed",
        scheduling,
        publishing,
        seed=57,
    ),
    one("publishing leaves the expiry", Creation, "published", "expires_at=None,", ""),
    one("publishing leaves the schedule", Creation, "published", "schedule=None,", ""),
    one(
        "unpublishing sets no expiry",
        Creation,
        "unpublished",
        "return draft.with_expiry(policy=policy, at=at)",
        "return draft",
    ),
    one("a retry leaves the expiry", Creation, "debited_again", "expires_at=None,", ""),
    one(
        "unpublishing leaves the schedule of a draft",
        publishing.Publishing,
        "unpublish",
        "if is_private:",
        "if True:",
        seed=68,
    ),
    one(
        "a withdrawn schedule reserves a publication",
        publishing.Publishing,
        "_reserve",
        "if schedule is not None and current.schedule != schedule:",
        "if False:",
        seed=159,
    ),
    one(
        "a withdrawn schedule publishes",
        publishing.Publishing,
        "_commit",
        "if schedule is not None and not schedule.is_still(current.schedule):",
        "if False:",
        seed=2976,
    ),
    one(
        "two sweeps try one schedule",
        publishing.Publishing,
        "_reserve",
        "if schedule is not None and current.schedule != schedule:",
        "if schedule is not None and not schedule.is_still(current.schedule):",
        seed=159,
    ),
    one(
        "a failing schedule is tried by every sweep",
        Schedule,
        "tried",
        "try_at = min(at + back_off, latest)",
        "try_at = at",
    ),
    Mutant(
        "the sweep publishes again after an unpublish",
        (
            Edit(Creation, "published", "schedule=None,", ""),
            Edit(Creation, "unpublished", "schedule=None,", ""),
        ),
    ),
]
