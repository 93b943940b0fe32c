"""Everything that can go wrong, by name.

    PhoenixError
    ├── RequestError            answered over HTTP, one status each (api_service/errors.py)
    │   ├── WrongField
    │   ├── Unauthenticated, AccountDisabled, WrongServiceAccount, NotAnOperator
    │   ├── CreationNotFound, CreationGone, AccountNotFound
    │   ├── InsufficientTokens, TooManyUnfinished, TooManyOpened, TooManyFree
    │   ├── DownloadNotFound, ArchiveTooLarge
    │   ├── IllegalTransition, AlreadyStarted, KeyReused, ReferenceReused, MediaMissing
    │   ├── TooManyCollaborators
    │   └── Unavailable         QueueUnavailable (NotQueued, WithdrawalRefused), QueueFull, Paused,
    │                           SpendingLimit, StorageFull, StoreUnavailable, StoreContention,
    │                           OutcomeUnknown, IdentityUnavailable, MediaUnavailable (MediaRefused)
    │                           errors of HTTP itself: api_service/errors.py
    ├── WorkError               never leaves a job
    │   ├── LeaseLost, NotClaimable, StartNotAllowed
    │   └── GenerationRefused, GenerationUnavailable, StartOutcomeUnknown, ReadRefused, BadOutput
    └── WrongSetting            stops the start: exit status 2

A leaf keeps its facts as fields and formats its sentence, which is for people, from them. `reason`
is for the log: it may quote a vendor and is in no response, unless the sentence names it.
"""

from dataclasses import dataclass
from typing import ClassVar, dataclass_transform

from shared.domain.failure import FailureCode


@dataclass_transform(kw_only_default=True, eq_default=False)
class PhoenixError(Exception):
    """The root of the tree; each subclass is a dataclass with keyword-only fields."""

    code: ClassVar[str] = "internal"
    sentence: ClassVar[str] = "Something went wrong on our side."

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__annotations__:  # without fields of its own it works like its base
            dataclass(kw_only=True, eq=False)(cls)

    def __str__(self) -> str:
        return self.sentence.format(**vars(self))


class WrongSetting(PhoenixError):
    sentence = "{setting}: {reason}"
    setting: str
    reason: str


class RequestError(PhoenixError):
    """Answered over HTTP: each has a `code`."""


class WrongField(RequestError):
    """The value is never repeated; `others` are further wrong fields of the same request."""

    code = "invalid_field"
    sentence = "{field}: {reason}."
    field: str
    reason: str
    others: "tuple[WrongField, ...]" = ()


class Unauthenticated(RequestError):
    code = "unauthenticated"
    sentence = "Sign in first: the bearer token is missing, wrong or expired."
    reason: str = ""


class AccountDisabled(RequestError):
    code = "account_disabled"
    sentence = "This account is disabled."


class WrongServiceAccount(RequestError):
    code = "wrong_service_account"
    sentence = "Only this installation's own services may call this."


class NotAnOperator(RequestError):
    code = "not_an_operator"
    sentence = "Only operators may call this."


class CreationNotFound(RequestError):
    """Unknown, or another user's: a caller cannot distinguish the two."""

    code = "creation_not_found"
    sentence = "There is no such creation."


class CreationGone(RequestError):
    code = "creation_gone"
    sentence = "The creation of this Idempotency-Key has been deleted."


class AccountNotFound(RequestError):
    code = "account_not_found"
    sentence = "There is no such account."


class InsufficientTokens(RequestError):
    code = "insufficient_tokens"
    required: int
    balance: int

    def __str__(self) -> str:
        unit = "token" if self.required == 1 else "tokens"
        return f"This costs {self.required} {unit} and the balance is {self.balance}."


class TooManyUnfinished(RequestError):
    code = "too_many_unfinished"
    sentence = "Only {limit} of this kind can be in progress at once. Wait until one finishes."
    limit: int
    retry_after_s: int


class TooManyOpened(RequestError):
    code = "too_many_opened"
    sentence = "Only {limit} creations can be started in an hour."
    limit: int
    retry_after_s: int


class TooManyFree(RequestError):
    code = "too_many_free_outcomes"
    sentence = "{limit} creations were cancelled or refused within an hour. Wait before the next."
    limit: int
    retry_after_s: int


class IllegalTransition(RequestError):
    """The creation's state does not allow this: nothing was written."""

    code = "illegal_transition"
    sentence = "This cannot be done to a creation that is {status}."
    status: str


class AlreadyStarted(RequestError):
    """A start that may have been paid is on record: nothing was written."""

    code = "already_started"
    sentence = "The generation has started: it can no longer be cancelled."


class TooManyCollaborators(RequestError):
    code = "too_many_collaborators"
    sentence = "Only {limit} people can be invited. Remove one first."
    limit: int


class KeyReused(RequestError):
    code = "idempotency_key_reused"
    sentence = "This Idempotency-Key was used for another request: send a new one."


