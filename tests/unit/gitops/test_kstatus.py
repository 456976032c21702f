"""The rules of kstatus that the other tests rely on are those of kstatus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gitops.kstatus import compute

CASES = yaml.safe_load(Path(__file__).with_name("kstatus.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["case"]))
def test_answer_of_kstatus(case: dict[str, Any]) -> None:
    assert compute(case["object"]) == (case["answer"]["status"], case["answer"]["message"])
