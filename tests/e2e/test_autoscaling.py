"""Kubernetes' own autoscaler adds a worker and takes it away as the load says; the model stays Ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cluster.waiting import wait_for
from tests.e2e.metrics_stub import MetricsStub, metrics_stub, taken
from tests.e2e.models import instance, template
from tests.examples.objects import ready

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.e2e.models import Models

SCALE_SECONDS = 150.0
"""Ten rounds of the autoscaler, whose default is one in 15 s."""
# 250m are asked for, of which 80 % are to be used; ten requests a worker are the template's default.
FIGURES: dict[str, tuple[dict[str, Any], str, int, int]] = {
    "cpu": ({}, "cpu", 300, 100),
    "requests": ({"scaling_metric": "requests_in_flight"}, "requests_in_flight", 15_000, 4_000),
}


@pytest.fixture(scope="module")
def stub(models: Models) -> Iterator[MetricsStub]:
    """Give a stub of metrics."""
    if groups := taken(models.api):
        pytest.skip(f"NO METRICS STUB: the cluster serves {', '.join(groups)} itself.")
    with metrics_stub(models.api, models.image) as found:
        yield found


@pytest.mark.parametrize("figures", FIGURES)
def test_workers_follow_the_load(figures: str, stub: MetricsStub, models: Models) -> None:
    endpoint, metric, high, low = FIGURES[figures]
    name = f"by-{figures}"
    scaled = template(models.image, name)
    scaled["spec"]["vendor_configuration"]["endpoint_config"] |= {
        "min_workers": 1,
        "max_workers": 2,
        **endpoint,
    }
    stub.set_load(**{metric: low})
    models.apply(scaled, instance(name, name))
    models.wait_until_ready(name)
    # What somebody sets there is left alone; by default it waits five minutes before it takes a worker away.
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    models.api.patch("HorizontalPodAutoscaler", name, {"spec": {"behavior": behavior}})
    wait_until_measured(models, name)
    assert workers(models, name) == (1, 1)

    stub.set_load(**{metric: high})
    wait_for(lambda: workers(models, name) == (2, 2), SCALE_SECONDS, "two workers")
    stub.set_load(**{metric: low})
    wait_for(lambda: workers(models, name) == (1, 1), SCALE_SECONDS, "one worker")

    spec = models.api.get("HorizontalPodAutoscaler", name)["spec"]
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 0
    models.kubectl("delete", "modelinstance,modeltemplate", name, "--timeout=60s", timeout=70)


def workers(models: Models, name: str) -> tuple[int, int]:
    """Give the number that the instance tells of, and the number of pods; the instance has to be Ready."""
    obj = models.api.get("ModelInstance", name)
    status = obj["status"]
    if ready(obj).get("status") != "True":
        pytest.fail(f"expected {name} to stay Ready, got {ready(obj)}")
    return status["ready_replicas"], len(models.workers(name))


def wait_until_measured(models: Models, name: str) -> None:
    """Wait until the autoscaler decides by the stub's figures."""

    def measured() -> bool:
        found = models.api.condition("HorizontalPodAutoscaler", name, "ScalingActive")
        assert found.get("status") == "True", found
        return True

    wait_for(measured, SCALE_SECONDS, f"the autoscaler of {name} has figures")
