"""The HTTP server: every option of uvicorn in one place."""

import sys

import uvicorn

from api_service.main import app

SHUTDOWN_S = 8
"""How long requests may go on after SIGTERM; Cloud Run kills the process after 10 s."""
START_FAILED = 3


def server_config(host: str, port: int) -> uvicorn.Config:
    """Return uvicorn's configuration for this API."""
    return uvicorn.Config(
        app,
        factory=True,
        host=host,
        port=port,
        ws="none",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


def serve(host: str, port: int) -> None:
    """Serve until a signal; exit 3 if the server could not start."""
    server = uvicorn.Server(server_config(host, port))
    server.run()
    if not server.started:
        sys.exit(START_FAILED)
