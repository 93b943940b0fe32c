"""The container images: their Dockerfiles and their dependencies."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.ffmpeg import program, run_ffmpeg

ROOT = Path(__file__).parent.parent
ADAPTERS = "shared.adapters."
BASE = r"ARG BASE=docker\.io/library/python:3\.11-slim@sha256:[0-9a-f]{64}"
HOW = ["--require-hashes", "--only-binary=:all:", "--no-deps"]


@dataclass(frozen=True)
class ContainerImage:
    """One Dockerfile, and the Python statements that its process must be able to run."""

    name: str
    folder: str
    imports: tuple[str, ...]
    adapters: frozenset[str]
    """Statements of the cloud adapters, which import their vendor on first use."""
    has_ffmpeg: bool
    left_out: frozenset[str]
    """Packages that it deliberately lacks although one of its modules imports them."""

    @property
    def lines(self) -> list[str]:
        """Return the instructions of its Dockerfile."""
        text = (ROOT / self.folder / "Dockerfile").read_text()
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    @property
    def pins(self) -> Path:
        return ROOT / "requirements" / f"{self.name}.txt"


def adapters_named_in(file: str, function: str) -> frozenset[str]:
    """Return the adapters imported by a function."""
    tree = ast.parse((ROOT / file).read_text())
    [body] = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    return frozenset(
        node.module.removeprefix(ADAPTERS)
        for node in ast.walk(body)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(ADAPTERS)
    )


OF_THE_API = adapters_named_in("shared/wiring/gcp.py", "gcp_ports") | {"cloud_run.grants"}
OF_A_JOB = frozenset(
    {"cloud_tasks.task_queue", "firestore.store", "google_models.client", "r2.media_store"}
)
IMAGES = [
    ContainerImage(
        "api",
        "api_service",
        ("from api_service.main import app", "app()"),
        OF_THE_API,
        has_ffmpeg=False,
        left_out=frozenset({"PIL", "google.genai", "httpx2", "imageio_ffmpeg"}),
    ),
    ContainerImage(
        "video_job",
        "jobs/video_generation_job",
        (
            "import jobs.worker, jobs.video_generation_job.pipeline",
            "import shared.ffmpeg",
        ),
        OF_A_JOB | {"google_models.omni_generator", "google_models.veo_generator"},
        has_ffmpeg=True,
        left_out=frozenset({"firebase_admin", "google.cloud.run_v2", "httpx", "jwt"}),
    ),
    ContainerImage(
        "image_job",
        "jobs/image_generation_job",
        ("import jobs.worker, jobs.image_generation_job.pipeline",),
        OF_A_JOB | {"google_models.image_generator"},
        has_ffmpeg=False,
        left_out=frozenset(
            {"firebase_admin", "google.cloud.run_v2", "httpx", "imageio_ffmpeg", "jwt"}
        ),
    ),
]


@pytest.fixture(params=IMAGES, ids=lambda image: image.name)
def image(request: pytest.FixtureRequest) -> ContainerImage:
    found: ContainerImage = request.param
    return found


def test_image_is_the_official_python_with_its_own_hashed_pins(image: ContainerImage) -> None:
    installs = [line for line in image.lines if "pip install" in line]

    assert image.lines[:2] == [IMAGES[0].lines[0], "FROM ${BASE}"]
    assert re.fullmatch(BASE, image.lines[0])
    assert f"COPY requirements/{image.name}.txt requirements.txt" in image.lines
    assert len(installs) == 1
    assert {*HOW} <= {*installs[0].split()}
    assert [line for line in image.lines if "apt-get" in line] == []


def test_image_runs_one_compiled_module_without_privileges(image: ContainerImage) -> None:
    module = image.folder.replace("/", ".")

    assert "RUN python -m compileall -q ." in image.lines
    assert re.fullmatch(r"USER [1-9]\d*:[1-9]\d*", image.lines[-3])
    assert image.lines[-2].split()[:2] == ["ENV", "PHOENIX_BACKEND=gcp"]
    assert image.lines[-1] == f'ENTRYPOINT ["python", "-I", "-m", "{module}"]'
    assert [line for line in image.lines if line.startswith("CMD")] == []


def test_isolated_python_finds_the_modules_of_an_image(
    image: ContainerImage, tmp_path: Path
) -> None:
    """The Dockerfile adds /app to site-packages; here it is a temporary folder."""
    app = tmp_path / "app"
    (app / "carried").mkdir(parents=True)
    (app / "carried/__init__.py").write_text("")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=60
    )
    [line] = [each for each in image.lines if "phoenix.pth" in each]
    command = line.removeprefix("RUN ").replace("'/app'", f"'{app}'")
    path = {"PATH": f"{tmp_path}/venv/bin:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", command], env=path, check=True, timeout=60)

    found = subprocess.run(
        ["python", "-I", "-c", "import carried"], env=path, check=False, cwd="/", timeout=60
    )

    assert found.returncode == 0


def test_image_with_ffmpeg_contains_its_licence(image: ContainerImage) -> None:
    notice = "COPY THIRD_PARTY.md /usr/share/doc/phoenix/"

    assert (notice in image.lines) is image.has_ffmpeg
    assert "!THIRD_PARTY.md" in (ROOT / ".dockerignore").read_text().splitlines()


def test_notice_matches_the_installed_ffmpeg() -> None:
    notice = (ROOT / "THIRD_PARTY.md").read_text()
    said = run_ffmpeg(["-version"], timeout_s=30)
    version = subprocess.run(
        [program(), "-version"], capture_output=True, text=True, check=True, env={}, timeout=30
    ).stdout

    assert said.exit_status == 0
    assert version.split()[2] in notice
    assert {"--enable-gpl", "--enable-version3"} <= {*version.split()}
    assert "--enable-nonfree" not in version
    assert "GNU General Public License, version 3" in notice


def test_only_the_video_job_contains_ffmpeg(image: ContainerImage) -> None:
    assert ("imageio-ffmpeg==" in image.pins.read_text()) is image.has_ffmpeg


def sources(image: ContainerImage, folder: Path) -> None:
    """Copy the files that the Dockerfile copies, except those in .dockerignore."""
    for line in image.lines:
        match line.split():
            case ["COPY", source, target] if not source.startswith("requirements/"):
                for path in ROOT.glob(source.rstrip("/")):
                    to = folder / (target if path.is_dir() else target + path.name)
                    to.parent.mkdir(parents=True, exist_ok=True)
                    if path.is_dir():
                        shutil.copytree(path, to, ignore=shutil.ignore_patterns("__pycache__"))
                    else:
                        shutil.copy(path, to)


MISSING = """
import ast, contextlib, importlib, json, pathlib, sys

