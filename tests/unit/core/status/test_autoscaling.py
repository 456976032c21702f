"""The condition ``Autoscaling``, from what autoscalers report."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.status.autoscaling import autoscaling, scaling_state


def autoscaler(*conditions: tuple[str, str, str, str]) -> dict[str, Any]:
    keys = ("type", "status", "reason", "message")
    return {"status": {"conditions": [dict(zip(keys, each, strict=True)) for each in conditions]}}


ABLE = ("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size")
ACTIVE = ("ScalingActive", "True", "ValidMetricFound", "the HPA was able to calculate a count")
LIMITED = ("ScalingLimited", "True", "TooManyReplicas", "more than the maximum")
BLIND = ("ScalingActive", "False", "FailedGetPodsMetric", "unable to get metric queue_length.")


def test_without_an_autoscaler_that_has_tried() -> None:
    assert autoscaling({}) is None
    assert autoscaling({"demo": {}}) is None
    assert autoscaling({"demo": autoscaler(ABLE)}) is None


def test_all_measure() -> None:
    found = autoscaling({"demo": autoscaler(ABLE, ACTIVE, LIMITED)})

    assert found is not None
    assert (found.type, found.status, found.reason) == ("Autoscaling", True, "Measuring")


def test_one_of_two_cannot_measure() -> None:
    found = autoscaling({"demo-b": autoscaler(ABLE, BLIND), "demo-a": autoscaler(ABLE, ACTIVE)})

    assert found is not None
    assert (found.status, found.reason) == (False, "FailedGetPodsMetric")
    assert found.message == (
        "HorizontalPodAutoscaler demo-b: unable to get metric queue_length. The number of workers stays as "
        "it is. Action (cluster administrator): serve the metric by an adapter (API custom.metrics.k8s.io), "
        "or have the template's metric fixed."
    )


@pytest.mark.parametrize("kind", ["FailedGetResourceMetric", "FailedGetContainerResourceMetric"])
def test_without_a_metrics_server(kind: str) -> None:
    found = autoscaling({"demo": autoscaler(("ScalingActive", "False", kind, "no metrics"))})

    assert found is not None
    assert "install or repair the metrics-server" in found.message


def test_at_zero_workers_nothing_is_wrong() -> None:
    found = autoscaling({"demo": autoscaler(("ScalingActive", "False", "ScalingDisabled", "zero"))})

    assert found is not None
    assert found.status


def test_measurements_do_not_count_as_a_change() -> None:
    before, after = autoscaler(ABLE, ACTIVE), autoscaler(ABLE, ACTIVE, LIMITED)
    after["status"]["currentMetrics"] = [{"type": "Resource"}]

    assert scaling_state(before) == scaling_state(after)
    assert scaling_state(before) != scaling_state(autoscaler(ABLE, BLIND))
