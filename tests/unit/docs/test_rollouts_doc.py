"""The six lines that docs/rollouts.md begins with are those of its walk, and mean what it promises."""

from __future__ import annotations

import textwrap

import yaml

from model_operator.api import Rollout
from model_operator.core.rollouts.policy import policy_of
from tests.cluster.processes import REPOSITORY
from tests.docs.blocks import blocks

DOCUMENT = REPOSITORY / "docs" / "rollouts.md"
FOUND = list(blocks(DOCUMENT.read_text(encoding="utf-8")))
LINES = next(block.text for block in FOUND if block.detail == "tests/unit/docs/test_rollouts_doc.py")


def test_there_are_six() -> None:
    assert len(LINES.splitlines()) == 6


def test_the_walk_has_them() -> None:
    (template,) = (block.text for block in FOUND if block.file == "fleet/encoder.yaml")

    assert textwrap.indent(LINES, "  ") in template


def test_they_say_what_the_page_promises() -> None:
    policy = policy_of(Rollout.model_validate(yaml.safe_load(LINES)["rollout"]))
    canary, remaining, stable = policy.steps

    assert canary.selects("staging-eu", {})
    assert not canary.selects("production", {})
    assert (canary.soak_seconds, canary.needs_approval, canary.budget(7)) == (30 * 60, True, 7)
    assert [step.budget(100) for step in (remaining, stable)] == [10, 10]
    assert policy.max_failures == 0
