"""Everything that can go wrong, by name.

    PhoenixError
    ├── RequestError            answered over HTTP, one status each (api_service/errors.py)
    │   ├── WrongField
    │   ├── Unauthenticated, AccountDisabled, WrongServiceAccount
    │   ├── CreationNotFound, CreationGone, AccountNotFound
    │   ├── InsufficientTokens, TooManyUnfinished, TooManyOpened, TooManyFree
    │   ├── IllegalTransition, KeyReused, ReferenceReused, MediaMissing
    │   └── Unavailable             QueueUnavailable (NotQueued), StoreUnavailable, StoreContention,
    │                               IdentityUnavailable, MediaUnavailable (MediaRefused),
    │                               OutcomeUnknown, StorageFull
    │                           errors of HTTP itself: api_service/errors.py
    ├── WorkError               never leaves a job
    │   ├── LeaseLost, NotClaimable, StartNotAllowed
    │   └── GenerationRefused, GenerationUnavailable, StartOutcomeUnknown, ReadRefused, BadOutput
    └── WrongSetting            stops the start: exit status 2

A leaf keeps its facts as fields and makes its sentence, which is for people, from them. `reason`
is for the log: it may hold a vendor's words and is in no answer, unless the sentence names it.
"""

from dataclasses import dataclass
from typing import ClassVar

from shared.domain.failure import FailureCode


class PhoenixError(Exception):
    """The root of the tree."""

    code: ClassVar[str] = "internal"
    sentence: ClassVar[str] = "Something went wrong on our side."

    def __str__(self) -> str:
        """Return the sentence with this error's facts."""
        return self.sentence.format(**vars(self))


@dataclass(kw_only=True, eq=False)
class WrongSetting(PhoenixError):
    """A setting that the process cannot start with."""

    code = "wrong_setting"
    sentence = "{setting}: {reason}"
    setting: str
    reason: str


class RequestError(PhoenixError):
    """Answered over HTTP."""


@dataclass(kw_only=True, eq=False)
class WrongField(RequestError):
    """A named field has a value that is not accepted; the value is never repeated.

    `others` are further wrong fields of the same request.
    """

    code = "invalid_field"
    sentence = "{field}: {reason}."
    field: str
    reason: str
    others: "tuple[WrongField, ...]" = ()


@dataclass(kw_only=True, eq=False)
class Unauthenticated(RequestError):
    """No token, or one that proves nothing."""

    code = "unauthenticated"
    sentence = "Sign in first: the bearer token is missing, wrong or expired."
    reason: str = ""


@dataclass(kw_only=True, eq=False)
class AccountDisabled(RequestError):
    """The identity provider has disabled this account."""

    code = "account_disabled"
    sentence = "This account is disabled."


@dataclass(kw_only=True, eq=False)
class WrongServiceAccount(RequestError):
    """The caller is not one of the services that may call this."""

    code = "wrong_service_account"
    sentence = "Only this installation's own services may call this."


@dataclass(kw_only=True, eq=False)
class CreationNotFound(RequestError):
    """Unknown, or another user's: the two are never told apart."""

    code = "creation_not_found"
    sentence = "There is no such creation."


@dataclass(kw_only=True, eq=False)
class CreationGone(RequestError):
    """The creation that this Idempotency-Key made has been deleted."""

    code = "creation_gone"
    sentence = "The creation of this Idempotency-Key has been deleted."


@dataclass(kw_only=True, eq=False)
class AccountNotFound(RequestError):
    """No account has this user id or username."""

    code = "account_not_found"
    sentence = "There is no such account."


@dataclass(kw_only=True, eq=False)
class InsufficientTokens(RequestError):
    """The balance is below the price: nothing was written."""

    code = "insufficient_tokens"
    sentence = "This costs {required} tokens and the balance is {balance}."
    required: int
    balance: int


