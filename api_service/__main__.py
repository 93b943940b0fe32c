"""Run the API server: `python -m api_service [--host HOST] [--port PORT]`.

A container sets PORT, and then the server listens on every interface; otherwise only on loopback.
"""

import argparse
import os

from api_service.server import serve
from shared.settings import DEFAULT_PORT

ALL_INTERFACES = "0.0.0.0"  # noqa: S104 (only where the platform sets PORT: in a container)
LOOPBACK = "127.0.0.1"


def main() -> None:
    """Parse the arguments and serve until a signal."""
    port = os.environ.get("PORT")
    parser = argparse.ArgumentParser(prog="python -m api_service", description="Run the API.")
    parser.add_argument("--host", default=ALL_INTERFACES if port else LOOPBACK)
    parser.add_argument("--port", type=int, default=port or DEFAULT_PORT)
    options = parser.parse_args()
    serve(options.host, options.port)


if __name__ == "__main__":
    main()
