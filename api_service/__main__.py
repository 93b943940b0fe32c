"""`python -I -m api_service`: the API in its container, on the port that PORT names."""

import os
import sys
from collections.abc import Mapping, Sequence

import uvicorn

from shared.domain.errors import WrongSetting

HOST = "0.0.0.0"  # noqa: S104 (Cloud Run reaches a container from outside)
DEFAULT_PORT = 8080
PORT_MAX = 65_535
GRACEFUL_SHUTDOWN_S = 8
"""Cloud Run kills the process 10 s after SIGTERM."""
WRONG_CONFIGURATION = 2


def port_of(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Return the port to listen on.

    Raises:
        WrongSetting: there are arguments, or PORT is not the number of a port.
    """
    if arguments:
        raise WrongSetting(setting="arguments", reason="the API takes none: set PORT instead")
    text = environment.get("PORT", str(DEFAULT_PORT))
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(PORT_MAX))
    if not is_number or not 1 <= int(text) <= PORT_MAX:
        raise WrongSetting(setting="PORT", reason=f"use a whole number from 1 to {PORT_MAX}")
    return int(text)


def main() -> None:
    """Serve until SIGTERM; exit with status 2 and one line if something is wrong."""
    try:
        port = port_of(sys.argv[1:], os.environ)
    except WrongSetting as error:
        print(error, file=sys.stderr)  # noqa: T201 (the one line of a refused start)
        sys.exit(WRONG_CONFIGURATION)
    uvicorn.run(
        "api_service.main:app",
        factory=True,
        host=HOST,
        port=port,
        workers=1,
        access_log=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
    )


if __name__ == "__main__":
    main()
