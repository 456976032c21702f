"""What a pod template must not contradict, what it is warned of, and pods with GPUs of their own."""

from __future__ import annotations

from typing import Any

import pytest

from model_operator.core.templates.render_settings import RenderSettings, Toleration
from model_operator.core.values.violations import format_loc
from tests.unit.core.templates.templates import compiled, faults, pod_spec, rendered, warnings

CONTAINERS = "spec.pod_template.spec.containers"


def pods(*containers: Any, **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


@pytest.mark.parametrize(
    "image",
    [None, "ghcr.io/team/server:1"],
)
def test_the_only_container_is_the_model_s(image: str | None) -> None:
    container = {"name": "vllm", "resources": {}} | ({} if image is None else {"image": image})

    ((path, message),) = faults(compiled(pods(container))).items()

    assert path == f"{CONTAINERS}[0].name"
    assert message.endswith("name it model")


@pytest.mark.parametrize("written", ["vllm/vllm-openai:v1", "docker.io/vllm/vllm-openai:v1"])
def test_the_hub_s_image_is_recognised_by_each_of_its_names(written: str) -> None:
    bundle = {"registry": "docker.io/vllm", "image": "vllm-openai", "tag": "v1"}

    assert list(faults(compiled(pods({"name": "vllm", "image": written}), **bundle))) == [
        f"{CONTAINERS}[0].name"
    ]


def test_another_tag_is_warned_of() -> None:
    template = compiled(pods({"name": "vllm", "image": "ghcr.io/team/server:2"}))

    assert faults(template) == {}
    assert list(warnings(template)) == [f"{CONTAINERS}[0].name"]


def test_a_sidecar_is_accepted() -> None:
    sidecar = {"name": "proxy", "image": "ghcr.io/team/proxy:1"}

    for template in (compiled(pods(sidecar)), compiled(pods({"name": "model"}, {**sidecar, "name": "b"}))):
        assert faults(template) == {}
        assert warnings(template) == {}


def test_what_is_overruled_is_refused() -> None:
    labels = {
        "modeloperator.dev/instance": "x",
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/component": "model-server",
        "app": "x",
    }
    template = compiled({"metadata": {"labels": labels}, **pods({"name": "model", "image": "other:2"})})

    assert set(faults(template)) == {
        f"{CONTAINERS}[0].image",
        "spec.pod_template.metadata.labels[app.kubernetes.io/managed-by]",
        "spec.pod_template.metadata.labels[modeloperator.dev/instance]",
    }


def test_what_has_no_effect_is_warned_of() -> None:
    assert list(warnings(compiled({"metadata": {"name": "x"}}))) == ["spec.pod_template.metadata.name"]


@pytest.mark.parametrize(
    ("bundle", "path"),
    [
        ({"command": ["vllm serve --port 8000"]}, "command[0]"),
        ({"command": ["serve"], "args": ["--model a --dtype auto"]}, "args[0]"),
        ({"args": ["--port 8000"]}, "args[0]"),
        ({"streaming_command": ["python3 -m server"]}, "streaming_command[0]"),
        ({"command": ["/bin/sh -c", "serve"]}, "command[0]"),
        ({"args": ["--title=a b", "a b", "--template={{ a }} b"]}, None),
        ({"command": ["sh", "-c"], "args": ["vllm serve --port 8000"]}, None),
        ({"command": ["sh", "-c", "--port 8000"]}, None),
    ],
)
def test_arguments_with_spaces(bundle: Any, path: str | None) -> None:
    expected = [] if path is None else [f"spec.vendor_configuration.bundle_config.{path}"]

    assert list(warnings(compiled(**bundle))) == expected


def test_a_probe_s_command_with_spaces() -> None:
    probe = {"exec": {"command": ["curl localhost"]}}

    assert list(warnings(compiled(pods({"name": "model", "livenessProbe": probe})))) == [
        f"{CONTAINERS}[0].livenessProbe.exec.command[0]"
    ]


@pytest.mark.parametrize(
    ("volume", "endpoint", "is_warned_of"),
    [
        ({"sizeLimit": "100Gi"}, {}, True),
        ({"sizeLimit": "16Gi"}, {}, False),
        ({"sizeLimit": "100Gi"}, {"storage": "200Gi"}, False),
        ({"sizeLimit": "64Gi", "medium": "Memory"}, {}, True),
        ({"sizeLimit": "64Gi", "medium": "Memory"}, {"memory": "64Gi"}, False),
        ({"sizeLimit": "$(parameters.model)"}, {}, False),
        ({}, {}, False),
    ],
)
def test_a_volume_beyond_the_limits(volume: Any, endpoint: Any, is_warned_of: bool) -> None:
    template = compiled(
        pods({"name": "model"}, volumes=[{"name": "a", "emptyDir": volume}]), endpoint=endpoint
    )

    found = [path for path in warnings(template) if "emptyDir" in path]

    assert found == ["spec.pod_template.spec.volumes[0].emptyDir.sizeLimit"] * is_warned_of


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("20 GB", "; write Gi or G for gigabytes, Mi or M for megabytes, without B"),
        ("2GiB", "; write the unit without B, as in 16Gi"),
        ("2gi", "; write the unit in its own case, as in 16Gi and 500M"),
        ("2 Gi", "; remove the space"),
        ("plenty", ""),
        ("", ""),
        ("1.5e3", None),
        (" 2Gi ", None),
        ("$(parameters.MEMORY)", None),
    ],
)
@pytest.mark.parametrize("field", ["requests", "limits", "sizeLimit"])
def test_a_text_that_is_no_quantity_is_named(text: str, hint: str | None, field: str) -> None:
    if field == "sizeLimit":
        pod = pods({"name": "model"}, volumes=[{"name": "a", "emptyDir": {"sizeLimit": text}}])
        path = "spec.pod_template.spec.volumes[0].emptyDir.sizeLimit"
    else:
        pod = pods({"name": "model", "resources": {field: {"memory": text}}})
        path = f"{CONTAINERS}[0].resources.{field}.memory"

    found = faults(compiled(pod, {"MEMORY": {"type": "string", "default": "1Gi"}}))

    message = f"must be a Kubernetes quantity, such as 2, 500m or 16Gi{hint}"
    assert found == ({} if hint is None else {path: message})


