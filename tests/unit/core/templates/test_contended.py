"""Warnings about what only one worker can have, while a roll-out starts a second one."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.templates.strategy import contended
from model_operator.core.values.violations import format_loc

CLAIM = {"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}}
POD = "spec.pod_template.spec"


@pytest.mark.parametrize(
    ("pod", "paths"),
    [
        ({"volumes": [{"name": "a", "emptyDir": {}}, CLAIM]}, [f"{POD}.volumes[1].persistentVolumeClaim"]),
        ({"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "a", "readOnly": True}}]}, []),
        ({"hostNetwork": True}, [f"{POD}.hostNetwork"]),
        (
            {"containers": [{"name": "model", "ports": [{"containerPort": 1}, {"hostPort": 2}]}]},
            [f"{POD}.containers[0].ports[1].hostPort"],
        ),
        ({}, []),
    ],
)
def test_what_surges(pod: dict[str, Any], paths: list[str]) -> None:
    found = list(contended(None, {"spec": pod}))

    assert [format_loc(each.loc) for each in found] == paths
    assert all("set spec.strategy to {type: Recreate}" in each.msg for each in found)


@pytest.mark.parametrize(
    "strategy",
    [{"type": "Recreate"}, {"rollingUpdate": {"maxSurge": 0}}, {"rollingUpdate": {"maxSurge": "0%"}}],
)
def test_what_does_not_surge(strategy: dict[str, Any]) -> None:
    assert list(contended(strategy, {"spec": {"hostNetwork": True, "volumes": [CLAIM]}})) == []
