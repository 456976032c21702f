"""Whose a child is; only what is ours or an orphan of ours may be overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.objects.ownership import Ownership, classify

CASES = yaml.safe_load((Path(__file__).parent / "ownerships.yaml").read_text())


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"].replace(" ", "_")) for case in CASES])
def test_ownership(case: dict[str, Any]) -> None:
    live: dict[str, Any] = {
        "kind": "Service",
        **{part: case[part] for part in ("kind", "metadata", "spec") if part in case},
    }

    live["metadata"] = {"namespace": "team", **(live.get("metadata") or {})}

    assert classify(live, namespace="team", name="demo", uid="u1") is Ownership[case["whose"]]