def is_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"

def imports(tree):
    for_types = {part for node in ast.walk(tree) if is_for_types(node) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in for_types:
            yield ast.unparse(node)

missing = {}
for path in sorted(pathlib.Path().rglob("*.py")):
    statements = [*imports(ast.parse(path.read_text()))]
    if path.stem != "__main__":
        statements.append("import " + ".".join(path.with_suffix("").parts))
    for statement in statements:
        try:
            exec(statement, {})
        except ImportError as error:
            is_module = isinstance(error, ModuleNotFoundError)
            what = error.name if is_module else ".".join(statement.split()[1:4:2])
            missing.setdefault(what, []).append(f"{path}: {statement}")
print(json.dumps(missing))
"""
"""Runs every import statement of every module in this folder, nested ones too."""


def test_each_cloud_adapter_is_in_an_image() -> None:
    used = frozenset[str]().union(*(image.adapters for image in IMAGES))

    assert used >= adapters_named_in("shared/wiring/generators.py", "google_generator")


@pytest.mark.slow
def test_pins_of_an_image_are_sufficient(image: ContainerImage, tmp_path: Path) -> None:
    packages, work = tmp_path / "packages", tmp_path / "app"
    sources(image, work)
    uv = str(Path(sys.prefix) / "bin" / "uv")  # it caches downloads
    target = f"--target={packages}"
    install = [uv, "pip", "install", "--quiet", *HOW, target, "--requirements", str(image.pins)]
    subprocess.run(install, check=True, timeout=300)

    def with_its_own(script: str) -> str:
        """Run a script with only the image's own packages importable (-S)."""
        done = subprocess.run(
            [sys.executable, "-S", "-c", script],
            cwd=work,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(packages),
                "PHOENIX_DATA": str(tmp_path),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    needed = [f"import shared.adapters.{name}" for name in sorted(image.adapters)]
    with_its_own("\n".join([*image.imports, *needed]))
    missing = json.loads(with_its_own(MISSING))

    assert set(missing) == image.left_out, missing
    assert (packages / "imageio_ffmpeg").exists() is image.has_ffmpeg
