"""The response to a request that opens variations."""

from typing import Self

from api_service.links import Links
from api_service.responses import CreationView, View
from shared.lifecycle.opening import Opened


class OpenedGroupView(View):
    """Variations that were paid for together, without deleted ones, and the balance after that.

    `cost` is that of all `count` variations, whatever became of them since.
    """

    group_id: str
    creations: list[CreationView]
    cost: int
    token_balance: int

    @classmethod
    def of(cls, opened: Opened, count: int, links: Links) -> Self:
        first = opened.creation
        assert first.group_id is not None
        return cls(
            group_id=first.group_id,
            creations=[CreationView.of(each, links) for each in opened.creations],
            cost=count * first.cost_tokens,
            token_balance=opened.balance_tokens,
        )
