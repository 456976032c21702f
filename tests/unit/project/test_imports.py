"""Who imports whom below tests/: what several folders share is in tests/examples and tests/cluster."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
KINDS_OF_TESTS = ("tests.unit", "tests.integration", "tests.attacks", "tests.e2e")
"""Folders of tests; each may be run alone."""
SHARED = sorted(
    folder.name
    for folder in (REPOSITORY / "tests").iterdir()
    if (folder.is_dir() and f"tests.{folder.name}" not in KINDS_OF_TESTS and folder.name != "__pycache__")
)
"""What they share."""
APART = {
    **{
        kind.replace(".", "/"): tuple(other for other in KINDS_OF_TESTS if other != kind)
        for kind in KINDS_OF_TESTS
    },
    **{f"tests/{folder}": (*KINDS_OF_TESTS, "benchmarks") for folder in SHARED},
    "benchmarks": KINDS_OF_TESTS,
    "hack": KINDS_OF_TESTS,
}
"""Folder, and the packages that its modules may not import."""


def imported(source: str) -> set[str]:
    """Return the modules that a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize(("folder", "apart"), APART.items(), ids=APART)
def test_a_folder_imports_nothing_of_those_apart(folder: str, apart: tuple[str, ...]) -> None:
    files = sorted((REPOSITORY / folder).rglob("*.py"))
    assert files
    wrong = [
        f"{file.relative_to(REPOSITORY)}: {module}"
        for file in files
        for module in sorted(imported(file.read_text()))
        if any(f"{module}.".startswith(f"{package}.") for package in apart)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "source",
    [
        "import tests.unit.a",
        "from tests import unit",
        "from tests.unit import a",
        "def f():\n  import tests.unit",
    ],
)
def test_each_form_of_import_is_found(source: str) -> None:
    assert any(f"{module}.".startswith("tests.unit.") for module in imported(source))


def test_the_unit_tests_have_one_world() -> None:
    """Fixtures that need an API server and an operator's caches derive from it, under names of their own."""
    unit = REPOSITORY / "tests" / "unit"
    found = [file for file in sorted(unit.rglob("*.py")) if "\nclass World" in file.read_text()]
    assert [str(file.relative_to(unit)) for file in found] == ["controller/world.py"]
