"""The workflow with kind: its commands are targets of the Makefile, for the images that the tests use."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from hack.build.operator_image import OPERATOR_IMAGE
from tests.cluster import embedding
from tests.cluster.chat import CHAT
from tests.cluster.processes import REPOSITORY

WORKFLOW = REPOSITORY / ".github" / "workflows" / "e2e.yaml"
MAKEFILE = (REPOSITORY / "Makefile").read_text()


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    """Give the workflow's one job."""
    (found,) = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    job: dict[str, Any] = found
    return job


def targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):(?!=)", MAKEFILE, re.MULTILINE))


def variable(name: str) -> str:
    """Give the value of a variable of the Makefile."""
    (value,) = re.findall(rf"^{name} :?\??= (\S+)$", MAKEFILE, re.MULTILINE)
    return str(value)


def test_its_commands_are_targets_and_come_in_order(job: dict[str, Any]) -> None:
    commands = [step["run"].split() for step in job["steps"] if step.get("run", "").startswith("make ")]
    used = [words[1] for words in commands]
    assert used == ["venv", "kind-up", "kind-load", "kind-test", "kind-down"]
    assert set(used) <= targets()
    set_there = {word.partition("=")[0] for words in commands for word in words if "=" in word}
    assert all(re.search(rf"^{name} ", MAKEFILE, re.MULTILINE) for name in set_there)


def test_it_runs_the_oldest_and_the_current_kubernetes(job: dict[str, Any]) -> None:
    matrix = {entry["kubernetes"]: entry["node"] for entry in job["strategy"]["matrix"]["include"]}
    assert set(matrix) == {"1.30", "1.36"}
    for version, node in matrix.items():
        assert re.fullmatch(rf"kindest/node:v{re.escape(version)}\.\d+@sha256:[0-9a-f]{{64}}", node)


def test_actions_are_pinned(job: dict[str, Any]) -> None:
    for step in job["steps"]:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step.get("uses", "actions/x@" + "0" * 40))


def test_kind_gets_the_images_that_the_tests_use() -> None:
    assert variable("OPERATOR_IMAGE") == OPERATOR_IMAGE
    assert variable("MODEL_IMAGE") == embedding.SERVER.image
    assert variable("CHAT_IMAGE") == CHAT.image
