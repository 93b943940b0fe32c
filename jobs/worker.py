"""A job's process: `python -m jobs.<kind>_generation_job`, with CREATION_ID set."""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import NoReturn

from jobs.attempt import Terminated, run_attempt
from jobs.generation import Pipeline
from shared import settings, startup, telemetry, wiring
from shared.domain.brief import CREATION_ID
from shared.domain.errors import RequestError, Unavailable, WrongSetting
from shared.domain.keys import CreationId
from shared.domain.kind import Kind
from shared.domain.lease import LeaseOwner
from shared.ports.clock import Ids
from shared.settings.sealed_environment import WRONG_CONFIGURATION

SETTLED = 0  # or left to a later task
RESTART = 1  # worth an immediate one: after SIGTERM, or because the store is unavailable
RERUN_FAILED = "debit"


def main(kind: Kind, load: Callable[[], Pipeline]) -> NoReturn:
    """Work on the creation that the environment names, and exit."""
    project = os.environ.get("GOOGLE_CLOUD_PROJECT")
    telemetry.configure(f"{kind}-generation-job", project=project)
    signal.signal(signal.SIGTERM, _terminate)
    with telemetry.bind_trace(os.environ.get("TRACEPARENT")):
        sys.exit(exit_status(lambda: _work(kind, load, os.environ)))


def exit_status(work: Callable[[], None]) -> int:
    """Do a job's work and return its exit status; a configuration error is printed on one line."""
    try:
        work()
    except (Terminated, Unavailable):
        return RESTART
    except (WrongSetting, RequestError) as error:
        print(error, file=sys.stderr)  # noqa: T201 (the one line of a refused start)
        return WRONG_CONFIGURATION
    return SETTLED


def _work(kind: Kind, load: Callable[[], Pipeline], environment: Mapping[str, str]) -> None:
    creation_id = environment.get("CREATION_ID", "")
    if not CREATION_ID.fullmatch(creation_id):
        raise WrongSetting(setting="CREATION_ID", reason="set it to the id of a creation")
    rerun_failed = environment.get("RERUN_FAILED")
    if rerun_failed not in (None, RERUN_FAILED):
        reason = f"leave it out or set it to {RERUN_FAILED}"
        raise WrongSetting(setting="RERUN_FAILED", reason=reason)
    phoenix = wiring.build(settings.load(environment), makes=kind)
    startup.complete()
    lease_owner = _lease_owner(environment, phoenix.ports.ids)
    if rerun_failed is not None:
        phoenix.opening.rerun(CreationId(creation_id), execution=lease_owner.execution)
    run_attempt(phoenix, load, CreationId(creation_id), kind=kind, lease_owner=lease_owner)


def _lease_owner(environment: Mapping[str, str], ids: Ids) -> LeaseOwner:
    """Return this task attempt; a process started by hand counts as an execution of its own."""
    execution = environment.get("CLOUD_RUN_EXECUTION") or f"by-hand-{ids.random_id(8)}"
    return LeaseOwner(execution, int(environment.get("CLOUD_RUN_TASK_ATTEMPT", "0")))


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated
