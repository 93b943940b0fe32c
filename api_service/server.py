"""The HTTP server: every option of uvicorn in one place."""

import resource
import sys

import uvicorn

from api_service.connection_limits import ConnectionLimits
from api_service.connections import Connections
from api_service.main import app

SHUTDOWN_S = 8
"""How long requests may go on after SIGTERM; Cloud Run kills the process after 10 s."""
KEEP_ALIVE_S = 5
START_FAILED = 3
FILES_MAX = 16_384
"""How many open files this process needs at most."""
FILES_RESERVED = 256
"""Open files that belong to no connection: stores, logs, libraries."""
FILES_OF_CONNECTION = 2
"""Its socket, and the media file that it downloads."""
BACKLOG_SHARE = 8
"""What share of the open files may be new connections that are accepted at one moment."""
BACKLOG_MAX = 1_024


def server_config(host: str, port: int, *, files_max: int) -> uvicorn.Config:
    """Return uvicorn's configuration for this API in a process that may open so many files."""
    backlog = min(BACKLOG_MAX, files_max // BACKLOG_SHARE)
    connections_max = (files_max - FILES_RESERVED - backlog) // FILES_OF_CONNECTION
    limits = ConnectionLimits(open_max=min(ConnectionLimits.open_max, connections_max))
    return uvicorn.Config(
        app,
        factory=True,
        host=host,
        port=port,
        http=Connections(limits).new_protocol,  # type: ignore[arg-type]  # called like a class
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=backlog,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


def raise_file_limit() -> int:
    """Allow this process as many open files as it needs and may have; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def serve(host: str, port: int) -> None:
    """Serve until a signal; exit 3 if the server could not start."""
    server = uvicorn.Server(server_config(host, port, files_max=raise_file_limit()))
    server.run()
    if not server.started:
        sys.exit(START_FAILED)