@dataclass(kw_only=True, eq=False)
class TooManyUnfinished(RequestError):
    """The account has as many unfinished creations of this kind as it may have."""

    code = "too_many_unfinished"
    sentence = "Only {limit} of this kind can be in the making at once: wait for one of them."
    limit: int
    retry_after_s: int


@dataclass(kw_only=True, eq=False)
class TooManyOpened(RequestError):
    """The account has opened as many creations in this hour as it may."""

    code = "too_many_opened"
    sentence = "Only {limit} creations can be started in an hour."
    limit: int
    retry_after_s: int


@dataclass(kw_only=True, eq=False)
class TooManyFree(RequestError):
    """So many of the account's creations ended free in this hour by its owner's doing."""

    code = "too_many_free_outcomes"
    sentence = "{limit} creations were cancelled or refused within an hour. Wait before the next."
    limit: int
    retry_after_s: int


@dataclass(kw_only=True, eq=False)
class IllegalTransition(RequestError):
    """The creation's state does not allow this: nothing was written."""

    code = "illegal_transition"
    sentence = "This cannot be done to a creation that is {status}."
    status: str


@dataclass(kw_only=True, eq=False)
class KeyReused(RequestError):
    """The Idempotency-Key has been used for another brief."""

    code = "idempotency_key_reused"
    sentence = "This Idempotency-Key was used for another request: send a new one."


@dataclass(kw_only=True, eq=False)
class ReferenceReused(RequestError):
    """The reference of a grant has been used for another user or amount."""

    code = "reference_reused"
    sentence = "This reference was used for another grant: send a new one."


@dataclass(kw_only=True, eq=False)
class MediaMissing(RequestError):
    """A stored file was removed from outside: trying again cannot help."""

    code = "media_missing"
    sentence = "The file of this creation no longer exists, so it cannot be published."
    reason: str = ""


@dataclass(kw_only=True, eq=False)
class Unavailable(RequestError):
    """A part is out of reach; the client may try again after `retry_after_s`."""

    retry_after_s: int = 5
    reason: str = ""


@dataclass(kw_only=True, eq=False)
class QueueUnavailable(Unavailable):
    """A task could not be created, or not be asked for."""

    code = "queue_unavailable"
    sentence = "The queue is out of reach at the moment."
    retry_after_s: int = 30


@dataclass(kw_only=True, eq=False)
class NotQueued(QueueUnavailable):
    """No task could be created for a creation: its tokens are back."""

    sentence = "The queue is out of reach at the moment. Your tokens have been returned."
    creation_id: str
    refunded: bool = True


@dataclass(kw_only=True, eq=False)
class WithdrawalRefused(QueueUnavailable):
    """This process has no right to delete tasks: an operator has to grant it."""

    code = "withdrawal_refused"
    sentence = "The queue refused to delete a task."


@dataclass(kw_only=True, eq=False)
class QueueFull(Unavailable):
    """So much waits that a new creation could not be ready by its deadline: nothing was written."""

    code = "queue_full"
    sentence = "Too many {kind}s are waiting to be ready in time. No token was taken."
    kind: str


@dataclass(kw_only=True, eq=False)
class Paused(Unavailable):
    """An operator has paused this kind: nothing was written."""

    code = "paused"
    sentence = "No new {kind}s can be created at the moment. No token was taken."
    retry_after_s: int = 60
    kind: str


@dataclass(kw_only=True, eq=False)
class SpendingLimit(Unavailable):
    """The day's vendor cost has reached the operator's ceiling: nothing was written."""

    code = "spending_limit"
    sentence = "The daily limit is reached. Try again after midnight UTC. No token was taken."


@dataclass(kw_only=True, eq=False)
class StoreUnavailable(Unavailable):
    """The store is out of reach: nothing was written."""

    code = "store_unavailable"
    sentence = "The store is out of reach at the moment. Nothing was changed, no token was taken."


