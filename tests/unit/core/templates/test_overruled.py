"""Values of ``pod_template`` that another field of the template replaces cause a warning."""

from __future__ import annotations

from typing import Any

import pytest

from .templates import compiled, warnings

PROBE = {"httpGet": {"path": "/ready", "port": 8000}, "periodSeconds": 30}
MODEL = "spec.pod_template.spec.containers[0]"


def pod(spec: dict[str, Any] | None = None, **model: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "model", **model}], **(spec or {})}}


@pytest.mark.parametrize(
    ("pod_template", "bundle", "endpoint", "path", "cause"),
    [
        (
            pod(readinessProbe=PROBE),
            {"port": 8000, "healthcheck_route": "/health"},
            {},
            f"{MODEL}.readinessProbe",
            "bundle_config.healthcheck_route",
        ),
        (
            pod(startupProbe=PROBE),
            {"port": 8000, "healthcheck_route": "/ready"},
            {},
            f"{MODEL}.startupProbe",
            "bundle_config.healthcheck_route",
        ),
        (pod(command=["a"]), {"command": ["b"]}, {}, f"{MODEL}.command", "bundle_config.command"),
        (pod(args=["a"]), {"args": []}, {}, f"{MODEL}.args", "bundle_config.args"),
        (
            pod(imagePullPolicy="Always"),
            {"image_pull_policy": "Never"},
            {},
            f"{MODEL}.imagePullPolicy",
            "bundle_config.image_pull_policy",
        ),
        (
            pod(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]),
            {"env": {"A": "1"}},
            {},
            f"{MODEL}.env[0]",
            "bundle_config.env",
        ),
        (
            pod(resources={"limits": {"memory": "64Gi"}}),
            {},
            {"memory": "8Gi"},
            f"{MODEL}.resources.limits.memory",
            "endpoint_config.memory",
        ),
        (
            pod(resources={"limits": {"nvidia.com/gpu": 4}}),
            {},
            {"gpus": 1},
            f"{MODEL}.resources.limits[nvidia.com/gpu]",
            "endpoint_config.gpus",
        ),
        (
            pod({"terminationGracePeriodSeconds": 600}),
            {},
            {"termination_grace_period_seconds": 60},
            "spec.pod_template.spec.terminationGracePeriodSeconds",
            "endpoint_config.termination_grace_period_seconds",
        ),
    ],
)
def test_a_value_that_is_replaced(
    pod_template: Any, bundle: Any, endpoint: Any, path: str, cause: str
) -> None:
    assert warnings(compiled(pod_template, endpoint=endpoint, **bundle)) == {
        path: f"has no effect, since spec.vendor_configuration.{cause} replaces it; remove one of the two"
    }


def test_a_drain_beside_a_pre_stop() -> None:
    own = pod(lifecycle={"preStop": {"exec": {"command": ["stop"]}}})

    assert list(warnings(compiled(own, endpoint={"drain_seconds": 20}))) == [
        "spec.vendor_configuration.endpoint_config.drain_seconds"
    ]


@pytest.mark.parametrize(
    ("pod_template", "bundle", "endpoint"),
    [
        (pod(readinessProbe=PROBE), {"port": 8000}, {"startup_timeout_seconds": 60}),
        (pod(livenessProbe=PROBE), {"port": 8000, "healthcheck_route": "/ready"}, {}),
        (pod(args=["a"]), {"args": ["a"]}, {}),
        (pod(env=[{"name": "A", "value": "1"}]), {"env": {"A": "1", "B": "2"}}, {}),
        (pod(resources={"limits": {"cpu": 1, "memory": "1024Mi"}}), {}, {"cpus": "1000m", "memory": "1Gi"}),
        (pod(resources={"limits": {"example.com/device": 4}}), {}, {"gpus": 1}),
        (pod({"terminationGracePeriodSeconds": 60}), {}, {"termination_grace_period_seconds": 60}),
    ],
)
def test_a_value_that_counts(pod_template: Any, bundle: Any, endpoint: Any) -> None:
    assert warnings(compiled(pod_template, endpoint=endpoint, **bundle)) == {}
