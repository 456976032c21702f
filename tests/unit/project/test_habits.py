"""The files of a repository that tools read: pre-commit's hooks, the code owners, the targets of make."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.sbom import PINNED

REPOSITORY = Path(__file__).parents[3]
MAKEFILE = (REPOSITORY / "Makefile").read_text()
HOOKS: list[dict[str, Any]] = [
    hook
    for repo in yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    for hook in repo["hooks"]
]
LOCKED = {name for name, _ in PINNED.findall((REPOSITORY / "requirements.lock").read_text())}


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_a_hook_runs_a_locked_tool_or_a_target(hook: dict[str, Any]) -> None:
    program, *words = hook["entry"].split()
    assert hook["language"] == "system"
    if program == "make":
        assert re.search(rf"^{words[0]}:", MAKEFILE, re.MULTILINE)
    elif program != "git":
        folder, name = program.rsplit("/", 1)
        assert folder == ".venv/bin"
        assert name in LOCKED


def test_code_owners_own_what_is_there() -> None:
    lines = (REPOSITORY / ".github" / "CODEOWNERS").read_text().splitlines()
    rules = [line.split() for line in lines if line and not line.startswith("#")]
    assert rules[0][0] == "*"
    for path, *owners in rules:
        assert owners
        assert set(owners) <= {"@model-operator/maintainers", "@model-operator/security"}
        assert path == "*" or (REPOSITORY / path.strip("/")).exists()


def test_coverage_has_a_floor() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["coverage"]
    assert settings["report"]["fail_under"] >= 85
    assert "--cov " in MAKEFILE


def test_help_shows_each_target_once_and_six_first() -> None:
    described = re.findall(r"^([a-z0-9-]+):.*## ", MAKEFILE, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    lines = re.findall(r"^  make (\S+) +(\S.*)$", shown, re.MULTILINE)

    assert sorted(name for name, _ in lines) == sorted(described)
    assert phony is not None
    assert sorted(phony[1].split()) == sorted(described)
    assert re.findall(r"^(\S.*):$", shown, re.MULTILINE) == [
        "Start here",
        "Use",
        "Develop",
        "Release",
    ]
    assert [name for name, _ in lines][:6] == ["demo", "dev", "venv", "check", "test-unit", "test"]