@dataclass(kw_only=True, eq=False)
class StoreContention(Unavailable):
    """Others were faster every time: nothing was written."""

    code = "store_contention"
    sentence = "Too much is happening on this account at once. Nothing was changed."
    retry_after_s: int = 1


@dataclass(kw_only=True, eq=False)
class IdentityUnavailable(Unavailable):
    """The identity provider is out of reach: whose token it is cannot be told."""

    code = "identity_unavailable"
    sentence = "Sign-in cannot be checked at the moment."


@dataclass(kw_only=True, eq=False)
class MediaUnavailable(Unavailable):
    """The media store is out of reach, or its answer was lost."""

    code = "media_unavailable"
    sentence = "The media store is out of reach at the moment."


@dataclass(kw_only=True, eq=False)
class MediaRefused(MediaUnavailable):
    """The media store refused the request; repeating it from this process does not help."""

    code = "media_refused"
    sentence = "The media store refused the request."
    retry_after_s: int = 60


@dataclass(kw_only=True, eq=False)
class StorageFull(Unavailable):
    """The media store has no room for what this may become: nothing was written."""

    code = "storage_full"
    sentence = "There is no storage left for new creations at the moment. No token was taken."
    retry_after_s: int = 300


@dataclass(kw_only=True, eq=False)
class OutcomeUnknown(Unavailable):
    """A commit was sent and never answered: it may have landed, now or later."""

    code = "outcome_unknown"
    sentence = (
        "It could not be found out whether this was done. "
        "Look again, or repeat it with the same Idempotency-Key; never with a new one."
    )
    creation_id: str | None = None


class WorkError(PhoenixError):
    """Never leaves a job."""


@dataclass(kw_only=True, eq=False)
class LeaseLost(WorkError):
    """Another attempt holds the creation, or nobody does: stop, refund nothing, remove nothing."""

    code = "lease_lost"
    sentence = "Creation {creation_id} is no longer this attempt's."
    creation_id: str


@dataclass(kw_only=True, eq=False)
class NotClaimable(WorkError):
    """There is nothing to do for this execution: unknown, settled, held by another, or too late."""

    code = "not_claimable"
    sentence = "Creation {creation_id} cannot be claimed: {reason}."
    creation_id: str
    reason: str


@dataclass(kw_only=True, eq=False)
class StartNotAllowed(WorkError):
    """The generator must not be started (again) for this debit."""

    code = "start_not_allowed"
    sentence = "The generator must not be started: {reason}."
    reason: str


@dataclass(kw_only=True, eq=False)
class GenerationRefused(WorkError):
    """The generator answered no, for good; `is_billed`: the vendor charges for it all the same."""

    code = "generation_refused"
    sentence = "The generator refused: {failure}."
    failure: FailureCode
    reason: str = ""
    is_billed: bool = False


@dataclass(kw_only=True, eq=False)
class GenerationUnavailable(WorkError):
    """The generator answered no, for now: nothing is running.

    `is_billed`: an operation ended without media, and the vendor charges for it all the same.
    """

    code = "generation_unavailable"
    sentence = "The generator is not available: {failure}."
    failure: FailureCode = FailureCode.GENERATOR_UNAVAILABLE
    retry_after_s: float = 0
    reason: str = ""
    is_billed: bool = False


@dataclass(kw_only=True, eq=False)
class StartOutcomeUnknown(WorkError):
    """The start was sent and never answered: it may be running, and paid for."""

    code = "start_outcome_unknown"
    sentence = "The generator never answered the start."
    reason: str = ""


@dataclass(kw_only=True, eq=False)
class ReadRefused(WorkError):
    """The vendor refused a pure read with an error that repeating rarely fixes (400, 403, 404)."""

    code = "read_refused"
    sentence = "The generator refused a read: {reason}."
    reason: str = ""


@dataclass(kw_only=True, eq=False)
class BadOutput(WorkError):
    """What the generator made is not the media that was asked for."""

    code = "bad_output"
    sentence = "The generator's output is unusable: {reason}."
    reason: str
