"""The served port: one rule for the container, its probes and the Service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.planning.pinned_pods import with_pod_template
from model_operator.core.rendering.render import render
from model_operator.core.rendering.rendered_deployment import RenderedDeployment
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.values.violations import format_loc

CASES = yaml.safe_load(Path(__file__).with_name("served_ports.yaml").read_text(encoding="utf-8"))
INSTANCE = {
    "apiVersion": "modeloperator.dev/v1alpha1",
    "kind": "ModelInstance",
    "metadata": {"name": "one", "namespace": "ml", "uid": "u"},
    "spec": {"model_template_id": "t"},
}


def compiled(case: dict[str, Any]) -> CompiledTemplate:
    bundle = {"port": case.get("port"), "healthcheck_route": case.get("route")}
    given = {field: value for field, value in bundle.items() if value is not None}
    return parse_template(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelTemplate",
            "metadata": {"name": "t", "namespace": "ml"},
            "spec": {
                "model_type": "GENERIC",
                "endpoint_type": case.get("type", "SYNC"),
                "vendor_configuration": {
                    "bundle_config": {"registry": "ghcr.io", "image": "a/b", "tag": "1", **given}
                },
                "model_creation_parameters_schema": {
                    "properties": {
                        "PORT": {"type": "integer", "default": 7000},
                        "NAME": {"enum": ["http", 8000], "default": 8000},
                    }
                },
                "pod_template": {"spec": {"containers": case.get("containers", [])}},
            },
        }
    )


def rendered(case: dict[str, Any]) -> RenderedDeployment:
    template = compiled(case)
    assert template.violations == ()
    return render(template, parse_instance(INSTANCE)[0]).deployments[0]


def model(deployment: dict[str, Any]) -> Any:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return next(each for each in containers if each["name"] == "model")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"].replace(" ", "-"))
def test_the_served_port(case: dict[str, Any]) -> None:
    if "fault" in case:
        assert [format_loc(fault.loc) for fault in compiled(case).violations] == [case["fault"]]
        return
    found = rendered(case)
    container = model(found.deployment.manifest)

    assert container["ports"] == case["ports"]
    probe = container.get("readinessProbe", {})
    handler: dict[str, Any] = next(
        (probe[key] for key in ("httpGet", "tcpSocket", "grpc") if key in probe), {}
    )
    assert handler.get("port") == case.get("probe")
    target = found.service.manifest["spec"]["ports"][0]["targetPort"] if found.service else None
    assert target == case.get("target")


def test_a_service_leads_to_the_port_of_the_pods_that_run() -> None:
    """Pods of an earlier version stay after an upgrade, with the port that it gave them."""
    found = rendered(
        {"port": 8000, "containers": [{"name": "model", "ports": [{"name": "api", "containerPort": 8000}]}]}
    )
    pods = found.deployment.manifest["spec"]["template"]
    earlier = {"name": "http", "containerPort": 5005, "protocol": "TCP"}
    containers = [{**pods["spec"]["containers"][0], "ports": [earlier]}]

    pinned = with_pod_template(found, {**pods, "spec": {**pods["spec"], "containers": containers}})

    assert found.service is not None
    assert found.service.manifest["spec"]["ports"][0]["targetPort"] == 8000
    assert pinned.service is not None
    assert pinned.service.manifest["spec"]["ports"][0]["targetPort"] == "http"
