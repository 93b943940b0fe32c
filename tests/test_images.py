"""The container images: what their files say, and that their dependencies are enough."""

import ast
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ADAPTERS = "shared.adapters."
HOW = ["--require-hashes", "--only-binary=:all:", "--no-deps"]


@dataclass(frozen=True)
class ContainerImage:
    """One Dockerfile, and the lines of Python that its process needs to get through."""

    name: str
    folder: str
    imports: tuple[str, ...]
    adapters: frozenset[str]
    """What it uses in the cloud; an adapter imports its vendor when it is first used."""
    has_ffmpeg: bool

    @property
    def lines(self) -> list[str]:
        """Return the instructions of its Dockerfile."""
        text = (ROOT / self.folder / "Dockerfile").read_text()
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    @property
    def pins(self) -> Path:
        return ROOT / "requirements" / f"{self.name}.txt"


def adapters_named_in(file: str, function: str) -> frozenset[str]:
    """Return the adapters that a function imports."""
    tree = ast.parse((ROOT / file).read_text())
    [body] = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    return frozenset(
        node.module.removeprefix(ADAPTERS)
        for node in ast.walk(body)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(ADAPTERS)
    )


OF_THE_API = adapters_named_in("shared/wiring.py", "_gcp") | {"google_grants"}
OF_A_JOB = frozenset({"cloud_tasks_queue", "firestore_store", "genai_client", "r2_media_store"})
IMAGES = [
    ContainerImage(
        "api",
        "api_service",
        ("from api_service.main import app", "app()"),
        OF_THE_API,
        has_ffmpeg=False,
    ),
    ContainerImage(
        "video_job",
        "jobs/video_generation_job",
        (
            "import jobs.entry, jobs.video_generation_job.pipeline",
            "import shared.adapters.omni_video_generator, shared.adapters.veo_video_generator",
        ),
        OF_A_JOB | {"ffmpeg", "omni_video_generator", "veo_video_generator"},
        has_ffmpeg=True,
    ),
    ContainerImage(
        "image_job",
        "jobs/image_generation_job",
        (
            "import jobs.entry, jobs.image_generation_job.pipeline",
            "import shared.adapters.gemini_image_generator",
        ),
        OF_A_JOB | {"gemini_image_generator"},
        has_ffmpeg=False,
    ),
]


@pytest.fixture(params=IMAGES, ids=lambda image: image.name)
def image(request: pytest.FixtureRequest) -> ContainerImage:
    found: ContainerImage = request.param
    return found


def test_an_image_is_the_official_python_and_its_own_hashed_pins(image: ContainerImage) -> None:
    installs = [line for line in image.lines if "pip install" in line]

    assert image.lines[0] == "FROM python:3.11-slim"
    assert f"COPY requirements/{image.name}.txt requirements.txt" in image.lines
    assert len(installs) == 1
    assert {*HOW} <= {*installs[0].split()}
    assert [line for line in image.lines if "apt-get" in line] == []


def test_an_image_runs_compiled_and_without_rights(image: ContainerImage) -> None:
    assert "RUN python -m compileall -q ." in image.lines
    assert re.fullmatch(r"USER [1-9]\d*:[1-9]\d*", image.lines[-3])
    assert image.lines[-1].startswith("CMD [")


def test_only_the_video_job_carries_ffmpeg(image: ContainerImage) -> None:
    assert ("imageio-ffmpeg==" in image.pins.read_text()) is image.has_ffmpeg


def sources(image: ContainerImage, folder: Path) -> None:
    """Copy what the Dockerfile copies, as far as .dockerignore lets it."""
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


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def vendors_of(adapters: frozenset[str]) -> list[str]:
    """Return every import of these modules, and of the adapters they import, wherever it stands."""
    found, seen, left = set(), set[str](), {ADAPTERS + name for name in adapters}
    while left:
        module = left.pop()
        seen.add(module)
        path = ROOT / (module.replace(".", "/") + ".py")
        tree = ast.parse(path.read_text())
        for_types = {
            each for node in ast.walk(tree) if is_for_types(node) for each in ast.walk(node)
        }
        for node in {*ast.walk(tree)} - for_types:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(ADAPTERS):
                left |= {node.module or ""} - seen
            elif isinstance(node, ast.Import | ast.ImportFrom):
                found.add(ast.unparse(node))
    return sorted(found)


def test_each_adapter_of_the_cloud_is_some_images() -> None:
    used = frozenset[str]().union(*(image.adapters for image in IMAGES))

    assert used >= adapters_named_in("shared/generators.py", "google_generator")


@pytest.mark.slow
def test_a_processs_own_dependencies_are_enough(image: ContainerImage, tmp_path: Path) -> None:
    packages, work = tmp_path / "packages", tmp_path / "app"
    sources(image, work)
    uv = str(Path(sys.prefix) / "bin" / "uv")  # it keeps what it has downloaded once
    target = f"--target={packages}"
    install = [uv, "pip", "install", "--quiet", *HOW, target, "--requirements", str(image.pins)]
    subprocess.run(install, check=True, timeout=300)

    lines = [*image.imports, *vendors_of(image.adapters)]
    # Without site packages (-S), nothing but the image's own is there.
    done = subprocess.run(
        [sys.executable, "-S", "-c", "\n".join(lines)],
        cwd=work,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(packages),
            "PHOENIX_DATA": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert (packages / "imageio_ffmpeg").exists() is image.has_ffmpeg
