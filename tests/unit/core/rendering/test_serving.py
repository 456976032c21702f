"""How a deployment is called: its protocol, routes and APIs, and the name of the model at its server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.rendering.render import render
from model_operator.core.rendering.served_name import served_name
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_instance, parse_template

NAMES = yaml.safe_load((Path(__file__).parent / "served_names.yaml").read_text())
HTTP = {"port": "http", "predict_route": "/predict", "streaming_predict_route": "/predict"}


def template(bundle: dict[str, Any] | None = None, **spec: Any) -> CompiledTemplate:
    image = {"registry": "registry.example.com", "image": "server", "tag": "1.0"}
    parameters = {"type": "object", "properties": {"NAME": {"type": "string", "default": "m"}}}
    fields: dict[str, Any] = {
        "model_type": "CHAT_COMPLETION",
        "model_creation_parameters_schema": parameters,
        "vendor_configuration": {"bundle_config": {**image, **(bundle or {})}},
    }
    obj = {"kind": "ModelTemplate", "metadata": {"name": "chat"}, "spec": fields | spec}
    return parse_template(obj)


def serving(compiled: CompiledTemplate, **spec: Any) -> dict[str, Any] | None:
    assert compiled.violations == ()
    spec = {"model_template_id": "chat"} | spec
    instance, violations = parse_instance(
        {"kind": "ModelInstance", "metadata": {"name": "demo", "namespace": "team"}, "spec": spec}
    )
    assert violations == ()
    rendering = render(compiled, instance)
    assert rendering.violations == ()
    return rendering.deployments[0].serving


@pytest.mark.parametrize("case", NAMES, ids=lambda case: case["it"])
def test_the_command_line_names_the_model(case: dict[str, Any]) -> None:
    assert served_name(case["container"]) == case["name"]


def test_variables_that_double_are_not_resolved() -> None:
    env = [{"name": "A0", "value": "aa"}]
    env += [{"name": f"A{n + 1}", "value": f"$(A{n})$(A{n})"} for n in range(250)]

    assert served_name({"args": ["--model", "$(A250)"], "env": env}) is None


def test_no_protocol_means_the_platform_s_own() -> None:
    assert serving(template({"args": ["--model", "m"], "predict_route": "/run"})) == {
        "protocol": "SGP",
        "model_type": "CHAT_COMPLETION",
        "port": "http",
        "predict_route": "/run",
        "streaming_predict_route": "/run",
        "model": None,
        "apis": ["EXECUTE", "TYPED", "CHAT_COMPLETIONS"],
    }


@pytest.mark.parametrize("protocol", ["VLLM", "OPENAI"])
def test_a_server_of_openais_api_knows_the_model_by_the_name_of_its_command_line(protocol: str) -> None:
    compiled = template({"args": ["--model", "$(parameters.NAME)"]}, endpoint_protocol=protocol)

    found = serving(compiled, model_creation_parameters={"NAME": "pay$$ment"})

    assert found == {
        **HTTP,
        "protocol": protocol,
        "model_type": "CHAT_COMPLETION",
        "model": "pay$$ment",
        "apis": ["EXECUTE", "TYPED", "CHAT_COMPLETIONS", "COMPLETIONS"],
    }


@pytest.mark.parametrize("protocol", ["SGP", "OPENAI"])
def test_the_template_may_name_the_model_itself(protocol: str) -> None:
    bundle = {"args": ["--model", "m"], "served_model_name": "$(instance.namespace)/$(parameters.NAME)"}

    found = serving(template(bundle, endpoint_protocol=protocol), model_creation_parameters={"NAME": "$a"})

    assert found is not None
    assert found["model"] == "team/$a"


def test_a_name_that_is_too_long_is_none() -> None:
    compiled = template({"served_model_name": "$(parameters.NAME)"}, endpoint_protocol="OPENAI")

    found = serving(compiled, model_creation_parameters={"NAME": "a" * 513})

    assert found is not None
    assert found["model"] is None


def test_a_reference_of_the_name_is_checked() -> None:
    compiled = template({"served_model_name": "$(parameters.NAM)"})

    (fault,) = compiled.violations
    assert fault.loc == ("spec", "vendor_configuration", "bundle_config", "served_model_name")
    assert "$(parameters.NAME)" in fault.msg


def test_the_name_of_pods_of_an_earlier_version_is_theirs() -> None:
    compiled = template({"args": ["--model", "new"]}, endpoint_protocol="OPENAI")
    instance, _ = parse_instance(
        {"kind": "ModelInstance", "metadata": {"name": "demo"}, "spec": {"model_template_id": "chat"}}
    )
    (rendered,) = render(compiled, instance).deployments
    manifest = rendered.deployment.manifest
    pods = {"spec": {"containers": [{"name": "sidecar"}, {"name": "model", "args": ["--model", "old"]}]}}
    pinned = replace(rendered.deployment, manifest={**manifest, "spec": {"template": pods}})

    found = replace(rendered, deployment=pinned).serving

    assert found is not None
    assert found["model"] == "old"


@pytest.mark.parametrize(
    "spec",
    [
        {"endpoint_type": "ASYNC"},
        {"endpoint_type": "BATCH"},
        {"service": {"scheme": "grpc"}},
        {"service": {"scheme": "https"}},
        {"endpoint_protocol": "COHERE"},
        {"endpoint_protocol": "TEI"},
        {"model_type": "AGENT", "endpoint_protocol": "OPENAI"},
    ],
    ids=str,
)
def test_what_the_gateway_cannot_call_has_none(spec: dict[str, Any]) -> None:
    assert serving(template(**spec)) is None


def test_the_port_is_that_of_the_url() -> None:
    ports = [{"name": "api", "port": 8080}, {"name": "metrics", "port": 9090, "target_port": 9090}]

    container = {"name": "model", "ports": [{"containerPort": 9090, "name": "metrics"}]}
    pods = {"spec": {"containers": [container]}}

    found = serving(template({"port": 8000}, pod_template=pods, service={"ports": ports, "headless": True}))

    assert found is not None
    assert found["port"] == "api"