def test_a_key_of_an_annotation_is_no_field() -> None:
    pod = {"metadata": {"annotations": {"limits": "none"}}, **pods({"name": "model"})}

    assert faults(compiled(pod)) == {}


def test_a_probe_of_another_port_than_the_assumed_one() -> None:
    probe = {"httpGet": {"path": "/", "port": 8000}}

    ((path, message),) = warnings(compiled(pods({"name": "model", "livenessProbe": probe}))).items()

    assert path == f"{CONTAINERS}[0].livenessProbe.httpGet.port"
    assert "5005 by default" in message
    assert warnings(compiled(pods({"name": "model", "livenessProbe": probe}), port=5005)) == {}


def test_an_invalid_template_is_warned_of_its_pods_too() -> None:
    template = compiled(args=["--a=${parameters.model}", "--b=$MODEL"])

    assert list(faults(template)) == ["spec.vendor_configuration.bundle_config.args[0]"]
    assert list(warnings(template)) == ["spec.vendor_configuration.bundle_config.args[1]"]


SETTINGS = RenderSettings(
    tolerations=(Toleration(key="all", operator="Exists"),),
    gpu_tolerations=(Toleration(key="sku", operator="Exists"),),
)


def tolerated(template: Any, settings: RenderSettings = SETTINGS, **parameters: Any) -> list[str]:
    return [each["key"] for each in pod_spec(template, settings, **parameters).get("tolerations", [])]


@pytest.mark.parametrize(
    ("resource", "key"),
    [
        ("nvidia.com/gpu", "nvidia.com/gpu"),
        ("nvidia.com/mig-1g.5gb", "nvidia.com/gpu"),
        ("amd.com/gpu", "amd.com/gpu"),
        ("google.com/tpu", "google.com/tpu"),
        ("example.com/fpga", None),
    ],
)
@pytest.mark.parametrize("field", ["limits", "requests"])
def test_a_gpu_in_the_pod_template_is_tolerated_like_any(resource: str, key: str | None, field: str) -> None:
    template = compiled(pods({"name": "model", "resources": {field: {resource: 1}}}))

    assert tolerated(template) == (["all"] if key is None else [key, "all", "sku"])


