"""The job of an image that a signal kills or stops around one of its commits of a creation.

    python -m tests.end_to_end.dying_job MOMENT COMMIT SIGNAL

The moments are those of `dying_api`. The first commit claims, the second one records the intent.
"""

import runpy
import signal
import sys

from tests.end_to_end.dying_api import die_at

if __name__ == "__main__":
    moment, commit, signal_name = sys.argv[1:]
    del sys.argv[1:]
    die_at(moment, commit=int(commit), signal_number=signal.Signals[signal_name])
    runpy.run_module("jobs.image_generation_job", run_name="__main__", alter_sys=True)
