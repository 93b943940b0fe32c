"""The real gcloud, imported once and forked for each command: a fifth of its start-up time.

`python warm_gcloud.py SOCKET` in gcloud's own Python serves; `shim` writes the `gcloud` that asks.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

SDK = Path(os.environ.get("CLOUDSDK_ROOT_DIR", "/usr/lib/google-cloud-sdk"))
PYTHON = SDK / "platform/bundledpythonunix/bin/python3"
USED_OFTEN = (
    "googlecloudsdk.api_lib.util.apis",
    "googlecloudsdk.command_lib.iam.iam_util",
    "googlecloudsdk.command_lib.run.flags",
    "googlecloudsdk.command_lib.run.serverless_operations",
    "googlecloudsdk.core.credentials.store",
)
CRASHED = 70
SHIM = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"."], [0, 1, 2])
    asked = {{"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd()}}
    server.sendall(json.dumps(asked).encode() + b"\\n")
    sys.exit(int(server.recv(16) or {crashed}))
"""


def shim(path: Path, address: Path) -> None:
    """Write a command that has what it is asked done by the process that listens there."""
    text = SHIM.format(python=sys.executable, address=str(address), crashed=CRASHED)
    path.write_text(text)
    path.chmod(0o755)


def start(address: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
    """Start the process that listens, and return when it does."""
    process = subprocess.Popen(
        [PYTHON, "-S", __file__, address], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    return process


def _serve(address: str) -> None:
    sys.path[:0] = [str(SDK / "lib/third_party"), str(SDK / "lib")]
    for module in ("googlecloudsdk.gcloud_main", *USED_OFTEN):
        __import__(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        while True:
            client, _ = server.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                client.sendall(str(_run(client)).encode())
                os._exit(0)
            client.close()


def _run(client: socket.socket) -> int:
    """Do in this fork what a client asks; return the exit status."""
    _, files, _, _ = socket.recv_fds(client, 1, 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
    asked = json.loads(client.makefile().readline())
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = ["gcloud", *asked["argv"]]
    try:
        sys.modules["googlecloudsdk.gcloud_main"].main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    _serve(sys.argv[1])
