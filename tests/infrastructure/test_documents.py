"""docs/deploying.md followed to the letter, and cloudbuild.yaml as gcloud reads it."""

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infrastructure.conftest import (
    PROJECT,
    REGION,
    ROOT,
    SECRETS,
    filled_in,
    new_checkout,
)
from tests.servers.gcloud_recorder import GcloudRecorder
from tests.servers.r2_server import R2Server
from tests.support.eventually import eventually
from tests.support.machine import needs

pytestmark = [pytest.mark.slow, needs("gcloud"), needs("curl")]

API_HOST = "phoenix.example"
TYPED = [*SECRETS.values(), "id-token", "a-user", "another secret of R2"]
"""The input that the document requests, in order."""
SUBMIT = ["gcloud", "builds", "submit", "--config=cloudbuild.yaml", f"--region={REGION}"]


def commands_of(document: str) -> str:
    """Return what the document says to type, as one script."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", document, re.DOTALL | re.MULTILINE))


class PhoenixSite:
    """An API that finishes a video while it is polled."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __call__(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.seen.append(f"{method} {path}")
        if path == "/api/me":
            return 200, {"userId": "a-user", "balance": 0}
        if method == "POST":
            return 202, {"creationId": "c1", "status": "pending"}
        is_done = self.seen.count(f"GET {path}") > 1
        return 200, {"creation": {"status": "draft" if is_done else "processing"}}


def deploys(api: GcloudRecorder, checkout: Path) -> Callable[[dict[str, Any]], None]:
    """Return what does the last step of a build, as Cloud Build would."""

    def do(build: dict[str, Any]) -> None:
        given = build.get("substitutions", {}) | {"PROJECT_ID": PROJECT}

        def substituted(text: str) -> str:
            return re.sub(r"\$(\w+)", lambda name: given[name[1]], text)

        step = build["steps"][-1]
        if step["id"] == "test":
            build["status"] = "SUCCESS"
            return
        environment = dict(substituted(each).split("=", 1) for each in step["env"])
        (checkout / "infrastructure/gcp/settings.env").rename(checkout / "settings.env")
        done = api.run(
            [step["entrypoint"], *map(substituted, step["args"])], cwd=checkout, env=environment
        )
        (checkout / "settings.env").rename(checkout / "infrastructure/gcp/settings.env")
        build["status"] = "FAILURE" if done.returncode else "SUCCESS"

    return lambda build: threading.Thread(target=do, args=(build,)).start()


def test_document_leads_from_an_empty_project_to_the_first_video(tmp_path: Path) -> None:
    site = PhoenixSite()
    with GcloudRecorder(PROJECT) as api, R2Server() as r2:
        checkout = new_checkout(tmp_path, r2.settings["endpoint_url"])
        scripts = checkout / "infrastructure/gcp"
        wanted = filled_in(
            (scripts / "settings.env.example").read_text(), r2.settings["endpoint_url"]
        ).replace("https://api.phoenix.test", f"http://{API_HOST}")
        (scripts / "settings.env").unlink()
        (checkout / "wanted.env").write_text(wanted)
        (checkout / "Makefile").write_text("setup:\n")
        (checkout / ".venv/bin").mkdir(parents=True)
        python = checkout / ".venv/bin/python"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        (checkout / "script").write_text(commands_of((ROOT / "docs/deploying.md").read_text()))
        api.sites[API_HOST] = site
        api.cloud.on_build = deploys(api, checkout)

        done = api.run(
            ["bash", "-euo", "pipefail", "script"],
            cwd=checkout,
            env={"EDITOR": f"cp {checkout / 'wanted.env'}"},
            input="\n".join(TYPED) + "\n",
        )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    builds = [body for key, body in api.cloud.resources.items() if "/builds/" in key]
    assert (api.leaks, api.unknown) == ([], [])
    assert [build["status"] for build in builds] == ["SUCCESS", "SUCCESS"]
    accounts = [build["serviceAccount"].rpartition("/")[2] for build in builds]
    assert [account.replace("$PROJECT_ID", PROJECT) for account in accounts] == [
        f"phoenix-tester@{PROJECT}.iam.gserviceaccount.com",
        f"phoenix-deployer@{PROJECT}.iam.gserviceaccount.com",
    ]
    alerts = [body for key, body in api.cloud.resources.items() if "/alertPolicies/" in key]
    assert len(alerts) == len(list((ROOT / "infrastructure/gcp/observability/alerts").iterdir()))
    assert all("/notificationChannels/" in str(each["notificationChannels"]) for each in alerts)
    assert api.cloud.find("/versions/2")["data"] == TYPED[-1]
    assert site.seen == [
        "GET /api/me",
        "POST /api/generate/creation",
        "GET /api/generate/creation/c1",
        "GET /api/generate/creation/c1",
    ]
    assert "is serving again, with its jobs" in done.stdout
    (granted,) = [
        request.body["overrides"]["containerOverrides"][0]["args"]
        for request in api.requests
        if request.path.endswith("phoenix-doctor:run") and request.body.get("overrides")
    ]
    assert granted == ["grant", "a-user", "100", "--reference=first"]


