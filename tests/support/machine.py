"""Optional tools: a test is skipped without them, unless PHOENIX_REQUIRE names them.

`tests/browser/install.sh` installs the browser and axe-core, which checks accessibility;
`tests/auth_emulator/install.sh` Firebase's Authentication emulator.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import firestore_emulator, warm_gcloud

AXE = Path(__file__).parents[2] / ".cache/axe-core-4.14.1.min.js"

WEB_LINT = Path(__file__).parents[2] / ".cache/web_lint"
"""Where `make lint` installs oxlint and tsc."""

HAS_FAKE_CLOCK = "libfaketime" in os.environ.get("LD_PRELOAD", "")
"""Set by `make check-future`. gRPC uses the kernel's clock, so its deadlines are wrong there."""


def _can_mount() -> bool:
    """Return whether this user may mount a small file system."""
    unshare = shutil.which("unshare")
    return (
        unshare is not None and not subprocess.run([unshare, "-m", "true"], check=False).returncode
    )


def _can_trace() -> bool:
    """Return whether this user may trace system calls, which some containers forbid."""
    strace = shutil.which("strace")
    options = ("--follow-forks", "--seccomp-bpf", "--trace=fsync", "--output=/dev/null")
    return (
        strace is not None
        and not subprocess.run([strace, *options, "true"], check=False).returncode
    )


AUTH_EMULATOR = Path(__file__).parents[2] / ".cache/auth_emulator"
"""Where `tests/auth_emulator/install.sh` installs Firebase's emulator and web SDK."""

PARTS: dict[str, Callable[[], bool]] = {
    "auth": (AUTH_EMULATOR / "installed.json").exists,
    "browser": lambda: shutil.which("chromium") is not None and AXE.exists(),
    "curl": lambda: shutil.which("curl") is not None,
    "firestore": lambda: not HAS_FAKE_CLOCK and firestore_emulator.is_installed(),
    "node": (WEB_LINT / "installed.json").exists,
    "strace": _can_trace,
    "tmpfs": _can_mount,
    "wrk": lambda: shutil.which("wrk") is not None,
    "gcloud": lambda: shutil.which("gcloud") is not None and warm_gcloud.PYTHON.exists(),
}
REQUIRED = {part for part in os.environ.get("PHOENIX_REQUIRE", "").split(",") if part}


def needs(part: str) -> pytest.MarkDecorator:
    """Skip a test if the part is missing, unless it is required."""
    is_missing = not PARTS[part]()
    return pytest.mark.skipif(
        is_missing and part not in REQUIRED, reason=f"this machine has no {part}"
    )
