"""Run the API server: `python -m api_service [--host HOST] [--port PORT]`.

Containers set PORT, and then the server listens on all interfaces; otherwise only on loopback.
"""

import argparse
import os
import signal

from shared import startup
from shared.settings import DEFAULT_PORT

ALL_INTERFACES = "0.0.0.0"  # noqa: S104 (only where the platform sets PORT: in a container)
LOOPBACK = "127.0.0.1"
PORT_MAX = 65_535


def main() -> None:
    """Parse the arguments and serve until a signal; exit 2 if an argument is wrong.

    uvicorn raises the signal again once it has stopped, which then ends the process.
    """
    startup.begin()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no KeyboardInterrupt with its traceback
    port = os.environ.get("PORT")
    parser = argparse.ArgumentParser(prog="python -m api_service", description="Run the API.")
    parser.add_argument("--host", default=LOOPBACK if port is None else ALL_INTERFACES)
    # argparse also parses a default that is a string.
    parser.add_argument("--port", type=port_number, default=DEFAULT_PORT if port is None else port)
    options = parser.parse_args()

    from api_service.main import serve

    serve(options.host, options.port)


def port_number(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(PORT_MAX))
    if not is_number or not 1 <= int(text) <= PORT_MAX:
        raise argparse.ArgumentTypeError(f"use a whole number from 1 to {PORT_MAX}")
    return int(text)


if __name__ == "__main__":
    main()
