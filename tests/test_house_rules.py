"""House rules: sizes, names, words and coverage that a reviewer would otherwise have to check."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from shared.domain.policy import Policy
from shared.settings import POLICY_SETTINGS, SETTINGS

ROOT = Path(__file__).parent.parent
FOLDERS = ("api_service", "cli", "infrastructure", "jobs", "shared")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
FILE_LINES_MAX = 300
LONG_FILES = {"shared/domain/creation.py", "shared/domain/errors.py"}
"""The state machine and the error tree are each read as a whole."""
FUNCTION_LINES_MAX = 45
LONG_FUNCTIONS = {"gcp_ports"}
"""It names every adapter in Google Cloud."""
NONLOCALS_MAX = 1
FLAT_ADAPTERS = {"__init__.py", "documents.py"}
WORDS = re.compile(
    r"\b(?:whoever|mend|stands|anew|told|is\s+over|beside|test_what_\w+)\b", re.IGNORECASE
)
"""Words of translated English, and test names that are relative clauses."""
TEXT_SUFFIXES = {
    *(".css", ".example", ".html", ".js", ".md", ".py", ".rules", ".sh", ".svg", ".toml", ".txt"),
    *(".yaml", ""),
}
NOT_OURS = ("LICENSE", "requirements/", "tests/fixtures/", "tests/test_house_rules.py")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def texts() -> Iterator[tuple[str, str]]:
    """Yield the name and text of every file that people write here."""
    top = [each for each in ROOT.iterdir() if not each.name.startswith(".")]
    paths = [each for each in top if each.is_file()]
    for folder in (ROOT / ".ci", *(each for each in top if each.is_dir())):
        paths += [each for each in folder.rglob("*") if each.is_file()]
    for path in sorted(paths):
        is_text = path.suffix in TEXT_SUFFIXES and "__pycache__" not in path.parts
        if is_text and not name(path).startswith(NOT_OURS):
            text = path.read_text()
            yield name(path), newest_entry(text) if path.name == "CHANGELOG.md" else text


def newest_entry(changelog: str) -> str:
    return "\n### ".join(changelog.split("\n### ")[:2])


def test_no_file_uses_words_of_translated_english() -> None:
    found = [
        f"{file}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for file, text in texts()
        for match in WORDS.finditer(text)
    ]

    assert found == [], "\n".join(found)


def test_newest_changelog_entry_is_checked_and_older_ones_are_not() -> None:
    assert newest_entry("# C\n### new\nplain\n### old\ndialect") == "# C\n### new\nplain"


def test_source_files_are_short() -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in SOURCES}
    long = {file: lines for file, lines in lengths.items() if lines > FILE_LINES_MAX}

    assert long.keys() <= LONG_FILES, long


def nodes(*folders: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield every syntax node of the Python files in these folders, with its file's name."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                yield name(path), node


def test_functions_are_short() -> None:
    long = [
        f"{file}:{node.lineno}: {node.name} has {lines} lines"
        for file, node in nodes(*FOLDERS)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name not in LONG_FUNCTIONS
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]

    assert long == [], "\n".join(long)


def test_docstrings_say_more_than_where_to_look() -> None:
    found = [
        f"{file}:{node.lineno}"
        for file, node in nodes(*FOLDERS, "benchmarks", "tests")
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and re.fullmatch(r"See\b[^\n]*", ast.get_docstring(node) or "")
    ]

    assert found == [], "\n".join(found)


def test_decisions_keep_no_memory_in_enclosing_functions() -> None:
    found = [
        f"{file}:{node.lineno}"
        for file, node in nodes("shared", "jobs")
        if isinstance(node, ast.Nonlocal)
    ]

    assert len(found) <= NONLOCALS_MAX, "\n".join(found)


def test_each_adapter_is_in_the_folder_of_its_vendor() -> None:
    flat = {path.name for path in (ROOT / "shared/adapters").glob("*.py")}

    assert flat <= FLAT_ADAPTERS


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_module_has_a_docstring(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_every_adapter_is_in_its_ports_contract_suite() -> None:
    suites = "".join(path.read_text() for path in (ROOT / "tests/contract").glob("test_*.py"))
    ports = {path.stem for path in (ROOT / "shared/ports").glob("*.py")} - {"__init__", "clock"}
    adapters = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "shared/adapters").rglob("*.py")
        if any(path.stem == port or path.stem.endswith(f"_{port}") for port in ports)
        and "(ABC)" not in path.read_text()
    ]

    assert {f"test_{port}.py" for port in ports} == {
        path.name for path in (ROOT / "tests/contract").glob("test_*.py")
    }
    assert [each for each in adapters if each not in suites] == []


def test_every_setting_and_its_default_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    rows = dict(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| `?([^|`]*)", readme, re.MULTILINE))

    assert set(rows) == SETTINGS | POLICY_SETTINGS.keys()
    for setting, field in POLICY_SETTINGS.items():
        assert rows[setting] == shown(field.default)
    assert len(POLICY_SETTINGS) == len({field.name for field in POLICY_SETTINGS.values()})


def shown(default: object) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def test_tests_use_neither_mocks_nor_unconditional_skips() -> None:
    banned = re.compile(r"unittest\.mock|mocker|MagicMock|pytest\.skip\(|mark\.skip\b|xfail\(")
    found = [
        name(path)
        for path in (ROOT / "tests").rglob("*.py")
        if path != Path(__file__) and banned.search(path.read_text())
    ]

    assert found == []


def test_policy_fields_name_their_units() -> None:
    assert all(field.name.endswith(("_s", "_max", "_at_once", "_days")) for field in fields(Policy))
