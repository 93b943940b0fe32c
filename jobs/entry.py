"""How a job's process begins and ends: `python -m jobs.<kind>_generation_job`, CREATION_ID set."""

import os
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import NoReturn

from jobs.attempt import Terminated, Workshop, run_attempt
from jobs.making import Pipeline
from shared import settings, telemetry, wiring
from shared.adapters.system.clock import SystemIds
from shared.domain.brief import CREATION_ID
from shared.domain.errors import RequestError, Unavailable, WrongSetting
from shared.domain.keys import CreationId
from shared.domain.lease import LeaseOwner

WRONG_CONFIGURATION = 2
RERUN_FAILED = "debit"
RESTART = 1


def main(pipeline: Pipeline) -> NoReturn:
    """Work on the creation that the environment names, and exit with the attempt's status."""
    project = os.environ.get("GOOGLE_CLOUD_PROJECT")
    telemetry.configure(f"{pipeline.kind}-generation-job", project=project)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with telemetry.bind_trace(os.environ.get("TRACEPARENT")):
            sys.exit(_run(pipeline, os.environ))
    except WrongSetting as error:
        print(error, file=sys.stderr)  # noqa: T201 (the one line of a refused start)
        sys.exit(WRONG_CONFIGURATION)
    except RequestError as error:
        if isinstance(error, Unavailable):
            sys.exit(RESTART)
        print(error, file=sys.stderr)  # noqa: T201 (why it was not debited again)
        sys.exit(WRONG_CONFIGURATION)
    except Terminated:
        sys.exit(RESTART)


def _run(pipeline: Pipeline, environment: Mapping[str, str]) -> int:
    creation_id = environment.get("CREATION_ID", "")
    if not CREATION_ID.fullmatch(creation_id):
        raise WrongSetting(setting="CREATION_ID", reason="set it to the id of a creation")
    rerun_failed = environment.get("RERUN_FAILED")
    if rerun_failed not in (None, RERUN_FAILED):
        raise WrongSetting(
            setting="RERUN_FAILED", reason=f"leave it out or set it to {RERUN_FAILED}"
        )
    phoenix = wiring.build(settings.load(environment), makes=pipeline.kind)
    lease_owner = _lease_owner(environment)
    if rerun_failed is not None:
        phoenix.opening.rerun(CreationId(creation_id), execution=lease_owner.execution)
    workshop = Workshop(
        attempts=phoenix.attempts,
        failing=phoenix.failing,
        queue=phoenix.ports.queue,
        media=phoenix.ports.media,
        generator=lambda: phoenix.ports.generator(pipeline.kind),
        pipeline=pipeline,
        clock=phoenix.ports.clock,
        policy=phoenix.settings.policy,
    )
    return run_attempt(workshop, CreationId(creation_id), lease_owner=lease_owner)


def _lease_owner(environment: Mapping[str, str]) -> LeaseOwner:
    """Return this try of this execution; a process started by hand is its own execution."""
    execution = environment.get("CLOUD_RUN_EXECUTION") or f"by-hand-{SystemIds().random_id(8)}"
    return LeaseOwner(execution, int(environment.get("CLOUD_RUN_TASK_ATTEMPT", "0")))


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated
