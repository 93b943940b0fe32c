"""Run the API server: `python -m api_service [--host HOST] [--port PORT]`.

A container sets PORT, and then the server listens on every interface; otherwise only on loopback.
"""

import argparse
import os
import signal

from api_service.server import serve
from shared.settings import DEFAULT_PORT

ALL_INTERFACES = "0.0.0.0"  # noqa: S104 (only where the platform sets PORT: in a container)
LOOPBACK = "127.0.0.1"
PORT_MAX = 65_535


def main() -> None:
    """Parse the arguments and serve until a signal; exit 2 and say so if one is wrong.

    uvicorn sends itself the signal again once it has stopped: as with SIGTERM, that ends the process.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # not a KeyboardInterrupt with its traceback
    port = os.environ.get("PORT")
    parser = argparse.ArgumentParser(prog="python -m api_service", description="Run the API.")
    parser.add_argument("--host", default=LOOPBACK if port is None else ALL_INTERFACES)
    # A default that is a text is parsed, too.
    parser.add_argument("--port", type=port_number, default=DEFAULT_PORT if port is None else port)
    options = parser.parse_args()
    serve(options.host, options.port)


def port_number(text: str) -> int:
    """Return the number of a port."""
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(PORT_MAX))
    if not is_number or not 1 <= int(text) <= PORT_MAX:
        raise argparse.ArgumentTypeError(f"use a whole number from 1 to {PORT_MAX}")
    return int(text)


if __name__ == "__main__":
    main()
