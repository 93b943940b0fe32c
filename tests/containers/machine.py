"""Builds and runs images without a daemon: buildah, podman and runc, as root."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import firestore_emulator

BASE = "docker.io/library/python:3.11-slim"
TOOLS = ("buildah", "podman", "runc", "debootstrap")
DEBIAN = "bookworm"
PACKAGES = (
    "ca-certificates,libssl3,libffi8,libsqlite3-0,zlib1g,libbz2-1.0,liblzma5,libreadline8,"
    "libncursesw6,libuuid1,netbase,tzdata"
)
"""Libraries that CPython is linked with, and packages that the official image adds."""
BASE_FILE = """FROM scratch
ADD base.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""
MEMORY_PEAK = "/sys/fs/cgroup/memory{group}/memory.max_usage_in_bytes"
MEMORY_PEAK_V2 = "/sys/fs/cgroup{group}/memory.peak"
POLL_INTERVAL_S = 0.02


def missing() -> list[str]:
    """Return what this machine lacks."""
    tools = [tool for tool in TOOLS if shutil.which(tool) is None]
    if not firestore_emulator.is_installed():
        tools.append("the Firestore emulator (tests/install_emulator.sh)")
    return tools if os.geteuid() == 0 else ["root", *tools]


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command that must succeed and return its output."""
    return _ended_well(command, cwd).stdout


def _ended_well(
    command: tuple[str | Path, ...], cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


@dataclass(frozen=True)
class Ended:
    """The end of a container: exit status, seconds, peak memory in bytes, log."""

    exit_status: int
    took_s: float
    memory_bytes: int
    log: str


@dataclass(frozen=True)
class Machine:
    """Images and containers in a folder of their own, apart from those of the machine."""

    work: Path

    def _storage(self) -> list[str]:
        return [
            *("--root", str(self.work / "store"), "--runroot", str(self.work / "run")),
            *("--storage-driver", "overlay"),
        ]

    def podman(self, *arguments: str) -> str:
        """Run podman and return its output."""
        return run(*self._podman(*arguments))

    def _podman(self, *arguments: str) -> tuple[str, ...]:
        runtime = ["--runtime", "runc", "--cgroup-manager", "cgroupfs"]
        return ("podman", *self._storage(), *runtime, *arguments)

    def log(self, name: str) -> str:
        """Return stdout and stderr of a container."""
        done = _ended_well(self._podman("logs", name))
        return done.stdout + done.stderr

    def build(self, file: Path, *, context: Path, tag: str) -> float:
        """Build an image on the local base and return the seconds it took."""
        began_s = time.monotonic()
        trust = ["-v", "/etc/ssl/certs:/etc/ssl/certs:ro"]
        if Path("/etc/pip.conf").exists():
            trust += ["-v", "/etc/pip.conf:/etc/pip.conf:ro"]
        run(
            *(
                "buildah",
                *self._storage(),
                "bud",
                "--layers",
                "--isolation",
                "chroot",
                "--pull-never",
            ),
            *(
                "--build-arg",
                f"BASE={BASE}",
                "--network",
                "host",
                *trust,
                "-t",
                tag,
                "-f",
                str(file),
                str(context),
            ),
        )
        return time.monotonic() - began_s

    def size_bytes(self, tag: str) -> int:
        """Return an image's size."""
        return int(json.loads(self.podman("image", "inspect", tag))[0]["Size"])

    def has(self, tag: str) -> bool:
        return tag in self.podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()

    def ensure_base(self) -> None:
        """Build a substitute for the official base image with its tag, layout and this Python.

        It lets the Dockerfiles build without a registry. It tests their steps, not the packages of
        the official image.
        """
        if self.has(BASE):
            return
        root, context = self.work / "rootfs", self.work / "base"
        shutil.rmtree(root, ignore_errors=True)
        context.mkdir(parents=True, exist_ok=True)
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", DEBIAN, root)
        leave_out = ["--exclude=site-packages/*", "--exclude=test", "--exclude=*.a"]
        run("tar", "-C", sys.base_prefix, *leave_out, "-cf", context / "python.tar", "bin", "lib")
        run("tar", "-C", root / "usr/local", "-xf", context / "python.tar")
        (context / "python.tar").unlink()
        for name in ("python", "python3"):
            (root / "usr/local/bin" / name).unlink(missing_ok=True)
            (root / "usr/local/bin" / name).symlink_to("python3.11")
        run("chroot", root, "ldconfig")
        run("chroot", root, "python", "-m", "ensurepip", "--default-pip")
        run("tar", "-C", root, "-cf", context / "base.tar", ".")
        (context / "Dockerfile").write_text(BASE_FILE)
        self.build(context / "Dockerfile", context=context, tag=BASE)
        shutil.rmtree(context)
        shutil.rmtree(root)

    @contextmanager
    def started(
        self,
        tag: str,
        *arguments: str,
        memory: str,
        data: Path,
        environment: dict[str, str],
        entrypoint: str | None = None,
    ) -> Iterator[str]:
        """Yield the name of a running container and remove it at the end."""
        settings = [f"--env={name}={value}" for name, value in environment.items()]
        name = self.podman(
            *("run", "--detach", "--pull=never", "--network=host"),
            *("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"),
            *("--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp", "--cap-drop=all"),
            *(f"--memory={memory}", f"--memory-swap={memory}", f"--volume={data}:/data"),
            *([] if entrypoint is None else [f"--entrypoint={entrypoint}"]),
            *(*settings, tag, *arguments),
        ).strip()
        try:
            yield name
        finally:
            self.podman("rm", "--force", "--time=0", name)

    def ended(self, name: str) -> Ended:
        """Wait for the end of a container and measure its memory."""
        began_s = time.monotonic()
        state = json.loads(self.podman("inspect", name))[0]["State"]
        paths = [
            Path(each.format(group=state.get("CgroupPath", "")))
            for each in (MEMORY_PEAK, MEMORY_PEAK_V2)
        ]
        peak_bytes = 0
        while Path(f"/proc/{state['Pid']}").exists():
            for path in paths:
                if path.exists():
                    peak_bytes = max(peak_bytes, int(path.read_text()))
            time.sleep(POLL_INTERVAL_S)
        exit_status = int(self.podman("wait", name))
        return Ended(exit_status, time.monotonic() - began_s, peak_bytes, self.log(name))
