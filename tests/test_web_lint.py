"""`api_service/web/lint/run.sh`, which `make lint` runs over the pages."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.machine import WEB_LINT, needs

ROOT = Path(__file__).parent.parent
LINT = Path("api_service/web/lint")


def run_lint(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / LINT / "run.sh"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def path_without_node(tmp_path: Path) -> str:
    for program in ("bash", "dirname"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    return str(tmp_path)


def test_lint_names_skipped_tools_on_a_machine_without_node(path_without_node: str) -> None:
    lint = run_lint(ROOT, PATH=path_without_node, PHOENIX_REQUIRE="browser")

    assert lint.returncode == 0
    assert lint.stdout.startswith("skipped: oxlint and tsc")


def test_lint_fails_without_node_if_required(path_without_node: str) -> None:
    lint = run_lint(ROOT, PATH=path_without_node, PHOENIX_REQUIRE="browser,node")

    assert lint.returncode == 1
    assert "PHOENIX_REQUIRE" in lint.stderr


@needs("node")
@pytest.mark.parametrize(
    ("planted", "finding"),
    [("export const x = 1 == true;", "eqeqeq"), ('import { h } from "./dom.js"; h(1);', "TS2345")],
)
def test_lint_finds_a_planted_fault(tmp_path: Path, planted: str, finding: str) -> None:
    shutil.copytree(ROOT / LINT.parent, tmp_path / LINT.parent)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/web_lint").symlink_to(WEB_LINT)
    (tmp_path / "api_service/web/static/planted.js").write_text(f"{planted}\n")

    lint = run_lint(tmp_path, PATH="/usr/local/bin:/usr/bin:/bin")

    assert lint.returncode != 0
    assert finding in lint.stdout
    assert "planted.js" in lint.stdout


def test_every_locked_tool_has_a_hash_and_no_host() -> None:
    packages = json.loads((ROOT / LINT / "package-lock.json").read_text())["packages"]
    locked = {name: package for name, package in packages.items() if name}

    assert len(locked) > 2
    assert all(package["integrity"].startswith("sha512-") for package in locked.values())
    assert not any("resolved" in package for package in locked.values())
