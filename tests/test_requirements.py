"""The lists of pins are complete, consistent and installed without dependency resolution.

A new release on the index must not change an installation, so pip resolves nothing; these tests
check what the resolver would.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
IMAGES = {"api": "api", "video_job": "video-job", "image_job": "image-job"}
"""The list of each image, and its extra."""
MACHINE: dict[str, str] = {
    **{name: str(value) for name, value in default_environment().items()},
    "sys_platform": "linux",
    "platform_system": "Linux",
    "python_version": "3.11",
    "python_full_version": "3.11.16",
}
"""The environment for markers: the images' Python."""
INSTALLS = re.compile(r"(?:\bpip3?\b|\(PIP\)).*\binstall\b")
KINDS_OF_FILES = ("Makefile", ".ci/*", "**/*.sh", "**/Dockerfile", "*.yaml", "*.md", "docs/**/*.md")


def roots(name: str) -> list[str]:
    """Return the requirements that a list is compiled from."""
    declared: list[str] = [*PROJECT["project"]["dependencies"]]
    if name in IMAGES:
        return declared + EXTRAS[IMAGES[name]]
    every = [each for extra in EXTRAS.values() for each in extra]
    return (
        declared + every + PROJECT["dependency-groups"]["dev"] + PROJECT["build-system"]["requires"]
    )


def pins(name: str) -> dict[str, str]:
    """Return the pinned version of each distribution of a list that applies to the images' Python."""
    text = (ROOT / f"requirements/{name}.txt").read_text().replace("\\\n", "")
    lines = [re.split(r"\s+--hash", line)[0] for line in text.splitlines() if line.strip()]
    requirements = [Requirement(line) for line in lines]
    return {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==")
        for each in requirements
        if applies(each)
    }


def applies(requirement: Requirement, extras: Iterable[str] = ()) -> bool:
    marker = requirement.marker
    return marker is None or any(
        marker.evaluate(MACHINE | {"extra": extra}) for extra in ("", *extras)
    )


def needed(name: str) -> Iterator[tuple[str, Requirement]]:
    """Yield each direct and transitive requirement with its parent."""
    found = pins(name)
    left = [("pyproject.toml", Requirement(each)) for each in roots(name)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while left:
        who, requirement = left.pop()
        if not applies(requirement):
            continue
        yield who, requirement
        package = canonicalize_name(requirement.name)
        node = (package, frozenset(requirement.extras))
        if package not in found or node in seen:
            continue
        seen.add(node)
        for text in distribution(package).requires or ():
            each = Requirement(text)
            if applies(each, requirement.extras):
                each.marker = None
                left.append((package, each))


@pytest.mark.parametrize("name", [*IMAGES, "dev"])
def test_list_satisfies_every_requirement_of_every_pin(name: str) -> None:
    found = pins(name)
    wrong = [
        f"{who} requires {requirement}: {found.get(canonicalize_name(requirement.name))}"
        for who, requirement in needed(name)
        if not requirement.specifier.contains(
            found.get(canonicalize_name(requirement.name), "0.dev0"), prereleases=True
        )
        or canonicalize_name(requirement.name) not in found
    ]

    assert wrong == []


@pytest.mark.parametrize("name", [*IMAGES, "dev"])
def test_list_contains_only_required_pins(name: str) -> None:
    required = {canonicalize_name(requirement.name) for _, requirement in needed(name)}

    assert pins(name).keys() <= required


@pytest.mark.parametrize("name", IMAGES)
def test_image_has_the_tested_versions(name: str) -> None:
    tested = pins("dev")

    assert {package: tested.get(package) for package in pins(name)} == pins(name)


def test_development_has_the_pinned_versions() -> None:
    installed = {package: distribution(package).version for package in pins("dev")}

    assert installed == pins("dev")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda p: p.stem
)
def test_every_pin_is_exact_and_hashed(path: Path) -> None:
    text = path.read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line.strip()]

    assert lines
    assert [
        line for line in lines if not re.match(r"[a-z0-9._-]+==[^ ]+ .*--hash=sha256:", line)
    ] == []
    assert "://" not in text


def installs() -> list[tuple[str, str]]:
    """Return each line of a script or a document that installs Python packages."""
    paths = {path for kind in KINDS_OF_FILES for path in ROOT.glob(kind) if path.is_file()}
    return [
        (str(path.relative_to(ROOT)), line.strip())
        for path in sorted(paths)
        if path.name != "CHANGELOG.md" and ".venv" not in path.parts
        for line in path.read_text().splitlines()
        if INSTALLS.search(line)
    ]


def test_every_installation_uses_only_pins() -> None:
    found = installs()
    lists = [line for _, line in found if " -r " in line]

    assert {path for path, _ in found} >= {"Makefile", "api_service/Dockerfile"}
    assert [line for line in found if "--no-deps" not in line[1]] == []
    assert len(found) == len(lists) + 1
    for line in lists:
        assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} <= {*line.split()}


def test_project_is_built_with_the_pinned_backend() -> None:
    [line] = [line for _, line in installs() if " -r " not in line]

    assert {"--no-deps", "--no-build-isolation", "-e"} <= {*line.split()}
    assert "hatchling" in pins("dev")


def test_images_have_the_python_of_the_marker_environment() -> None:
    assert all("python:3.11" in path.read_text() for path in ROOT.glob("**/Dockerfile"))
