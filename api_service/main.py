"""The API process: settings and logging from the environment, and uvicorn with its options."""

import logging
import os
import resource
import sys
from functools import partial

import uvicorn
from fastapi import FastAPI

from api_service.app import create_app
from api_service.connection_limits import ConnectionLimits
from api_service.connections import Connections
from api_service.events import StreamLimits
from api_service.security_policy import FirebaseWeb
from shared import settings, startup, telemetry, wiring
from shared.domain.errors import WrongSetting
from shared.domain.kind import Kind
from shared.settings import GCPBackend, LocalBackend
from shared.settings.sealed_environment import WRONG_CONFIGURATION
from shared.wiring import Phoenix
from shared.wiring.generators import GoogleGenerators

log = logging.getLogger(__name__)

START_FAILED = 3
SHUTDOWN_S = 8
"""Time for requests to complete after SIGTERM; Cloud Run kills the process after 10 s."""
KEEP_ALIVE_S = 5
FILES_MAX = 16_384
FILES_RESERVED = 256  # open files that belong to no connection: stores, logs, libraries
FILES_PER_CONNECTION = 2  # its socket, and the media file that it downloads
BACKLOG_SHARE = 8
"""One in this many open files is for new connections that are accepted at the same moment."""
BACKLOG_MAX = 1_024
STREAMS_SHARE = 4
"""One in this many connections may be a live stream."""
CLOUD_STREAMS_MAX = 100
"""Streams of one instance of 250 requests; a connection to Firestore carries as many watches."""


def app(connections_max: int = ConnectionLimits.open_max) -> FastAPI:
    """Build the application from the environment; exit 2 with one line if a setting is wrong."""
    telemetry.configure("api", project=os.environ.get("GOOGLE_CLOUD_PROJECT"))
    try:
        phoenix = wiring.build(settings.load(os.environ))
    except WrongSetting as error:
        print(error, file=sys.stderr)  # noqa: T201 (the one line of a refused start)
        sys.exit(WRONG_CONFIGURATION)
    _log_retired_models(phoenix)
    backend = phoenix.settings.backend
    limits = stream_limits(backend, connections_max=connections_max)
    api = create_app(phoenix, firebase=firebase_web(backend), stream_limits=limits)
    startup.complete()
    return api


def stream_limits(backend: LocalBackend | GCPBackend, *, connections_max: int) -> StreamLimits:
    """Return the limits of live streams in a process with so many connections."""
    streams_max = min(StreamLimits.streams_max, connections_max // STREAMS_SHARE)
    if isinstance(backend, GCPBackend):
        streams_max = min(streams_max, CLOUD_STREAMS_MAX)
    return StreamLimits(streams_max=streams_max)


def _log_retired_models(phoenix: Phoenix) -> None:
    """Log each kind whose model has retired: its job refuses to start, the API does not."""
    backend = phoenix.settings.backend
    models = backend.gemini if isinstance(backend, LocalBackend) else backend
    if models is None:
        return
    for kind in Kind:
        try:
            GoogleGenerators(models, phoenix.ports.clock).card(kind)
        except WrongSetting as error:
            log.error("model_retired", extra={"kind": kind, "reason": str(error)})  # noqa: TRY400 (the reason is enough)


def firebase_web(backend: LocalBackend | GCPBackend) -> FirebaseWeb | None:
    """Return how the pages sign users in, or None for a sign-in by name."""
    if isinstance(backend, LocalBackend):
        return None
    return FirebaseWeb(
        api_key=backend.firebase_api_key,
        auth_domain=backend.firebase_auth_domain,
        project_id=backend.project,
        providers=backend.sign_in_providers,
    )


def server_config(host: str, port: int, *, files_max: int) -> uvicorn.Config:
    """Return uvicorn's configuration in a process that may open `files_max` files."""
    backlog = min(BACKLOG_MAX, files_max // BACKLOG_SHARE)
    connections_max = (files_max - FILES_RESERVED - backlog) // FILES_PER_CONNECTION
    limits = ConnectionLimits(open_max=min(ConnectionLimits.open_max, connections_max))
    return uvicorn.Config(
        partial(app, limits.open_max),
        factory=True,
        host=host,
        port=port,
        http=Connections(limits).new_protocol,  # type: ignore[arg-type]  # called like a class
        ws="none",
        log_config=None,  # uvicorn's own handler would not write JSON
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=backlog,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


def raise_file_limit() -> int:
    """Raise the limit of open files to `FILES_MAX` or as far as allowed, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def serve(host: str, port: int) -> None:
    """Serve until a signal; exit 3 if the server cannot start."""
    server = uvicorn.Server(server_config(host, port, files_max=raise_file_limit()))
    server.run()
    if not server.started:
        sys.exit(START_FAILED)
