"""Volumes that are together larger than their pod may use cause one warning."""

from __future__ import annotations

from typing import Any

import pytest

from .templates import compiled, warnings

VOLUMES = "spec.pod_template.spec.volumes"


def pods(*volumes: Any) -> dict[str, Any]:
    return {
        "spec": {
            "containers": [{"name": "model"}],
            "volumes": [{"name": f"v{index}", "emptyDir": each} for index, each in enumerate(volumes)],
        }
    }


def memory(size: str) -> dict[str, str]:
    return {"medium": "Memory", "sizeLimit": size}


@pytest.mark.parametrize(
    ("volumes", "endpoint", "paths"),
    [
        ([memory("5Gi"), memory("5Gi")], {}, [VOLUMES]),
        ([memory("4Gi"), memory("4Gi")], {}, []),
        ([memory("5Gi"), memory("5Gi")], {"memory": "10Gi"}, []),
        ([memory("5Gi"), {"sizeLimit": "5Gi"}], {}, []),
        ([{"sizeLimit": "9Gi"}, {"sizeLimit": "9Gi"}], {}, [VOLUMES]),
        ([{"sizeLimit": "9Gi"}, {"sizeLimit": "9Gi"}], {"storage": "18Gi"}, []),
        ([memory("9Gi"), memory("1Gi")], {}, [f"{VOLUMES}[0].emptyDir.sizeLimit"]),
        ([memory("$(parameters.model)"), memory("8Gi")], {}, []),
    ],
)
def test_sizes_count_in_one_sum_for_each_medium(volumes: list[Any], endpoint: Any, paths: list[str]) -> None:
    assert list(warnings(compiled(pods(*volumes), endpoint=endpoint))) == paths


def test_both_media_are_named() -> None:
    volumes = [memory("5Gi"), memory("5Gi"), {"sizeLimit": "9Gi"}, {"sizeLimit": "9Gi"}]

    found = [fault.msg for fault in compiled(pods(*volumes)).advice(None)]

    assert [("endpoint_config.memory" in text, "endpoint_config.storage" in text) for text in found] == [
        (True, False),
        (False, True),
    ]
