"""What docs/security.md claims has a test, and what it says of the code is so."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
DOCUMENT = (REPOSITORY / "docs" / "security.md").read_text()
TESTS = sorted(set(re.findall(r"`((?:unit|integration|attacks)/[^`]+)`", DOCUMENT)))
SOURCES = sorted((REPOSITORY / "operator").rglob("*.py"))
PROGRAMS = {
    "subprocess",
    "multiprocessing",
    "pty",
    "pickle",
    "marshal",
    "shelve",
    "ctypes",
    "importlib",
    "runpy",
}
CALLS = {"eval", "exec", "__import__"}
OF_OS = re.compile(r"system|popen|exec\w*|spawn\w*|posix_spawn\w*|fork\w*")


@pytest.mark.parametrize("reference", TESTS)
def test_each_test_that_it_names_is_there(reference: str) -> None:
    path, _, name = reference.partition("::")
    text = (REPOSITORY / "tests" / path).read_text()
    assert not name or re.search(rf"^\s*((async )?def {name}\(|class {name}\b)", text, re.MULTILINE)


def test_each_attempt_is_stopped_with_a_test_or_said_not_to_be() -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("| ") and line.count(" | ") >= 2]
    attempts = [row for row in rows if not row.startswith("| attempt") and "…" not in row[:3]]
    assert len(attempts) > 25
    bare = [row for row in attempts if "**not defended**" not in row and "`" not in row.rsplit(" | ", 1)[-1]]
    assert [row for row in bare if not row.rstrip(" |").endswith("the same")] == []


def is_dangerous(module: str) -> bool:
    # These say where the files of a package are.
    harmless = ("importlib.metadata", "importlib.resources")
    return module.split(".", maxsplit=1)[0] in PROGRAMS and module not in harmless


def faults(text: str) -> list[str]:
    """Give what in a source starts programs or takes texts for code."""
    found: list[str] = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                found += [name.name for name in names if is_dangerous(name.name)]
            case ast.ImportFrom(module=str(module)) if is_dangerous(module):
                found.append(module)
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                found.append(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr=name)) if OF_OS.fullmatch(name):
                found.append(f"os.{name}")
            case ast.Call(func=ast.Attribute(value=ast.Name(id="yaml"), attr="load" | "unsafe_load" as name)):
                found.append(f"yaml.{name}")
            case ast.Call(
                func=ast.Attribute(attr="create_subprocess_exec" | "create_subprocess_shell" as name)
            ):
                found.append(name)
    return found


def test_operator_starts_nothing_and_evaluates_nothing() -> None:
    assert len(SOURCES) > 100
    assert {str(path): found for path in SOURCES if (found := faults(path.read_text()))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess",
        "from subprocess import run",
        "import os\nos.execv('a', [])",
        "eval('1')",
        "import yaml\nyaml.load('1')",
        "import asyncio\nasyncio.create_subprocess_exec('a')",
        "from importlib import import_module",
    ],
)
def test_such_a_thing_would_be_found(text: str) -> None:
    assert len(faults(text)) == 1
