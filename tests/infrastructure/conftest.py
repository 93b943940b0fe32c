"""An installation of Phoenix in a recorded cloud."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.servers.gcloud_recorder import GcloudRecorder
from tests.servers.r2_server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, own_process

ROOT = Path(__file__).parent.parent.parent
PROJECT, REGION = "phoenix-test", "us-central1"
SCRIPTS = "infrastructure/gcp"
SECRETS = {
    "R2_ADMIN_ACCESS_KEY_ID": ACCESS_KEY_ID,
    "R2_ADMIN_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
    "R2_SECRET_ACCESS_KEY": "secret of the running system",
}
RULES = "rules_version = '2';\n"
INDEXES = (
    '{"indexes": [{"collectionGroup": "creations", "queryScope": "COLLECTION", "fields": ['
    '{"fieldPath": "userId", "order": "ASCENDING"},'
    ' {"fieldPath": "createdAt", "order": "DESCENDING"}]}],'
    ' "fieldOverrides": [{"collectionGroup": "users", "fieldPath": "*", "indexes": []},'
    ' {"collectionGroup": "creations", "fieldPath": "sweepAt",'
    ' "indexes": [{"order": "ASCENDING", "queryScope": "COLLECTION"}]}]}'
)


def filled_in(example: str, r2_url: str) -> str:
    """Return filled-in settings."""
    return (
        example.replace("your-project", PROJECT)
        .replace("https://your-account.r2.cloudflarestorage.com", r2_url)
        .replace("your-key-id", ACCESS_KEY_ID)
        .replace("your-web-api-key", "web-api-key")
        .replace("example.com", "phoenix.test")
    )


def new_checkout(folder: Path, r2_url: str) -> Path:
    """Return a copy of what is deployed, with settings of its own."""
    for name in ("infrastructure", "cloudbuild.yaml", "cloudbuild.test.yaml", "docs", "Makefile"):
        if (ROOT / name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, folder / name)
    scripts = folder / SCRIPTS
    for name, text in {"firestore.rules": RULES, "firestore.indexes.json": INDEXES}.items():
        if not (scripts / name).exists():
            (scripts / name).write_text(text)
    example = (scripts / "settings.env.example").read_text()
    (scripts / "settings.env").write_text(filled_in(example, r2_url))
    return folder


@dataclass
class Installation:
    """A checkout with its cloud."""

    checkout: Path
    api: GcloudRecorder
    r2_url: str

    def run(self, script: str, *arguments: str, **environment: str) -> "CompletedProcess[str]":
        """Run a script of the checkout."""
        return self.api.run(
            [self.checkout / SCRIPTS / script, *arguments],
            cwd=self.checkout,
            env={"PYTHON": sys.executable, **SECRETS, **environment},
        )

    def settings(self, **changes: str) -> None:
        """Change lines of the settings file."""
        path = self.checkout / SCRIPTS / "settings.env"
        lines = path.read_text().splitlines()
        kept = [line for line in lines if line.partition("=")[0] not in changes]
        path.write_text("\n".join([*kept, *(f"{k}={v}" for k, v in changes.items())]) + "\n")

    def job(self, name: str) -> Any:
        """Return a job's own part: its container's surroundings."""
        job = self.api.cloud.resources[f"run:namespaces/{PROJECT}/jobs/{name}"]
        return job["spec"]["template"]["spec"]["template"]["spec"]

    def job_image(self, name: str) -> str:
        """Return the release that a job runs."""
        image: str = self.job(name)["containers"][0]["image"]
        return image.rpartition(":")[2]

    @property
    def service(self) -> Any:
        return self.api.cloud.resources[f"run:namespaces/{PROJECT}/services/phoenix-api"]

    def serving(self) -> str:
        """Return the release that all requests go to."""
        (revision,) = [
            target["revisionName"]
            for target in self.service["status"]["traffic"]
            if target.get("percent") == 100
        ]
        found = self.api.cloud.resources[f"run:namespaces/{PROJECT}/revisions/{revision}"]
        release: str = found["metadata"]["labels"]["release"]
        return release

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Take back what happens in the block."""
        settings = self.checkout / SCRIPTS / "settings.env"
        cloud, text = deepcopy(self.api.cloud), settings.read_text()
        try:
            yield
        finally:
            self.api.cloud = cloud
            self.api.faults.clear()
            settings.write_text(text)


@pytest.fixture(scope="session")
def provisioned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose provisioning was interrupted once, by a refused grant."""
    with GcloudRecorder(PROJECT) as api, own_process() as r2_url:
        checkout = new_checkout(tmp_path_factory.mktemp("checkout"), r2_url)
        installation = Installation(checkout, api, r2_url)
        api.fail("POST", r"/queues/image-generation-queue:setIamPolicy", 403, times=1)
        stopped = installation.run("provision.sh")
        done = installation.run("provision.sh")
        assert stopped.returncode != 0
        assert "provision_generation_jobs.sh stopped at: grants on the queues" in stopped.stderr
        assert "provision.sh stopped at: queues, jobs and the API" in stopped.stderr
        assert done.returncode == 0, done.stderr
        yield installation
        assert (api.leaks, api.unknown) == ([], [])


@pytest.fixture
def installation(provisioned: Installation) -> Iterator[Installation]:
    """The installation; what a test does to it is taken back."""
    with provisioned.kept():
        yield provisioned


class Absent(BaseHTTPRequestHandler):
    """Knows nothing."""

    def do_GET(self) -> None:
        body = b'{"error": {"code": 404, "message": "nothing", "status": "NOT_FOUND"}}'
        self.send_response(404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PATCH = do_PUT = do_CONNECT = do_GET  # noqa: N815 (as the server calls them)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def nothing_there() -> Iterator[int]:
    """The port of a proxy that answers 404 for every API."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Absent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def check_gcloud_understands(
    command: str, *, apis: Iterable[str], proxy_port: int, folder: Path, **variables: str
) -> None:
    """Run a gcloud command where nothing exists: it must get as far as not finding its object."""
    known = {
        "CLOUDSDK_CONFIG": str(folder),
        "HOME": str(folder),
        "CLOUDSDK_AUTH_ACCESS_TOKEN": "a-token-of-the-tests",
        "CLOUDSDK_CORE_PROJECT": PROJECT,
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "0",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "CLOUDSDK_PROXY_TYPE": "http",
        "CLOUDSDK_PROXY_ADDRESS": "127.0.0.1",
        "CLOUDSDK_PROXY_PORT": str(proxy_port),
        **variables,
    }
    for api in apis:
        known[f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}"] = f"http://{api.lower()}.googleapis.com/"
    done = subprocess.run(
        ["bash", "-c", command],
        env={"PATH": os.environ["PATH"], **known},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    assert re.search("NOT_FOUND|annot find|not be found|not found", done.stderr), done.stderr
