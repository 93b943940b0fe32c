"""What nobody should have to remember."""

import ast
import re
from dataclasses import fields
from pathlib import Path

import pytest

from shared.domain.policy import Policy
from shared.settings import POLICY_SETTINGS, SETTINGS

ROOT = Path(__file__).parent.parent
FOLDERS = ("api_service", "cli", "infrastructure", "jobs", "shared")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
LINES_MAX = 300
FUNCTION_LINES_MAX = 40
LONG_SIGNATURE = 20
"""Keyword-only parameters stand on a line each, and a docstring says what is promised."""
LONG_ON_PURPOSE = {"shared/domain/creation.py", "shared/domain/errors.py"}
"""One tree of errors and one state machine are each read as a whole."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_source_file_is_too_long_to_be_one_thing() -> None:
    long = {name(path) for path in SOURCES if len(path.read_text().splitlines()) > LINES_MAX}

    assert long <= LONG_ON_PURPOSE


def test_no_function_is_too_long_to_be_read_at_once() -> None:
    long = [
        f"{name(path)}:{node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX + LONG_SIGNATURE
    ]

    assert long == []


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_every_adapter_is_in_its_ports_contract_suite() -> None:
    suites = "".join(path.read_text() for path in (ROOT / "tests/contract").glob("test_*.py"))
    ports = {path.stem for path in (ROOT / "shared/ports").glob("*.py")} - {"__init__", "clock"}
    adapters = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "shared/adapters").rglob("*.py")
        if any(path.stem == port or path.stem.endswith(f"_{port}") for port in ports)
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


def test_tests_use_fakes_and_skip_nothing_silently() -> None:
    banned = re.compile(r"unittest\.mock|mocker|MagicMock|pytest\.skip\(|mark\.skip\b|xfail\(")
    found = [
        name(path)
        for path in (ROOT / "tests").rglob("*.py")
        if path != Path(__file__) and banned.search(path.read_text())
    ]

    assert found == []


def test_policy_fields_name_their_units() -> None:
    assert all(field.name.endswith(("_s", "_max")) for field in fields(Policy))
