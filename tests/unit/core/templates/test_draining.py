"""How workers stop: the defaults, the template's fields, and what a pod template has of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from model_operator.core.rendering.render import render
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.templates.render_settings import RenderSettings

SETTINGS = RenderSettings()
SLEEP = {"preStop": {"sleep": {"seconds": 5}}}


def template(
    *, endpoint: dict[str, Any] | None = None, pod: dict[str, Any] | None = None, kind: str = "SYNC"
) -> dict[str, Any]:
    bundle = {"registry": "docker.io", "image": "a/b", "tag": "1"}
    return {
        "kind": "ModelTemplate",
        "metadata": {"name": "t", "namespace": "ml", "uid": "t"},
        "spec": {
            "model_type": "GENERIC",
            "endpoint_type": kind,
            "vendor_configuration": {"bundle_config": bundle, "endpoint_config": endpoint or {}},
            "pod_template": {"spec": pod or {}},
        },
    }


def stops(obj: dict[str, Any], settings: RenderSettings = SETTINGS) -> tuple[int | None, dict[str, Any]]:
    """Give the grace period and the lifecycle of each container."""
    metadata = {"name": "one", "namespace": "ml"}
    instance = {"kind": "ModelInstance", "metadata": metadata, "spec": {"model_template_id": "t"}}
    compiled = parse_template(obj)
    assert compiled.violations == ()
    (rendered,) = render(compiled, parse_instance(instance)[0], settings).deployments
    spec = rendered.deployment.manifest["spec"]["template"]["spec"]
    lifecycles = {each["name"]: each.get("lifecycle") for each in spec["containers"]}
    return spec.get("terminationGracePeriodSeconds"), lifecycles


def model(**fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "model", **fields}]}


OWN = {"preStop": {"exec": {"command": ["drain"]}}}
STARTS = {"postStart": {"exec": {"command": ["warm"]}}}


@pytest.mark.parametrize(
    ("given", "grace", "lifecycle"),
    [
        ({}, 35, SLEEP),
        ({"kind": "ASYNC"}, None, None),
        ({"kind": "ASYNC", "endpoint": {"drain_seconds": 5}}, 35, SLEEP),
        ({"endpoint": {"drain_seconds": 0}}, None, None),
        ({"endpoint": {"drain_seconds": 60}}, 90, {"preStop": {"sleep": {"seconds": 60}}}),
        ({"endpoint": {"termination_grace_period_seconds": 600}}, 600, SLEEP),
        ({"endpoint": {"termination_grace_period_seconds": 5}}, 5, None),
        ({"pod": {"terminationGracePeriodSeconds": 120}}, 120, SLEEP),
        ({"pod": {"terminationGracePeriodSeconds": 0}}, 0, None),
        (
            {
                "pod": {"terminationGracePeriodSeconds": 3},
                "endpoint": {"drain_seconds": 9, "termination_grace_period_seconds": 10},
            },
            10,
            {"preStop": {"sleep": {"seconds": 9}}},
        ),
        ({"pod": model(lifecycle=OWN)}, None, OWN),
        ({"pod": model(lifecycle=OWN), "endpoint": {"drain_seconds": 5}}, 35, OWN),
        ({"pod": model(lifecycle=STARTS)}, 35, {**STARTS, **SLEEP}),
    ],
)
def test_a_worker_drains_unless_its_template_has_its_own_way(
    given: dict[str, Any], grace: int | None, lifecycle: dict[str, Any] | None
) -> None:
    assert stops(template(**given)) == (grace, {"model": lifecycle})


@pytest.mark.parametrize(
    "pod", [{"terminationGracePeriodSeconds": "soon"}, model(lifecycle="none"), model(lifecycle=[])]
)
def test_values_of_another_type_are_left_to_the_api_server(pod: dict[str, Any]) -> None:
    grace, lifecycles = stops(template(pod=pod))

    assert grace == pod.get("terminationGracePeriodSeconds", 35)
    assert lifecycles["model"] == pod.get("containers", [{}])[0].get("lifecycle")


def test_sidecars_serve_as_long_as_the_model() -> None:
    sidecars = {"containers": [{"name": "a", "image": "a"}, {"name": "b", "image": "b", "lifecycle": OWN}]}

    assert stops(template(pod=sidecars)) == (35, {"model": SLEEP, "a": SLEEP, "b": OWN})


@pytest.mark.parametrize(
    ("drain", "grace", "expected"), [(0, 35, (None, None)), (10, 20, (20, 10)), (40, 35, (70, 40))]
)
def test_settings_give_the_defaults(drain: int, grace: int, expected: tuple[int | None, int | None]) -> None:
    settings = replace(SETTINGS, drain_seconds=drain, termination_grace_period_seconds=grace)

    found, lifecycles = stops(template(), settings)

    seconds = (lifecycles["model"] or {}).get("preStop", {}).get("sleep", {}).get("seconds")
    assert (found, seconds) == expected


def test_a_sleep_longer_than_the_pod_template_allows_is_invalid() -> None:
    obj = template(pod={"terminationGracePeriodSeconds": 10}, endpoint={"drain_seconds": 10})

    (violation,) = parse_template(obj).violations

    assert str(violation) == (
        "spec.vendor_configuration.endpoint_config.drain_seconds: must be less than "
        "terminationGracePeriodSeconds of pod_template, after which the worker is killed; raise that, or set "
        "termination_grace_period_seconds"
    )
