"""Mutants of the protocol: each is one plausible mistake."""

from jobs import attempt, execution, generation, retries, throttle, upload
from shared.domain import creation
from shared.domain.account import Account
from shared.domain.lease import LeaseOwner
from shared.domain.welcome import WelcomeShard
from shared.lifecycle import (
    claim,
    claims,
    draining,
    failing,
    media_cleanup,
    opening,
    publishing,
    reading,
    starts,
    sweeping,
    welcoming,
    withdrawing,
)
from tests.simulation import generators
from tests.simulation.bulk_mutants import BULK_MUTANTS
from tests.simulation.group_mutants import GROUP_MUTANTS
from tests.simulation.like_mutants import LIKE_MUTANTS
from tests.simulation.mutation import Edit, Mutant, one
from tests.simulation.operator_mutants import OPERATOR_MUTANTS
from tests.simulation.retention_mutants import RETENTION_MUTANTS
from tests.simulation.search_mutants import SEARCH_MUTANTS
from tests.simulation.sharing_mutants import SHARING_MUTANTS
from tests.simulation.statistics_mutants import STATISTICS_MUTANTS

UNKNOWN_COMPLETE_IS_REFUNDED = one(
    "a completion of unknown outcome is refunded",
    attempt.Attempt,
    "_complete",
    "self.retries.retry_write(lambda: self.claim.complete(media))",
    "try: self.claim.complete(media)\n"
    "    except Unavailable as error: self._fail(Outcome(FailureCode.STORAGE_FAILED), error)",
)
"""It needs five consecutive faults of the store: a separate test forces them."""

UNKNOWN_COMPLETE_ENDS_THE_PROCESS = one(
    "a completion of unknown outcome ends the process",
    attempt.Attempt,
    "_complete",
    "self.retries.retry_write(lambda: self.claim.complete(media))",
    "self.claim.complete(media)",
)
"""As above; the next task attempt generates the paid result again."""

NO_LIMIT = one(
    "the limit of free outcomes is ignored",
    Account,
    "_check_debits",
    "if self.free_hour is not None:",
    "if False:",
)
NO_WITHDRAWAL = one(
    "no task is withdrawn", failing.Failing, "_fail", "withdraw_task(self.queue, failed)", "pass"
)
"""It loses no token but delays other accounts: the scenario `ten_abusers` shows it."""

COMPLETE_RECOGNISES = """\
        return found.get(creation.key) is None  # its owner has deleted the draft since

    def decide(found: Found) -> Decision[None]:
        current, account = found.get(creation.key), found.get(account_key_)
        if current is not None and current.media_key == media.media_key:
"""

