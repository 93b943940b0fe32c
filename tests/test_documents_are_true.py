"""Documentation names existing files, valid links and defined variables."""

import re
from pathlib import Path

import pytest
import typer.testing

from cli.main import cli

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    if page.name != "CHANGELOG.md"
)
FOLDERS = "api_service|cli|docs|infrastructure|jobs|shared|tests"
FILE = re.compile(rf"(?<![\w./:-])((?:{FOLDERS})/[\w./-]*\w(?:\.\w+|/))")
CREATED_BY_READER = {"infrastructure/gcp/settings.env"}
FROM_SHELL = {"EDITOR", "PWD", "PATH", "HOME", "ZSH_VERSION", "R2_ADMIN_ACCESS_KEY_ID"}
EXAMPLE = ROOT / "infrastructure/gcp/settings.env.example"
SOURCED = "source infrastructure/gcp/settings.env"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_named_in_a_page_exist(page: Path) -> None:
    named = set(FILE.findall(page.read_text())) - CREATED_BY_READER

    assert {name for name in named if not (ROOT / name).exists()} == set()


ARGUMENTS = sorted(
    {
        arguments.strip('"')
        for file in [*PAGES, *(ROOT / "infrastructure/gcp").glob("*.sh")]
        for arguments in re.findall(r"--args=(\S+)", file.read_text())
    }
)


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_arguments_of_executed_jobs_exist(arguments: str) -> None:
    command, *rest = arguments.split(",")

    shown = typer.testing.CliRunner().invoke(cli, [command, "--help"], env={"COLUMNS": "200"})

    assert shown.exit_code == 0, shown.output
    options = {each.partition("=")[0] for each in rest if each.startswith("--")}
    assert {option for option in options if option not in shown.output} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_are_valid(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text())

    assert {target for target in targets if not (page.parent / target).exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_variables_are_set_before_commands_use_them(page: Path) -> None:
    script = "\n".join(
        re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    )
    known = set(FROM_SHELL)
    unset = []
    for line in script.splitlines():
        shell = re.sub(r"'[^']*'", "", line)
        if SOURCED in shell:
            known |= set(re.findall(r"^([A-Z][A-Z0-9_]*)=", EXAMPLE.read_text(), re.MULTILINE))
        unset += [
            f"{name}: {line}"
            for name in re.findall(r"\$\{?([A-Za-z_]\w*)(?!\w*:-)", shell)
            if name not in known and f"${{{name}:-" not in shell
        ]
        known |= set(re.findall(r"\b([A-Za-z_]\w*)=", shell))
        known |= set(re.findall(r"\bread -\w+ \"[^\"]*\" (\w+)", shell))
        known |= set(re.findall(r"\bfor (\w+) in", shell))

    assert unset == []


def test_architecture_is_at_most_two_screens() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 80