def test_document_and_scripts_have_the_same_figures() -> None:
    document = (ROOT / "docs/deploying.md").read_text()
    script = (ROOT / "infrastructure/gcp/provision_generation_jobs.sh").read_text()

    for kind, memory in (("video", 4), ("image", 1)):
        (created,) = re.findall(rf"make_job {kind}-generation-job \S+ (.+)", script)
        memory_gib, cpu, timeout, retries = created.split()
        assert (
            f"| `{kind}-generation-job` | {memory} GiB, {cpu} CPU, {timeout[:-1]} s, {retries} retries |"
            in document
        )
        assert memory_gib == f"{memory}Gi"


# cloudbuild.yaml


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GcloudRecorder, Path]]:
    """A project in which something can be built, and a folder for the file."""
    with GcloudRecorder(PROJECT) as api:
        for name in ("phoenix-deployer", "phoenix-tester"):
            created = api.run(["gcloud", "iam", "service-accounts", "create", name])
            assert created.returncode == 0
        yield api, tmp_path_factory.mktemp("build")


def submitted(
    prepared: tuple[GcloudRecorder, Path], build: Any, substitutions: str = ""
) -> "subprocess.CompletedProcess[str]":
    api, folder = prepared
    (folder / "cloudbuild.yaml").write_text(yaml.safe_dump(build))
    return api.run(
        [*SUBMIT, "--no-source", *([f"--substitutions={substitutions}"] if substitutions else [])],
        cwd=folder,
        is_warm=False,
    )


ALL = f"_REGION={REGION},_ENV=dev,_RELEASE=r1"
BUILD = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())
TEST_BUILD = yaml.safe_load((ROOT / "cloudbuild.test.yaml").read_text())


def test_gcloud_and_cloud_build_accept_the_file(prepared: tuple[GcloudRecorder, Path]) -> None:
    done = submitted(prepared, BUILD, ALL)
    steps = [step["id"] for step in BUILD["steps"]]

    assert done.returncode == 0, done.stderr
    assert steps[-1] == "deploy"
    assert {step for step in steps if step.startswith("push-")} == set(
        BUILD["steps"][-1]["waitFor"]
    )


def test_gcloud_and_cloud_build_accept_the_test_file(
    prepared: tuple[GcloudRecorder, Path],
) -> None:
    done = submitted(prepared, TEST_BUILD)

    assert done.returncode == 0, done.stderr


def test_deploying_build_runs_no_development_package() -> None:
    builders = {step["name"] for step in BUILD["steps"]}

    assert builders == {
        "gcr.io/cloud-builders/docker",
        "gcr.io/google.com/cloudsdktool/google-cloud-cli:slim",
    }
    assert BUILD["serviceAccount"] != TEST_BUILD["serviceAccount"]


def test_built_images_are_the_deployed_ones() -> None:
    script = (ROOT / "infrastructure/gcp/script.sh").read_text()
    pushed = [step["args"][1] for step in BUILD["steps"] if step["id"].startswith("push-")]

    assert "registry=$region-docker.pkg.dev/$project/phoenix" in script
    assert {image.rpartition("/")[2] for image in pushed} == {
        "api:$_RELEASE",
        "video-generation-job:$_RELEASE",
        "image-generation-job:$_RELEASE",
    }
    assert all(image.startswith("$_REGION-docker.pkg.dev/$PROJECT_ID/phoenix/") for image in pushed)


def wrong(change: Callable[[Any], Any]) -> Any:
    build = deepcopy(BUILD)
    change(build)
    return build


@pytest.mark.parametrize(
    ("build", "substitutions", "message"),
    [
        (wrong(lambda build: build.update(timeout=10)), ALL, "timeout"),
        (wrong(lambda build: build["steps"][0].update(arg=["x"])), ALL, ".steps[0].arg: unused"),
        (wrong(lambda build: build["steps"][4].update(waitFor=["biuld-api"])), ALL, "waitFor"),
        (BUILD, f"_REGION={REGION},_ENV=dev", "substitutions"),
        (
            wrong(lambda build: build.update(serviceAccount="projects/p/serviceAccounts/x@y")),
            ALL,
            "x@y",
        ),
    ],
)
def test_invalid_build_file_is_refused(
    prepared: tuple[GcloudRecorder, Path], build: Any, substitutions: str, message: str
) -> None:
    done = submitted(prepared, build, substitutions)

    assert done.returncode != 0
    assert message in done.stderr


def test_request_to_an_unknown_host_is_refused_and_listed() -> None:
    tasks = "https://cloudtasks.googleapis.com/"
    with GcloudRecorder(PROJECT) as api:
        direct = api.run(["curl", "-sf", "https://run.googleapis.com/v1/projects"])
        plain = api.run(["curl", "-sf", "http://elsewhere.example/"])
        secure = subprocess.Popen(
            ["gcloud", "tasks", "queues", "list", f"--location={REGION}"],
            env=api.environment() | {"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDTASKS": tasks},
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: len(api.leaks) > 2, within_s=60)
        secure.kill()  # gcloud would try for half a minute
        secure.wait()

    assert 0 not in {direct.returncode, plain.returncode}
    assert api.leaks[:3] == [
        "CONNECT run.googleapis.com:443",
        "GET http://elsewhere.example/",
        "CONNECT cloudtasks.googleapis.com:443",
    ]