MUTANTS = [
    one(
        "a claim ignores a live lease",
        claims.Claims,
        "_obstacles",
        "if current.is_leased(at - skew) and not is_successor:",
        "if False:",
    ),
    one(
        "a retry is claimed before its time",
        claims.Claims,
        "_obstacles",
        "current.retry_at is not None and at < current.retry_at - early",
        "False",
    ),
    one(
        "a seventh attempt",
        creation.Creation,
        "has_attempts_left",
        "< policy.attempts_max",
        "<= policy.attempts_max",
        gate="processes die repeatedly",
    ),
    one(
        "complete is not fenced",
        claim.Claim,
        "complete",
        "current = self._held(current)",
        "current = current or self._held(current)",
        gate="processes pause for minutes",
    ),
    one(
        "a worker's writes are not fenced by attempt",
        creation.Creation,
        "is_held_by",
        "        and self.attempt == attempt\n        and self.lease_owner == lease_owner\n",
        "",
        seed=46,
    ),
    one(
        "a start is made without an intent",
        generation.Generation,
        "_start",
        "self._record_intent()",
        "pass",
    ),
    one(
        "an unknown start of a video is retried",
        generation.Generation,
        "_begin",
        "except StartOutcomeUnknown as error:\n",
        "except StartOutcomeUnknown as error:\n        self.claim.clear_intent()\n",
    ),
    Mutant(
        "a video may be started again after an unknown start",
        (
            Edit(
                starts,
                "has_starts_left",
                "<= STARTS_UNKNOWN_MAX[creation.kind]",
                "<= 1",
                users=(generation, claim, attempt),
            ),
        ),
    ),
    one(
        "an unknown outcome clears the intent",
        attempt.Attempt,
        "_outcome",
        "return Outcome(_FAILURES[type(error)])",
        "return Outcome(_FAILURES[type(error)], is_retried=True, start_failed=True)",
    ),
    one(
        "a storage error clears the intent",
        attempt.Attempt,
        "_outcome",
        "return Outcome(FailureCode.STORAGE_FAILED, is_retried=is_kept)",
        "return Outcome(FailureCode.STORAGE_FAILED, is_retried=is_kept, start_failed=is_kept)",
        seed=46,
    ),
    one(
        "a known operation is not resumed",
        generation.Generation,
        "_begin",
        "if creation.operation_name is not None:",
        "if False:",
        gate="processes die",
    ),
    one(
        "the operation is never recorded",
        generation.Generation,
        "_start",
        "self.retries.retry_write(lambda: self.claim.record_operation(operation_name))",
        "pass",
        gate="processes die",
    ),
    one(
        "an attempt does not recognise its own intent",
        claim.Claim,
        "_write_intent",
        "self._is_held(current) and current.intent == sent.intent",
        "False",
        gate="commits get no response",
    ),
    one(
        "a lease owner does not recognise its own claim",
        claims.Claims,
        "claim",
        "return current is not None and current.is_held_by(lease_owner, attempt=claimed.attempt)",
        "return False",
        gate="commits get no response",
    ),
    one(
        "a task is withdrawn before the claim",
        execution.Execution,
        "_claimed",
        "claim = claims.claim(",
        "from shared.domain.creation import creation_key\n"
        "    if (found := ports.store.get(creation_key(creation_id))) is not None:\n"
        "        withdraw_task(ports.queue, found)\n"
        "    claim = claims.claim(",
    ),
    one(
        "a task is withdrawn by a number that is read later",
        execution.Execution,
        "_work",
        "attempt.run()",
        "attempt.run()\n"
        "            withdraw_task(self._phoenix.ports.queue, "
        "self._phoenix.ports.store.get(creation.key) or creation)",
    ),
    one(
        "a drained creation has no heartbeat",
        attempt.Attempt,
        "_generate",
        "self.claim.heartbeat)",
        "self.claim.heartbeat if self.claim.creation.creation_id[:6] "
        "in str(self.claim.creation.lease_owner) else lambda: None)",
        gate="a crowd of long videos waits",
    ),
    one(
        "one lost lease ends all attempts of the process",
        execution.Execution,
        "_work",
        "attempt.run()",
        "attempt.run()\n"
        "            if attempt.claim._is_lost:\n"
        "                [each.claim.stop() for each in self._attempts.values()]",
        gate="one lease of a crowd is taken away",
    ),
    one(
        "a drained creation's failure ends the execution",
        execution.Execution,
        "_work",
        "self._attempts.pop(creation.creation_id, None)",
        "self._attempts.pop(creation.creation_id, None)\n"
        "            ports = self._phoenix.ports\n"
        "            from shared.domain.creation import creation_key\n"
        "            left = ports.store.get(creation_key(creation.creation_id))\n"
        "            if left is None or left.status != 'draft':\n"
        "                self._attempts.clear()",
        gate="a fifth of the starts of a crowd of videos is refused",
    ),
    one(
        "a look takes all creations of one account",
        draining.Draining,
        "candidates",
        "counts[each.user_id] <= OF_ONE_ACCOUNT_MAX",
        "True",
        gate="one account opens twenty images before ten others open one each",
    ),
    one(
        "the number of creations in progress is no brake",
        draining.Draining,
        "is_crowded",
        "running > self.policy.running_max(kind)",
        "False",
        gate="thirty of 500 images may be processing",
    ),
    one(
        "an execution takes more right after a 429",
        execution.Execution,
        "_next",
        "and self._throttle.is_open",
        "",
        gate="a vendor allows two images of a crowd at once",
    ),
    one(
        "an execution takes more while the starts fail",
        throttle.ThrottledGenerator,
        "start",
        "self._throttle.failed()",
        "pass",
        gate="the vendor of a crowd of images is out of reach for three minutes",
    ),
    one(
        "an execution begins with all that it may do at once",
        throttle.Throttle,
        "__init__",
        "self._at_once = 1",
        "self._at_once = at_once_max",
        gate="a vendor allows two images of a crowd at once",
    ),
    one(
        "a creation that waits for its retry is available",
        creation.Creation,
        "waiting_to_retry",
        "available_at=retry_at",
        "available_at=at",
    ),
    one(
        "a restarted execution claims what another one holds",
        LeaseOwner,
        "succeeds",
        "self.execution == other.execution and self.task_attempt > other.task_attempt",
        "self.task_attempt > other.task_attempt",
    ),
    Mutant(
        "a claim recognises its owner's name, and a process claims twice",
        (
            Edit(
                claims.Claims,
                "claim",
                "for obstacle in",
                "if current.status is Status.PROCESSING and current.lease_owner == lease_owner:\n"
                "            return write(current, result=(current, False))\n"
                "        for obstacle in",
            ),
            Edit(
                execution.Execution,
                "_take_own",
                "self._take(creation_id)",
                "self._take(creation_id); self._take(creation_id)",
            ),
        ),
    ),
    one(
        "only the lease of its own creation is handed back",
        execution.Execution,
        "_hand_back",
        "if not attempt.has_ended and attempt.hand_back():",
        "if attempt.claim.creation.creation_id == self._own and attempt.hand_back():",
        gate="every process of a crowd of videos is stopped",
    ),
    one(
        "a paid start is handed back at once",
        execution.Execution,
        "_hand_back",
        "if clock.monotonic_s() >= until_s:",
        "if True:",
        gate="every process of a crowd of images is stopped",
    ),
    one(
        "a hand-back counts as an attempt",
        creation.Creation,
        "has_attempts_left",
        "policy.attempts_max + self.hand_back_count",
        "policy.attempts_max",
        gate="every process of a crowd of slow videos is stopped",
    ),
    one(
        "companions of a crash are taken back together",
        execution.Execution,
        "_next",
        "is_free = self._left_behind and not self._attempts",
        "is_free = self._left_behind",
        gate="one image of 300 crashes its processes",
    ),
    one(
        "the sweep enqueues nothing",
        sweeping.Sweeping,
        "_repair",
        "return self._requeue(creation, at=at)",
        "return Outcome.LEFT",
        gate="half of the tasks vanish",
    ),
    one(
        "the sweep leaves a creation whose lease has run out",
        sweeping.Sweeping,
        "_is_in_progress",
        "return creation.is_leased(at - timedelta(seconds=self.policy.lease_grace_s))",
        "return True",
        gate="processes die repeatedly",
    ),
    Mutant(
        "the sweep requeues a creation under its lease",
        (
            Edit(
                creation.Creation,
                "_leased",
                "ends_at + timedelta(seconds=policy.lease_grace_s)",
                "at + timedelta(seconds=policy.sweep_every_s)",
            ),
            Edit(
                sweeping.Sweeping,
                "_is_in_progress",
                "return creation.is_leased(at - timedelta(seconds=self.policy.lease_grace_s))",
                "return False",
            ),
        ),
    ),
    one(
        "unknown starts are not counted",
        creation.Creation,
        "with_intent",
        "unknown=self.unknown_starts + 1",
        "unknown=1",
        seed=78,
    ),
    one(
        "a refund leaves the creation runnable",
        failing.Failing,
        "_refund",
        "        failed,\n        refunded,",
        "        current,\n        refunded,",
    ),
    one(
        "a refund ignores the status",
        failing.Failing,
        "_fail",
        "if not may_fail(current):",
        "if not current.is_unfinished:",
    ),
    one(
        "a refund ignores the run number",
        failing.Failing,
        "_fail",
        "or current.run_number != run_number:\n"
        "            return _not_failed(current, found.get(refund_key))\n"
        "        if not may_fail(current):\n",
        "or not current.is_unfinished:\n",
    ),
    one(
        "a failed enqueue refunds a claimed creation",
        failing.Failing,
        "fail_unqueued",
        "current.status is Status.PENDING and not current.was_claimed_for_this_debit",
        "current.status is Status.PENDING or current.status is Status.PROCESSING",
        gate="half of the enqueue calls get no response",
    ),
    one(
        "a refund does not free the in-flight slot",
        Account,
        "refunded",
        "in_flight=self.in_flight.changed(kind, by=-1),",
        "",
    ),
    one(
        "cancel ignores the intent",
        creation.Creation,
        "is_cancellable",
        "not (is_started or self.has_start)",
        "self.operation_name is None",
    ),
    one(
        "cancel ignores every start",
        creation.Creation,
        "is_cancellable",
        " and not (is_started or self.has_start)",
        "",
    ),
    one(
        "cancel decides by what it read before its transaction",
        failing.Failing,
        "fail_cancelled",
        "lambda current: current.is_cancellable",
        "lambda current: creation.is_cancellable and current.is_unfinished",
    ),
    one(
        "a cancelled creation is still held",
        creation.Creation,
        "is_held_by",
        "self.status is Status.PROCESSING\n        and ",
        "",
    ),
    one(
        "a cancelled attempt still starts the generator",
        generation.Generation,
        "_start",
        "self._record_intent()",
        "try: self._record_intent()\n    except LeaseLost: pass",
    ),
    one(
        "views do not know of a start",
        creation.Creation,
        "with_intent",
        "has_start=True, ",
        "",
    ),
    one(
        "views keep a start that did not happen",
        creation.Creation,
        "without_start",
        "has_start=left is not None",
        "has_start=True",
    ),
    one(
        "nothing is ever overdue",
        failing,
        "is_overdue",
        "return creation.is_past_deadline(at) or is_lost",
        "return False",
        sweeping,
        seed=60,
    ),
    one(
        "a heartbeat pushes the sweep past the deadline",
        creation.Creation,
        "with_next_sweep",
        "min(sweep_at, deadline_at)",
        "sweep_at",
    ),
    one(
        "a frozen API publishes a copy after its undo entry",
        publishing.Publishing,
        "_publish",
        "if self.clock.now() > copied_by:",
        "if False:",
        seed=599,
    ),
    one(
        "a sweep uses the task number of another sweep",
        sweeping.Sweeping,
        "_requeue",
        "landed=lambda found, sent: found.get(creation.key) == sent",
        "landed=lambda found, sent: True",
        seed=2359,
    ),
    one(
        "a retry may come after the deadline",
        starts,
        "next_retry_at",
        "if not creation.has_time_to_run(own, policy=policy):",
        "if False:",
        claim,
        seed=51,
    ),
    one(
        "the sweep writes its stale snapshot",
        sweeping.Sweeping,
        "_requeue",
        "if current is None or current != creation:",
        "current = creation\n        if False:",
        seed=8,
    ),
    one(
        "the sweep requeues without checking the current document",
        sweeping.Sweeping,
        "_requeue",
        "if current is None or current != creation:",
        "if current is None:",
    ),
    one(
        "the sweep uses the last task's number",
        sweeping.Sweeping,
        "_requeue",
        "self.queue.enqueue(creation.creation_id, kind=creation.kind, number=number)",
        "self.queue.enqueue(creation.creation_id, kind=creation.kind, number=creation.task_number)",
    ),
    Mutant(
        "a fenced job removes its files",
        (
            Edit(
                attempt.Attempt,
                "run",
                'log.warning("lease_lost")',
                "mine = self.claim.creation\n"
                "        for key in mine.keys_of(range(mine.attempt, mine.attempt + 1)):\n"
                "            try: self.phoenix.ports.media.delete(key)\n"
                "            except MediaUnavailable: pass",
            ),
            Edit(
                claim.Claim,
                "complete",
                COMPLETE_RECOGNISES,
                COMPLETE_RECOGNISES.replace("found.get(creation.key) is None", "False").replace(
                    "current.media_key == media.media_key", "False"
                ),
            ),
        ),
    ),
    one(
        "the balance is read outside the transaction",
        opening.Opening,
        "_debit_and_create",
        "    def decide(found: Found) -> Decision[Opened]:\n"
        "        account, known = found.get(user_key), [",
        "    outside = self.transactions.store.get(user_key)\n"
        "    def decide(found: Found) -> Decision[Opened]:\n"
        "        account, known = outside, [",
        seed=89,
    ),
    one(
        "the idempotency key is ignored inside the transaction",
        opening.Opening,
        "_debit_and_create",
        "[*filter(None, map(found.get, keys))]",
        "[]",
    ),
    one(
        "every request has a new id",
        opening.Opening,
        "_new_id",
        "if idempotency_key is None:",
        "if True:",
    ),
    one(
        "a deleted creation's key is free again",
        opening.Opening,
        "_debit_and_create",
        "if found.get(debit_key) is not None:\n            raise CreationGone",
        "pass",
    ),
    one(
        "a second click debits again",
        opening.Opening,
        "_debit_again",
        "if current.run_number > run_number:",
        "if current.is_unfinished:",
        seed=56,
    ),
    one(
        "a deletion does not recognise its own commit",
        media_cleanup.MediaCleanup,
        "delete_creation",
        "landed=lambda found, _: found.get(creation.key) is None",
        "landed=lambda found, _: False",
    ),
    one(
        "a cancellation does not recognise its own commit",
        failing.Failing,
        "_fail",
        "return refund is not None and (refund.actor, refund.created_at) == (actor, at)",
        "return False",
        seed=184,
    ),
    one(
        "a user can access the creations of others",
        reading,
        "owned",
        "if creation is None or creation.user_id != owner:",
        "if creation is None:",
        failing,
        media_cleanup,
        opening,
        publishing,
    ),
    one(
        "a page shows the creations of others",
        reading.Reading,
        "own_shown",
        "owned(stored.parse(), owner)",
        "stored.parse()",
    ),
    one(
        "a withdrawal uses the current task number",
        failing.Failing,
        "_fail",
        "withdraw_task(self.queue, failed)",
        "withdraw_task(self.queue, self.transactions.store.get(creation.key) or failed)",
        gate="an owner cancels and retries at once",
    ),
    one(
        "a withdrawal uses the next task number",
        withdrawing,
        "withdraw_task",
        "kind=written.kind, number=written.task_number)",
        "kind=written.kind, number=written.task_number + 1)",
        failing,
        execution,
    ),
    one(
        "a task is withdrawn before its refund",
        failing.Failing,
        "_fail",
        "facts = _facts(creation, code, actor)",
        "facts = _facts(creation, code, actor)\n    withdraw_task(self.queue, creation)",
    ),
    one(
        "free outcomes are not counted",
        Account,
        "_free_hour_after",
        "if code not in CAUSED_BY_OWNER:",
        "if True:",
    ),
    one(
        "internal failures count as free outcomes",
        Account,
        "_free_hour_after",
        "if code not in CAUSED_BY_OWNER:",
        "if False:",
    ),
    NO_LIMIT,
    one(
        "cancelling is refused at the limit of free outcomes",
        failing.Failing,
        "cancel",
        "settlement = self.fail_cancelled(creation)",
        "account = self.transactions.store.get(account_key(owner))\n"
        "    if account and account.free_hour:\n"
        "        limit = self.policy.free_outcomes_per_hour_max\n"
        "        from shared.domain.errors import TooManyFree\n"
        "        account.free_hour.check(self.clock.now(), limit=limit, error=TooManyFree)\n"
        "    settlement = self.fail_cancelled(creation)",
        seed=51,
    ),
    one(
        "the brake refuses a replay",
        opening.Opening,
        "_debit_and_create",
        "        if known:\n",
        "        if refusal is not None:\n            raise refusal\n        if known:\n",
        seed=61,
    ),
    Mutant(
        "the brake refuses after the debit",
        (
            Edit(
                opening.Opening,
                "_debit_and_create",
                "if refusal is not None:",
                "if False:",
            ),
            Edit(
                opening.Opening,
                "open",
                "return opened if opened.is_replay else",
                "if refusal is not None and not opened.is_replay:\n"
                "        raise refusal\n"
                "    return opened if opened.is_replay else",
            ),
        ),
    ),
    one(
        "a public key is reused",
        creation.Creation,
        "prepared_for_publication",
        "publication_count=self.publication_count + 1",
        "publication_count=max(1, self.publication_count)",
    ),
    one(
        "a publication commits without its undo entry",
        publishing.Publishing,
        "_commit",
        "if undo is None or undo.is_begun or undo.due_at <= at + margin:",
        "if False:",
        seed=2411,
    ),
    one(
        "a copy is deleted while its publication commits",
        media_cleanup.MediaCleanup,
        "carry_out",
        "if not (deletion.is_begun or self._begin(deletion, at=at)):",
        "if False:",
    ),
    one(
        "a deletion is not repeated",
        media_cleanup.MediaCleanup,
        "carry_out",
        "if at < current.until:",
        "if False:",
        seed=14,
    ),
    one(
        "orphaned files are never deleted",
        failing,
        "end_of_run",
        "return (cost, deletion)",
        "return (cost,)",
        claim,
    ),
    one(
        "a deletion includes the files of the live attempt",
        claim.Claim,
        "complete",
        "range(current.first_attempt, current.attempt)",
        "range(current.first_attempt, current.attempt + 1)",
    ),
    one(
        "a draft is written before its upload succeeded",
        upload.Uploader,
        "_put",
        "return error.reason",
        "return None",
    ),
    one(
        "a gateway's error counts as a refusal",
        generators.SimulatedGenerator,
        "_fail_after_start",
        'raise StartOutcomeUnknown(reason="simulated: a gateway, started")',
        'raise GenerationUnavailable(reason="simulated: a gateway, started")',
    ),
    Mutant(
        "a Retry-After makes a paid result time out",
        (
            Edit(retries.Retries, "retry_read", "min(hint_s, BACKOFF_MAX_S)", "hint_s"),
            Edit(retries.Retries, "pause", "if left_s <= 0:", "if left_s <= seconds:"),
        ),
    ),
    one(
        "polling stops one interval before the deadline",
        retries.Retries,
        "pause",
        "if left_s <= 0:",
        "if left_s <= seconds:",
    ),
    one(
        "a Retry-After prevents the retry",
        starts,
        "next_retry_at",
        "else own",
        "else None",
        claim,
        gate="half of the starts have a Retry-After of an hour",
    ),
    one(
        "a paid operation is abandoned without reading its output location",
        generation.Generation,
        "_finish_from_bucket",
        "found = self._look_up()",
        "found = None",
    ),
    one(
        "storing is abandoned after four tries",
        retries.Retries,
        "retry_upload",
        "if left_s <= 0:",
        "if pause_s >= 8:",
        seed=51,
    ),
    one(
        "a second image start is not delayed",
        starts,
        "may_start_again",
        "return at >= creation.intent.at + timedelta(seconds=pause_s)",
        "return True",
        generation,
        claim,
    ),
    one(
        "refused reads are final within seconds",
        retries,
        "_is_final",
        ">= READ_REFUSED_FOR_S",
        ">= 0",
        seed=30,
    ),
    one(
        "a retry keeps the intent of a refused start",
        claim.Claim,
        "retry_later",
        "if start_failed else held",
        "if False else held",
        gate="half of the starts return 429",
    ),
    one(
        "a refusal keeps the operation",
        creation.Creation,
        "without_start",
        "operation_name=None,",
        "",
        gate="half of the operations end in a transient error",
    ),
    one(
        "the minimum run is ignored",
        creation.Creation,
        "has_time_to_run",
        "at + least <= self.deadline_at",
        "at <= self.deadline_at",
        seed=31,
    ),
    one(
        "an operation is discarded before its draft is written",
        attempt.Attempt,
        "_settle",
        "self._complete(media)",
        "self._discard(); self._complete(media)",
    ),
    one(
        "a later task attempt of another execution takes the lease",
        LeaseOwner,
        "succeeds",
        "self.execution == other.execution and",
        "",
        seed=18,
    ),
    one(
        "a claim keeps retry_at",
        creation.Creation,
        "claimed",
        "retry_at=None,",
        "",
    ),
    one(
        "a second user with the same address is welcomed",
        welcoming.WelcomeGrant,
        "offered_to",
        "contact = caller.verified_contact or caller.user_id",
        "contact = caller.user_id",
    ),
    one(
        "a welcome granted by an earlier release is ignored",
        welcoming.WelcomeOffer,
        "given_to",
        "(self.entry_id, self.legacy_entry_id)",
        "(self.entry_id,)",
    ),
    one(
        "an unverified caller is welcomed",
        welcoming.WelcomeGrant,
        "is_for",
        "and caller.is_verified",
        "",
    ),
    one(
        "the daily limit of welcomes is ignored",
        WelcomeShard,
        "counted",
        "if current.count >= current._share(per_day_max):",
        "if False:",
    ),
    one(
        "a welcome is not counted",
        welcoming.WelcomeOffer,
        "given_to",
        "(entry, counted)",
        "(entry, shard) if shard else (entry,)",
    ),
    one(
        "a welcomed account is not marked",
        welcoming.WelcomeOffer,
        "given_to",
        "granted.welcome_decided(at=self.at)",
        "granted",
    ),
    *STATISTICS_MUTANTS,
    *GROUP_MUTANTS,
    *SHARING_MUTANTS,
    *LIKE_MUTANTS,
    *BULK_MUTANTS,
    *OPERATOR_MUTANTS,
    *RETENTION_MUTANTS,
    *SEARCH_MUTANTS,
]
