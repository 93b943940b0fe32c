"""Mutants of bulk actions and downloads."""

from shared.lifecycle import bulk, downloads, sweeping
from tests.simulation.mutation import Mutant, one

BULK_MUTANTS: list[Mutant] = [
    one(
        "a bulk delete counts another owner's gone creation as deleted",
        bulk.Bulk,
        "_was_own",
        "entry is not None and entry.user_id == owner",
        "entry is not None",
        seed=114,
    ),
    one(
        "a bulk delete of a gone creation finds nothing",
        bulk.Bulk,
        "delete",
        "if not self._was_own(creation_id, owner):",
        "if True:",
        seed=60,
    ),
    one(
        "a refused item of a bulk request is reported as done",
        bulk,
        "_result",
        "return ItemResult(creation_id=creation_id, ok=False, code=error.code)",
        "return ItemResult(creation_id=creation_id, ok=True)",
        seed=59,
    ),
    one(
        "an item that did not begin is reported as done",
        bulk,
        "_unfinished",
        "ok=False",
        "ok=True",
        seed=96,
    ),
    one(
        "a download link is made for another owner's creation",
        downloads.Downloads,
        "_chosen",
        "and each.user_id == owner",
        "",
        seed=114,
    ),
    one(
        "an expired download link is not removed",
        downloads,
        "remove_expired",
        "write(removing=(current.key,), result=Outcome.DELETED)",
        "unchanged(Outcome.LEFT)",
        sweeping,
        seed=59,
    ),
]
