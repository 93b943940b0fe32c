"""Run a module that ends when its parent process ends, for any reason.

    python -m shared.adapters.local.lifeline FD GRACE_S MODULE [ARGUMENT..]

FD is a pipe's read end. Only the parent has the write end, so its death closes the pipe. Then this
process gets SIGTERM, and its process group SIGKILL after GRACE_S seconds. PR_SET_PDEATHSIG is no
alternative: it is Linux only, and fires when the thread that started the process ends.
"""

import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Sequence


class Lifeline:
    def __init__(self) -> None:
        self.read_end, self._write_end = os.pipe()

    def command(self, module: str, *arguments: str, grace_s: float) -> list[str]:
        """Return the command for a module; the process must inherit `read_end`."""
        lifeline = (sys.executable, "-m", __name__, str(self.read_end), str(grace_s))
        return [*lifeline, module, *arguments]

    def close(self) -> None:
        os.close(self._write_end)
        os.close(self.read_end)


def _watch(read_end: int, grace_s: float) -> None:
    while os.read(read_end, 1):
        pass
    if main_thread := threading.main_thread().ident:
        signal.pthread_kill(main_thread, signal.SIGTERM)
    time.sleep(grace_s)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # and its children, such as ffmpeg
    os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: Sequence[str]) -> None:
    read_end, grace_s, module, *rest = arguments
    watch = (int(read_end), float(grace_s))
    threading.Thread(target=_watch, args=watch, name="lifeline", daemon=True).start()
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
