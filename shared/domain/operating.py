"""Operator documents: a switch for each kind, and a record of each act on a creation."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.creation import Creation
from shared.domain.errors import WrongField
from shared.domain.keys import Collection, CreationId, Key, UserId, is_encodable
from shared.domain.kind import Kind

REASON_LENGTH_MAX = 500


@dataclass(frozen=True, kw_only=True)
class Switch:
    kind: Kind
    is_paused: bool
    changed_at: datetime

    @property
    def key(self) -> Key["Switch"]:
        return switch_key(self.kind)


class Verb(StrEnum):
    UNPUBLISH = "unpublish"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class OperatorAct:
    """An operator's act on a creation; append-only, written with what it changed."""

    act_id: str
    verb: Verb
    creation_id: CreationId
    user_id: UserId
    reason: str
    created_at: datetime

    @property
    def key(self) -> Key["OperatorAct"]:
        return Key(Collection.OPERATOR_ACTS, self.act_id)

    @classmethod
    def because(
        cls, reason: str | None, verb: Verb, creation: Creation, *, at: datetime
    ) -> tuple["OperatorAct", ...]:
        """Return the record of an act, or nothing if no operator gave a reason.

        The id names the creation and its publication, so that an act is recorded only once.
        """
        if reason is None:
            return ()
        act = cls(
            act_id=f"{creation.creation_id}_{verb}_{creation.publication_count}",
            verb=verb,
            creation_id=creation.creation_id,
            user_id=creation.user_id,
            reason=reason,
            created_at=at,
        )
        return (act,)


def switch_key(kind: Kind) -> Key[Switch]:
    return Key(Collection.SWITCHES, kind)


def checked_reason(reason: str) -> str:
    """Return the trimmed reason, or raise `WrongField`."""
    trimmed = reason.strip()
    if not 1 <= len(trimmed) <= REASON_LENGTH_MAX or not is_encodable(trimmed):
        raise WrongField(field="reason", reason=f"use 1 to {REASON_LENGTH_MAX} characters")
    return trimmed