def test_a_gpu_of_another_container_counts() -> None:
    container = {"name": "a", "image": "b", "resources": {"limits": {"nvidia.com/gpu": "1"}}}

    assert tolerated(compiled(pods({"name": "model"}, container))) == ["nvidia.com/gpu", "all", "sku"]
    assert tolerated(compiled(pods(initContainers=[container]))) == ["nvidia.com/gpu", "all", "sku"]


def test_a_gpu_that_a_parameter_asks_for() -> None:
    limits = {"nvidia.com/gpu": "$(parameters.GPUS)"}
    template = compiled(
        pods({"name": "model", "resources": {"limits": limits}}),
        {"GPUS": {"type": "integer", "enum": [0, 1], "default": 0}},
    )

    assert tolerated(template) == ["all"]
    assert tolerated(template, GPUS=1) == ["nvidia.com/gpu", "all", "sku"]


def test_the_resources_are_a_setting() -> None:
    template = compiled(pods({"name": "model", "resources": {"limits": {"example.com/npu": 1}}}))
    settings = RenderSettings(gpu_resource_patterns=("example.com/*",))

    assert tolerated(template, settings) == ["example.com/npu"]


def test_explicit_tolerations_are_not_repeated() -> None:
    toleration = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    template = compiled(
        pods({"name": "model", "resources": {"limits": {"nvidia.com/gpu": 1}}}, tolerations=[toleration])
    )

    assert tolerated(template) == ["nvidia.com/gpu", "all", "sku"]


@pytest.mark.parametrize(
    ("pod_template", "value", "is_valid"),
    [
        ({"metadata": {"labels": {"app": "$(parameters.model)"}}}, "meta-llama/Llama-3", False),
        ({"metadata": {"labels": {"app": "$(parameters.model)"}}}, "a" * 64, False),
        ({"metadata": {"labels": {"app": "$(parameters.model)"}}}, "-a", False),
        ({"metadata": {"labels": {"app": "$(parameters.model)"}}}, "Llama-3.1_8B", True),
        ({"metadata": {"labels": {"app": "$(parameters.model)"}}}, "", True),
        ({"metadata": {"labels": {"app": "v-$(parameters.model)"}}}, "a" * 62, False),
        ({"metadata": {"annotations": {"app": "$(parameters.model)"}}}, "meta-llama/Llama 3", True),
    ],
)
def test_a_label_from_a_parameter(pod_template: Any, value: str, is_valid: bool) -> None:
    template = compiled(pod_template)
    assert template.violations == ()

    found = rendered(template, model=value).violations

    assert [format_loc(fault.loc) for fault in found] == ["spec.model_creation_parameters.model"] * (
        not is_valid
    )
    assert all(value not in fault.msg for fault in found if value)


def test_annotations_have_a_total_size() -> None:
    annotations = {f"a{number}": "$(parameters.model)" for number in range(12)}
    template = compiled({"metadata": {"annotations": annotations}})

    assert rendered(template, model="a" * 10_000).violations == ()
    (fault,) = rendered(template, model="a" * 30_000).violations
    assert "256 KiB" in fault.msg


@pytest.mark.parametrize(
    ("annotation", "name", "message"),
    [
        ("default-container", "modl", "; did you mean model?"),
        ("default-logs-container", "web", "names no container of the pod, so kubectl takes the first"),
        ("default-container", "model", None),
        ("default-container", "loader", None),
        ("default-container", "$(parameters.model)", None),
        ("other", "modl", None),
    ],
)
def test_the_annotation_of_the_default_container_names_one(
    annotation: str, name: str, message: str | None
) -> None:
    key = f"kubectl.kubernetes.io/{annotation}"
    pod = pods({"name": "model"}, initContainers=[{"name": "loader", "image": "a:1"}])
    template = compiled(
        {"metadata": {"annotations": {key: name}}, **pod},
        {"model": {"type": "string", "enum": ["a"], "default": "a"}},
    )

    assert template.violations == ()
    found = warnings(template)
    assert list(found) == [f"spec.pod_template.metadata.annotations[{key}]"] * (message is not None)
    assert all(text.endswith(message or "") for text in found.values())
