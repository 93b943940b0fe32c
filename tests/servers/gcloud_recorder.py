"""A stateful fake of Google's REST APIs for the gcloud CLI.

gcloud is configured to use plain HTTP through a proxy, which is this server, so that it sees each
request's real host. Other requests (TLS, unknown hosts) are refused and listed in `leaks`; requests
without a model in `unknown`.
"""

import json
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers import gcloud_run, gcloud_services, warm_gcloud
from tests.servers.gcloud_apis import ApiRequest, Cloud, Refusal, UnknownRequest

MODELS = (gcloud_run, gcloud_services)
"""Their import registers handlers."""

APIS = [
    "artifactregistry",
    "cloudbilling",
    "cloudbuild",
    "cloudresourcemanager",
    "cloudscheduler",
    "cloudtasks",
    "firebaserules",
    "firestore",
    "iam",
    "iamcredentials",
    "logging",
    "monitoring",
    "run",
    "secretmanager",
    "serviceusage",
    "storage",
]
HOST = re.compile(r"(?:([a-z]+-[a-z]+\d+)-)?([a-z]+)\.googleapis\.com")
CODES = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
Site = Callable[[str, str, Any], tuple[int, Any]]


@dataclass
class Fault:
    """An error for matching requests."""

    method: str
    pattern: str
    status: int
    times: int


@dataclass
class GcloudRecorder:
    """Serves during its `with` block; `cloud` is the resulting state."""

    project: str
    cloud: Cloud = field(init=False)
    requests: list[ApiRequest] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    sites: dict[str, Site] = field(default_factory=dict)
    """Handlers of other hosts."""
    faults: list[Fault] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cloud = Cloud(self.project)
        self._lock = threading.Lock()
        self._running = ExitStack()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        self._running.callback(self._server.server_close)
        self._running.callback(thread.join)
        self._running.callback(self._server.shutdown)
        self.folder = Path(self._running.enter_context(tempfile.TemporaryDirectory()))
        (self.folder / "bin").mkdir()
        address = self.folder / "gcloud.socket"
        warm_gcloud.shim(self.folder / "bin/gcloud", address)
        process = warm_gcloud.start(address, self.environment())
        self._running.callback(process.wait)
        self._running.callback(process.terminate)
        assert process.stdout is not None
        self._running.callback(process.stdout.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def environment(self, *, is_warm: bool = True) -> dict[str, str]:
        """Return a script's environment, in which gcloud reaches only this server."""
        proxy = f"http://127.0.0.1:{self._server.server_port}"
        bin_folder = f"{self.folder / 'bin'}:" if is_warm else ""
        return {
            "PATH": bin_folder + os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "http_proxy": proxy,
            "https_proxy": proxy,
            "no_proxy": "127.0.0.1",
            "CLOUDSDK_CONFIG": str(self.folder / "gcloud"),
            "CLOUDSDK_AUTH_ACCESS_TOKEN": "a-token-of-the-tests",
            "CLOUDSDK_CORE_CHECK_GCE_METADATA": "0",
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
            "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "1",
            "CLOUDSDK_CORE_PROJECT": self.project,
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
            "CLOUDSDK_PROXY_TYPE": "http",
            "CLOUDSDK_PROXY_ADDRESS": "127.0.0.1",
            "CLOUDSDK_PROXY_PORT": str(self._server.server_port),
            **{
                f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": f"http://{api}.googleapis.com/"
                for api in APIS
            },
        }

    def run(
        self, command: list[str | Path], *, is_warm: bool = True, **options: Any
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command that cannot reach other machines; add `env`."""
        environment = self.environment(is_warm=is_warm) | options.pop("env", {})
        return subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
            **options,
        )

    def fail(self, method: str, pattern: str, status: int, *, times: int = 99) -> None:
        """Refuse the next matching requests."""
        self.faults.append(Fault(method, pattern, status, times))

    def snapshot(self) -> dict[str, Any]:
        """Return the state without write counters."""
        return deepcopy({"resources": self.cloud.resources, "policies": self.cloud.policies})

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Check that the block changes nothing."""
        before = self.snapshot()
        yield
        after = self.snapshot()
        changed = [
            (key, before[part].get(key), after[part].get(key))
            for part in before
            for key in before[part].keys() | after[part].keys()
            if before[part].get(key) != after[part].get(key)
        ]
        assert not changed, changed

    # Server

    def answer(self, method: str, address: str, body: Any) -> tuple[int, Any]:
        """Handle one request at a time."""
        with self._lock:
            parts = urlsplit(address)
            known = HOST.fullmatch(parts.hostname or "")
            if known is None:
                site = self.sites.get(parts.hostname or "")
                if site is None:
                    self.leaks.append(f"{method} {address}")
                    return _refused(Refusal(403, "not from here"))
                return site(method, parts.path, body)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            request = ApiRequest(
                method, known[2], known[1] or "", unquote(parts.path), query, deepcopy(body)
            )
            self.requests.append(request)
            try:
                self._check_fault(method, address)
                return 200, self.cloud.handle(request)
            except UnknownRequest:
                self.unknown.append(f"{method} {address}")
                return _refused(Refusal(501, "the recorder does not know this request"))
            except Refusal as refusal:
                return _refused(refusal)

    def _check_fault(self, method: str, address: str) -> None:
        for fault in self.faults:
            if fault.times and fault.method == method and re.search(fault.pattern, address):
                fault.times -= 1
                raise Refusal(fault.status, "a fault of the tests")


def _refused(refusal: Refusal) -> tuple[int, Any]:
    status = CODES.get(refusal.status, "UNKNOWN")
    error = {"code": refusal.status, "message": refusal.message, "status": status}
    return refusal.status, {"error": error}


def _handler(recorder: GcloudRecorder) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            size_bytes = int(self.headers.get("Content-Length") or 0)
            read = self.rfile.read(size_bytes)
            try:
                body = json.loads(read) if read else {}
            except ValueError:
                body = read
            status, answer = recorder.answer(self.command, self.path, body)
            sent = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815 (the library's names)

        def do_CONNECT(self) -> None:
            recorder.leaks.append(f"CONNECT {self.path}")
            self.send_error(HTTPStatus.FORBIDDEN)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            pass

    return Handler
