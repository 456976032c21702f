"""Probes, names of ports and protocols of the Service that contradict the scheme of the URL."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template

MODEL = "spec.pod_template.spec.containers[0]"
TLS = {"httpGet": {"path": "/", "port": 8443, "scheme": "HTTPS"}}
PLAIN = {"httpGet": {"path": "/", "port": 8443}}


def template(service: Any, name: str = "web", route: str | None = None, **model: Any) -> CompiledTemplate:
    bundle = {"registry": "docker.io", "image": "a/b", "tag": "1", "healthcheck_route": route}
    container = {"name": "model", "ports": [{"name": name, "containerPort": 8443}], **model}
    return parse_template(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelTemplate",
            "metadata": {"name": "t", "namespace": "ml"},
            "spec": {
                "model_type": "GENERIC",
                "vendor_configuration": {
                    "bundle_config": {key: value for key, value in bundle.items() if value is not None}
                },
                "pod_template": {"spec": {"containers": [container]}},
                **({"service": service} if service else {}),
            },
        }
    )


def port(**fields: Any) -> dict[str, Any]:
    return {"ports": [{"name": "a", "port": 80, **fields}]}


@pytest.mark.parametrize(
    ("service", "model", "paths"),
    [
        (None, {"readinessProbe": TLS}, [f"{MODEL}.readinessProbe.httpGet.scheme"]),
        (None, {"livenessProbe": TLS}, [f"{MODEL}.livenessProbe.httpGet.scheme"]),
        ({"type": "NodePort"}, {"startupProbe": TLS}, [f"{MODEL}.startupProbe.httpGet.scheme"]),
        ({"scheme": "https"}, {"readinessProbe": TLS}, []),
        ({"scheme": "https"}, {"readinessProbe": PLAIN}, [f"{MODEL}.readinessProbe.httpGet"]),
        (None, {"readinessProbe": PLAIN}, []),
        ({"scheme": "grpc"}, {"readinessProbe": TLS}, []),
        (None, {"readinessProbe": {"tcpSocket": {"port": 8443}}}, []),
        (port(app_protocol="https"), {}, ["spec.service.ports[0].app_protocol"]),
        (port(app_protocol="http"), {}, []),
        (port(app_protocol="kubernetes.io/h2c"), {}, []),
        ({"scheme": "https", **port(app_protocol="http")}, {}, ["spec.service.ports[0].app_protocol"]),
        (None, {"name": "https"}, [f"{MODEL}.ports[0].name"]),
    ],
)
def test_what_contradicts_the_scheme_is_warned_of(
    service: Any, model: dict[str, Any], paths: list[str]
) -> None:
    name = model.pop("name", "web") if "name" in model else "web"
    compiled = template(service, name, **model)

    assert compiled.violations == ()
    found = compiled.advice(None)
    assert [str(fault).partition(": ")[0] for fault in found] == paths
    assert {fault.type for fault in found} <= {"scheme"}


def test_a_replaced_probe_is_only_said_to_be_replaced() -> None:
    found = template(None, route="/health", readinessProbe=TLS).advice(None)

    assert [fault.type for fault in found] == ["overruled"]
