"""The parameters `?status=` and `?type=` of lists of creations."""

from collections.abc import Sequence

from pydantic import WithJsonSchema

from api_service.requests import ACCEPTED_KINDS
from shared.domain.errors import WrongField
from shared.domain.kind import Kind
from shared.domain.status import Status

TYPE = WithJsonSchema({"enum": list(Kind)})


def checked_status(text: str | None, accepted: Sequence[Status]) -> Status | None:
    """Return the status to filter by, or raise `WrongField`."""
    if text is None:
        return None
    if text not in accepted:
        raise WrongField(field="status", reason=f"use one of {', '.join(accepted)}")
    return Status(text)


def checked_kind(text: str | None) -> Kind | None:
    """Return the kind to filter by, or raise `WrongField`."""
    if text is None:
        return None
    if text not in set(Kind):
        raise WrongField(field="type", reason=ACCEPTED_KINDS)
    return Kind(text)
