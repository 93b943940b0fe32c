"""Variations that one request opened: what must be true of those that are left."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from shared.domain.brief import COUNT_MAX
from shared.domain.creation import Creation
from shared.domain.keys import CreationId, UserId


def group_faults(
    creations: Iterable[Creation], payer_of: Callable[[CreationId], UserId | None]
) -> Iterator[tuple[CreationId, str]]:
    """Yield each group's id with each rule that it breaks.

    `payer_of` returns whose ledger has a creation's first debit; it outlives the creation.
    """
    creations = [*creations]
    group_of = {each.creation_id: each.group_id for each in creations}
    groups: dict[CreationId, list[Creation]] = defaultdict(list)
    for each in creations:
        if each.group_id is not None:
            groups[each.group_id].append(each)
    for group_id, members in groups.items():
        if len(members) > COUNT_MAX:
            yield group_id, f"is a group of {len(members)}"
        if len({(each.fingerprint, each.prompt, each.created_at) for each in members}) > 1:
            yield group_id, "is a group of several requests"
        if {each.user_id for each in members} != {payer_of(group_id)}:
            yield group_id, "is a group that its owner did not open"
        if group_of.get(group_id, group_id) != group_id:
            yield group_id, "is a group without its first member"
