"""The API process: settings and logging from the environment; `server.py` serves `app`."""

import logging
import os
import sys

from fastapi import FastAPI

from api_service.app import create_app
from api_service.security_policy import FirebaseWeb
from shared import settings, telemetry, wiring
from shared.domain.errors import WrongSetting
from shared.domain.kind import Kind
from shared.generators import chosen_model
from shared.settings import GCPBackend, LocalBackend
from shared.wiring import Phoenix

log = logging.getLogger(__name__)

WRONG_CONFIGURATION = 2


def app() -> FastAPI:
    """Build the application from the environment; exit 2 with one line if a setting is wrong."""
    telemetry.configure("api", project=os.environ.get("GOOGLE_CLOUD_PROJECT"))
    uvicorn_log = logging.getLogger("uvicorn")  # its own handler would not write JSON
    uvicorn_log.handlers.clear()
    uvicorn_log.propagate = True
    try:
        phoenix = wiring.build(settings.load(os.environ))
    except WrongSetting as error:
        print(error, file=sys.stderr)  # noqa: T201 (the one line of a refused start)
        sys.exit(WRONG_CONFIGURATION)
    _log_retired_models(phoenix)
    return create_app(phoenix, firebase=_firebase(phoenix.settings.backend))


def _log_retired_models(phoenix: Phoenix) -> None:
    """Log each kind whose model has retired: its job refuses to start, the API does not."""
    backend = phoenix.settings.backend
    models = backend.gemini if isinstance(backend, LocalBackend) else backend
    if models is None:
        return
    for kind in Kind:
        try:
            chosen_model(models, kind, today=phoenix.ports.clock.now().date())
        except WrongSetting as error:
            log.error("model_retired", extra={"kind": kind, "reason": str(error)})  # noqa: TRY400 (the reason is enough)


def _firebase(backend: LocalBackend | GCPBackend) -> FirebaseWeb | None:
    if isinstance(backend, LocalBackend):
        return None
    return FirebaseWeb(
        api_key=backend.firebase_api_key,
        auth_domain=backend.firebase_auth_domain,
        project_id=backend.project,
    )
