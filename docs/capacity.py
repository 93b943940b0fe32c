"""Write the command's output into the page: `python docs/capacity.py`.

Every block of the page that begins with `$ phoenix capacity` gets what that command prints.
"""  # noqa: INP001 (a script next to its output)

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("capacity.md")
PHOENIX = Path(sys.executable).with_name("phoenix")
BLOCK = re.compile(r"(```console\n\$ phoenix (capacity[^\n]*)\n).*?(?=```)", re.DOTALL)
ENVIRONMENT = {"PATH": os.environ["PATH"], "COLUMNS": "120"}


def refreshed(page: str) -> str:
    """Return the page with the present output of its commands."""
    return BLOCK.sub(lambda block: block[1] + _output(block[2]), page)


def _output(command: str) -> str:
    done = subprocess.run(  # noqa: S603 (a command of our page)
        [PHOENIX, *command.split()], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text()))
