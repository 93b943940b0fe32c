"""Operator documents: a switch for each kind, and a record of each act."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shared.domain.brief import is_visible
from shared.domain.creation import Creation
from shared.domain.errors import WrongField
from shared.domain.keys import Collection, CreationId, Key, UserId, is_encodable
from shared.domain.kind import Kind
from shared.domain.ledger import LedgerEntry

REASON_LENGTH_MAX = 500
ACT_ID_LENGTH = 26
"""Of a random part, which is in the ids of acts that nothing else makes unique."""
CLI = "cli"
"""Who acted, if it was the command line: the platform decides who may use it."""


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
    GRANT = "grant"
    RERUN = "rerun"
    REPLAY = "replay"
    """Without a creation: the request, which has an act of its own for each creation."""
    SWEEP = "sweep"
    PAUSE = "pause"
    RESUME = "resume"


@dataclass(frozen=True, kw_only=True)
class OperatorAct:
    """An operator's act; append-only, written with what it changed.

    `who` is the operator's user id, or `CLI`. `user_id` is the account that it concerns, `tokens`
    what it moved there.
    """

    act_id: str
    verb: Verb
    who: str = CLI
    creation_id: CreationId | None = None
    user_id: UserId | None = None
    kind: Kind | None = None
    tokens: int | None = None
    reason: str = ""
    created_at: datetime

    @property
    def key(self) -> Key["OperatorAct"]:
        return act_key(self.act_id)

    @classmethod
    def because(
        cls, reason: "Reason | None", verb: Verb, creation: Creation, *, at: datetime
    ) -> tuple["OperatorAct", ...]:
        """Return the record of an act, or nothing if no operator gave a reason.

        The id names the creation and its publication, so that an act is recorded only once.
        """
        if reason is None:
            return ()
        act = cls(
            act_id=act_id(creation.creation_id, verb, creation.publication_count),
            verb=verb,
            who=reason.who,
            creation_id=creation.creation_id,
            user_id=creation.user_id,
            reason=reason.text,
            created_at=at,
        )
        return (act,)

    @classmethod
    def because_of_draft(
        cls, reason: "Reason | None", creation: Creation, *, random_id: str, at: datetime
    ) -> tuple["OperatorAct", ...]:
        """Return the record of a draft's withdrawn schedule or sharing, of which it may have several.

        Its id differs with the draft's state: a repeat may find a new link, which is another act.
        """
        acts = cls.because(reason, Verb.UNPUBLISH, creation, at=at)
        suffix = f"{random_id}_{creation.updated_at.timestamp():.6f}"
        return tuple(replace(each, act_id=f"{each.act_id}_{suffix}") for each in acts)

    @classmethod
    def of_debit(
        cls, verb: Verb, creation: Creation, entry: LedgerEntry, reason: "Reason"
    ) -> "OperatorAct":
        """Return the record of an operator's debit of the creation's current run."""
        return cls(
            act_id=act_id(creation.creation_id, verb, creation.run_number),
            verb=verb,
            who=reason.who,
            creation_id=creation.creation_id,
            user_id=entry.user_id,
            tokens=entry.amount_tokens,
            reason=reason.text,
            created_at=entry.created_at,
        )

    @classmethod
    def of_grant(cls, entry: LedgerEntry, reason: "Reason") -> "OperatorAct":
        """Return the record of a grant; the ledger entry has the same id."""
        return cls(
            act_id=entry.entry_id,
            verb=Verb.GRANT,
            who=reason.who,
            user_id=entry.user_id,
            tokens=entry.amount_tokens,
            reason=reason.text,
            created_at=entry.created_at,
        )


@dataclass(frozen=True)
class Reason:
    """Why an operator acts, and who it is."""

    text: str
    who: str = CLI

    def checked(self) -> "Reason":
        """Return it with its text trimmed, or raise `WrongField`."""
        return replace(self, text=checked_reason(self.text))


def act_id(creation_id: CreationId, verb: Verb, number: int) -> str:
    """Return the id of an act; `number` is the creation's publication or run that it concerns."""
    return f"{creation_id}_{verb}_{number}"


def act_key(act_id: str) -> Key[OperatorAct]:
    return Key(Collection.OPERATOR_ACTS, act_id)


def switch_key(kind: Kind) -> Key[Switch]:
    return Key(Collection.SWITCHES, kind)


def checked_reason(reason: str) -> str:
    """Return the trimmed reason, or raise `WrongField`."""
    trimmed = reason.strip()
    is_readable = is_visible(trimmed) and is_encodable(trimmed)
    if not is_readable or len(trimmed) > REASON_LENGTH_MAX:
        raise WrongField(field="reason", reason=f"use 1 to {REASON_LENGTH_MAX} characters")
    return trimmed
