"""What a machine may lack: found here, named where it is skipped, required by PHOENIX_REQUIRE."""

import os
import shutil
from collections.abc import Callable

import pytest

from tests import warm_gcloud

PARTS: dict[str, Callable[[], bool]] = {
    "curl": lambda: shutil.which("curl") is not None,
    "gcloud": lambda: shutil.which("gcloud") is not None and warm_gcloud.PYTHON.exists(),
}
REQUIRED = {part for part in os.environ.get("PHOENIX_REQUIRE", "").split(",") if part}


def needs(part: str) -> pytest.MarkDecorator:
    """Skip a test where the part is missing, unless it is required."""
    is_missing = not PARTS[part]()
    return pytest.mark.skipif(
        is_missing and part not in REQUIRED, reason=f"this machine has no {part}"
    )
