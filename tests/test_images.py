"""The container images: what their files say, and that their dependencies are enough."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOW = ["--require-hashes", "--only-binary=:all:", "--no-deps"]


@dataclass(frozen=True)
class ContainerImage:
    """One Dockerfile, and the lines of Python that its process needs to get through."""

    name: str
    folder: str
    imports: tuple[str, ...]
    has_ffmpeg: bool

    @property
    def lines(self) -> list[str]:
        """Return the instructions of its Dockerfile."""
        text = (ROOT / self.folder / "Dockerfile").read_text()
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    @property
    def pins(self) -> Path:
        return ROOT / "requirements" / f"{self.name}.txt"


IMAGES = [
    ContainerImage(
        "api", "api_service", ("from api_service.main import app", "app()"), has_ffmpeg=False
    ),
    ContainerImage(
        "video_job",
        "jobs/video_generation_job",
        (
            "import jobs.entry, jobs.video_generation_job.pipeline",
            "import shared.adapters.omni_video_generator, shared.adapters.veo_video_generator",
        ),
        has_ffmpeg=True,
    ),
    ContainerImage(
        "image_job",
        "jobs/image_generation_job",
        (
            "import jobs.entry, jobs.image_generation_job.pipeline",
            "import shared.adapters.gemini_image_generator",
        ),
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
                    copy = shutil.copytree if path.is_dir() else shutil.copy
                    to.parent.mkdir(parents=True, exist_ok=True)
                    copy(path, to)


@pytest.mark.slow
def test_a_processs_own_dependencies_are_enough(image: ContainerImage, tmp_path: Path) -> None:
    packages, work = tmp_path / "packages", tmp_path / "app"
    sources(image, work)
    uv = str(Path(sys.prefix) / "bin" / "uv")  # it keeps what it has downloaded once
    target = f"--target={packages}"
    install = [uv, "pip", "install", "--quiet", *HOW, target, "--requirements", str(image.pins)]
    subprocess.run(install, check=True, timeout=300)

    # Without site packages (-S), nothing but the image's own is there.
    done = subprocess.run(
        [sys.executable, "-S", "-c", "\n".join(image.imports)],
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
