"""The real gcloud, imported once and forked for each command: a fifth of its start-up time.

`python warm_gcloud.py SOCKET` in gcloud's own Python serves; `shim` writes a `gcloud` command that calls it.
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
    request = {{"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd()}}
    server.sendall(json.dumps(request).encode() + b"\\n")
    sys.exit(int(server.recv(16) or {crashed}))
"""


def shim(path: Path, address: Path) -> None:
    """Write a `gcloud` command that delegates to the listening process."""
    text = SHIM.format(python=sys.executable, address=str(address), crashed=CRASHED)
    path.write_text(text)
    path.chmod(0o755)


def start(address: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
    """Start the listening process and wait until it is ready."""
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
    """Run a client's command in this fork; return the exit status."""
    _, files, _, _ = socket.recv_fds(client, 1, 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
    request = json.loads(client.makefile().readline())
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["gcloud", *request["argv"]]
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
