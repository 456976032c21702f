"""How many workers may run: the template's numbers, then instance and entry, a fixed one over all."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.api import DeploymentVendorConfiguration, EndpointConfig
from model_operator.core.rendering.worker_counts import worker_bounds


@pytest.mark.parametrize(
    ("endpoint", "given", "pinned", "expected"),
    [
        ({}, [], None, (1, 1, 10)),
        ({"min_workers": 2}, [], None, (2, 2, 10)),
        ({"max_workers": 4, "per_worker": 3}, [], None, (1, 4, 3)),
        ({"min_workers": 0, "max_workers": 0}, [], None, (0, 0, 10)),
        ({"min_workers": 2, "max_workers": 4}, [{"min_workers": 3}], None, (3, 4, 10)),
        ({"min_workers": 2, "max_workers": 4}, [{"max_workers": 9, "per_worker": 5}], None, (2, 9, 5)),
        ({"min_workers": 2}, [{"min_workers": 3}], None, (3, 3, 10)),
        ({"min_workers": 2}, [{"min_workers": 0, "max_workers": 0}], None, (0, 0, 10)),
        ({"max_workers": 4}, [{"min_workers": 2, "per_worker": 3}, {"per_worker": 7}], None, (2, 4, 7)),
        ({"min_workers": 2}, [{"min_workers": 3, "max_workers": 6}, {"max_workers": 4}], None, (3, 4, 10)),
        ({"min_workers": 2}, [{"min_workers": 3, "max_workers": 6}], 1, (1, 1, 10)),
        ({"min_workers": 2, "max_workers": 4}, [], 3, (3, 3, 10)),
        ({"min_workers": 2, "max_workers": 4}, [], 0, (0, 0, 10)),
    ],
)
def test_workers(
    endpoint: dict[str, Any],
    given: list[dict[str, Any]],
    pinned: int | None,
    expected: tuple[int, int, int],
) -> None:
    settings = [DeploymentVendorConfiguration.model_validate(each) for each in given]

    workers = worker_bounds(EndpointConfig.model_validate(endpoint), [None, *settings], pinned)

    assert (workers.min_workers, workers.max_workers, workers.per_worker) == expected
    assert workers.is_autoscaled == (expected[1] > expected[0])