class ReferenceReused(RequestError):
    code = "reference_reused"
    sentence = "This reference was used for another grant: send a new one."


class MediaMissing(RequestError):
    """A stored file was removed from outside: trying again cannot help."""

    code = "media_missing"
    sentence = "The file of this creation no longer exists, so it cannot be published."
    reason: str = ""


class DownloadNotFound(RequestError):
    code = "download_not_found"
    sentence = "This download link does not exist or has expired. Create a new one."


class ArchiveTooLarge(RequestError):
    code = "archive_too_large"
    sentence = "The files have {size_bytes} bytes in total; one download has at most {limit_bytes}."
    size_bytes: int
    limit_bytes: int


class Unavailable(RequestError):
    """A part is unreachable or a limit is reached: retry after `retry_after_s`."""

    retry_after_s: int = 5
    reason: str = ""


class QueueUnavailable(Unavailable):
    code = "queue_unavailable"
    sentence = "The queue is unavailable at the moment."
    retry_after_s: int = 30


class NotQueued(QueueUnavailable):
    sentence = "The queue is unavailable at the moment. Your tokens have been refunded."
    creation_id: str
    refunded: bool = True


class WithdrawalRefused(QueueUnavailable):
    """This process has no permission to delete tasks: an operator has to grant it."""

    code = "withdrawal_refused"
    sentence = "The queue refused to delete a task."


class QueueFull(Unavailable):
    code = "queue_full"
    sentence = "Too many {kind}s are waiting: a new one would be late. No tokens were charged."
    kind: str


class Paused(Unavailable):
    code = "paused"
    sentence = "No new {kind}s can be created at the moment. No tokens were charged."
    retry_after_s: int = 60
    kind: str


class SpendingLimit(Unavailable):
    code = "spending_limit"
    sentence = "The daily limit is reached. Try again after midnight UTC. No tokens were charged."


class StoreUnavailable(Unavailable):
    """`is_damage`: a document lacks a part, and repeating does not help."""

    code = "store_unavailable"
    sentence = (
        "The store is unavailable at the moment. Nothing was changed and no tokens were charged."
    )
    is_damage: bool = False


class StoreContention(Unavailable):
    """Other transactions committed first every time: nothing was written."""

    code = "store_contention"
    sentence = "Too much is happening on this account at once. Nothing was changed."
    retry_after_s: int = 1


class IdentityUnavailable(Unavailable):
    code = "identity_unavailable"
    sentence = "Your sign-in cannot be verified at the moment."


class MediaUnavailable(Unavailable):
    code = "media_unavailable"
    sentence = "The media store is unavailable at the moment."


class MediaRefused(MediaUnavailable):
    """The media store refused the request; repeating it from this process does not help."""

    code = "media_refused"
    sentence = "The media store refused the request."
    retry_after_s: int = 60


class StorageFull(Unavailable):
    code = "storage_full"
    sentence = "There is no storage left for new creations at the moment. No tokens were charged."
    retry_after_s: int = 300


class OutcomeUnknown(Unavailable):
    """A commit was sent and got no response: it may have landed, or may land later."""

    code = "outcome_unknown"
    sentence = (
        "We do not know yet whether this was done. "
        "Check again, or repeat it with the same Idempotency-Key; never with a new one."
    )
    creation_id: str | None = None


class WorkError(PhoenixError):
    """Never leaves a job."""


class LeaseLost(WorkError):
    """This attempt no longer holds the creation: stop, refund nothing, remove nothing."""

    sentence = "Creation {creation_id} is no longer this attempt's."
    creation_id: str


class NotClaimable(WorkError):
    """There is nothing to do for this execution: unknown, settled, held by another, or too late."""

    sentence = "Creation {creation_id} cannot be claimed: {reason}."
    creation_id: str
    reason: str


class StartNotAllowed(WorkError):
    sentence = "The generator must not be started: {reason}."
    reason: str


class GenerationRefused(WorkError):
    sentence = "The generator refused: {failure}."
    failure: FailureCode
    reason: str = ""
    is_billed: bool = False


class GenerationUnavailable(WorkError):
    """Nothing is running, and a later start may succeed.

    `is_billed`: an operation ended without media, and the vendor charges for it all the same.
    """

    sentence = "The generator is not available: {failure}."
    failure: FailureCode = FailureCode.GENERATOR_UNAVAILABLE
    retry_after_s: float = 0
    reason: str = ""
    is_billed: bool = False


class StartOutcomeUnknown(WorkError):
    """The start was sent and got no response: it may be running, and paid for."""

    sentence = "The generator never answered the start."
    reason: str = ""


class ReadRefused(WorkError):
    """The vendor refused a pure read with an error that a retry rarely fixes (400, 403, 404)."""

    sentence = "The generator refused a read: {reason}."
    reason: str = ""


class BadOutput(WorkError):
    sentence = "The generator's output is unusable: {reason}."
    reason: str
