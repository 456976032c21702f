"""Autoscaling that cannot work, or that nothing uses, causes a warning."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.templates.render_settings import RenderSettings

from .templates import compiled

ENDPOINT = "spec.vendor_configuration.endpoint_config"
CPU = {"type": "CPU", "target": 60}
PODS = {"type": "PODS", "name": "queue"}
NO_DEFAULT = RenderSettings(default_cpus="")


def found(endpoint: Any, settings: RenderSettings = NO_DEFAULT, model: Any = None) -> dict[str, str]:
    pod = None if model is None else {"spec": {"containers": [{"name": "model", **model}]}}
    template = compiled(pod, endpoint=endpoint)
    assert template.violations == ()
    return {str(fault).partition(": ")[0]: fault.type for fault in template.advice(settings)}


def resources(**quantities: Any) -> dict[str, Any]:
    return {"resources": quantities}


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ({"max_workers": 3}, "max_workers"),
        ({"max_workers": 3, "scaling_metric": "cpu"}, "scaling_metric"),
        ({"max_workers": 3, "scaling_metrics": [PODS, CPU]}, "scaling_metrics[1]"),
        ({"max_workers": 3, "scaling_metrics": [PODS]}, None),
        ({"max_workers": 3, "scaling_metric": "queue"}, None),
        ({"max_workers": 3, "autoscaler": "EXTERNAL"}, None),
        ({"max_workers": 1}, None),
        ({"max_workers": 3, "cpus": 1}, None),
        ({"max_workers": 3, "cpus": "$(parameters.model)"}, None),
    ],
)
def test_the_cpu_without_a_request_is_not_measured(endpoint: Any, path: str | None) -> None:
    template = compiled(
        endpoint=endpoint, properties={"model": {"type": "string", "enum": ["1"], "default": "1"}}
    )
    assert template.violations == ()
    advice = {str(fault).partition(": ")[0]: fault.type for fault in template.advice(NO_DEFAULT)}

    assert advice == ({} if path is None else {f"{ENDPOINT}.{path}": "unmeasurable"})


@pytest.mark.parametrize(
    ("model", "is_measured"),
    [
        (resources(requests={"cpu": "100m"}), True),
        (resources(limits={"cpu": 1}), True),
        (resources(requests={"cpu": 0}), False),
        (resources(requests={"memory": "1Gi"}), False),
    ],
)
def test_a_request_of_the_pod_template_counts(model: Any, is_measured: bool) -> None:
    assert (found({"max_workers": 2}, model=model) == {}) is is_measured


def test_the_default_of_the_settings_counts() -> None:
    assert found({"max_workers": 2}, RenderSettings()) == {}


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        ({"scaling_metrics": [CPU]}, ["scaling_metrics"]),
        ({"scaling_metric": "queue"}, ["scaling_metric"]),
        ({"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}, ["behavior"]),
        ({"scaling_metrics": [CPU], "min_workers": 2, "max_workers": 2}, ["scaling_metrics"]),
        ({"scaling_metrics": [CPU], "max_workers": 2}, []),
        ({"scaling_metrics": [CPU], "max_workers": 2, "autoscaler": "EXTERNAL"}, ["scaling_metrics"]),
        ({"autoscaler": "EXTERNAL"}, []),
    ],
)
def test_what_no_autoscaler_uses_is_warned_of(endpoint: Any, fields: list[str]) -> None:
    assert found(endpoint, RenderSettings()) == {f"{ENDPOINT}.{name}": "no_effect" for name in fields}
