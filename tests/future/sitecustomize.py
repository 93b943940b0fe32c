"""Lets Python sleep under Debian's libfaketime: `make check-future` puts this folder on the path.

Python sleeps by clock_nanosleep with an absolute time. With the monotonic clock left alone,
libfaketime 0.9.10 hands the kernel an invalid time there: EINVAL, at every `time.sleep`.
"""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex, /) -> None:
    duration_s = float(seconds)
    if duration_s < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], duration_s)


time.sleep = _sleep
