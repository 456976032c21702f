"""What a template opens is let in with a warning: at admission, and by `model-operator validate`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hack.kubernetes_schemas import packaged
from model_operator.core.admission.change import Change
from model_operator.core.admission.template import review_template
from model_operator.core.offline.checking import Checker
from model_operator.core.offline.collection import collect
from model_operator.core.offline.documents import read_documents
from model_operator.core.offline.findings import Severity
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.render_settings import Accelerator, RenderSettings

SETTINGS = RenderSettings()
LISTED = [{"name": "hugging-face", "key": "token"}]


def template(properties: Any, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelTemplate",
        "metadata": {"name": "t", "namespace": "ml"},
        "spec": {
            "model_type": "GENERIC",
            "vendor_configuration": {"bundle_config": {"registry": "docker.io", "image": "a/b", "tag": "1"}},
            "model_creation_parameters_schema": {"properties": properties},
            **spec,
        },
    }


def warnings(obj: dict[str, Any], settings: RenderSettings = SETTINGS) -> list[str]:
    """Give the warnings at admission, having seen that the command line has the same."""
    verdict = review_template(Change(obj), parse_template(obj), settings)
    assert verdict.allowed
    documents = list(read_documents(json.dumps(obj), "t.yaml"))
    checker = Checker(collect(documents), settings, KubernetesSchemas(packaged()))
    shown = [f"{finding.path}: {finding.message}" for finding in checker.findings()]
    assert {finding.severity for finding in checker.findings()} <= {Severity.WARNING}
    assert [f"ModelTemplate t: {text}" for text in shown] == list(verdict.warnings)
    return list(verdict.warnings)


@pytest.mark.parametrize(
    ("parameter", "is_open"),
    [
        ({"x-secret-ref": True}, True),
        ({"x-secret-ref": True, "default": LISTED[0]}, True),
        ({"x-secret-ref": True, "examples": LISTED}, True),
        ({"x-secret-ref": True, "enum": LISTED}, False),
        ({"x-secret-ref": True, "const": LISTED[0]}, False),
        ({"x-secret-ref": False, "type": "string"}, False),
        ({"type": "string"}, False),
    ],
)
def test_an_unlisted_secret_causes_a_warning(parameter: Any, is_open: bool) -> None:
    found = warnings(template({"TOKEN": parameter}))

    assert len(found) == is_open
    for text in found:
        assert "spec.model_creation_parameters_schema.properties.TOKEN" in text
        assert "list the allowed ones in enum" in text


@pytest.mark.parametrize(
    ("reference", "schema", "is_open"),
    [
        ("$(parameters.V)", {"type": "string", "default": "a"}, True),
        ("ghcr.io/$(parameters.V)", {"type": "string", "default": "a"}, True),
        ("ghcr.io/models/$(parameters.V)", {"type": "string", "default": "a"}, False),
        ("$(parameters.V)", {"enum": ["quay.io/a/b:1"], "default": "quay.io/a/b:1"}, False),
        ("$(instance.namespace)/a", {"type": "string", "default": "a"}, False),
    ],
)
def test_a_volume_of_any_image_is_warned_of(reference: str, schema: Any, is_open: bool) -> None:
    volume = {"name": "weights", "image": {"reference": reference}}

    found = warnings(template({"V": schema}, pod_template={"spec": {"volumes": [volume]}}))

    assert [("volumes[0].image.reference" in text) for text in found] == [True] * is_open


@pytest.mark.parametrize(
    ("gpu_type", "settings", "expected"),
    [
        ("nvidia-tesla-t4", RenderSettings(), None),
        (
            "nvidia-l4",
            RenderSettings(),
            "nvidia.com/gpu on nodes with the label k8s.amazonaws.com/accelerator=nvidia-l4",
        ),
        (
            "nvidia-l4",
            RenderSettings(gpu_node_label="", gpu_resource="amd.com/gpu"),
            "amd.com/gpu on any node",
        ),
        ("nvidia-l4", RenderSettings(gpu_node_values={"nvidia-l4": "L4"}), None),
        ("nvidia-l4", RenderSettings(accelerators={"nvidia-l4": Accelerator()}), None),
        ("$(parameters.V)", RenderSettings(accelerators={"tpu": Accelerator()}), "the type nvidia-l4"),
    ],
)
def test_a_gpu_type_that_no_setting_names_is_warned_of(
    gpu_type: str, settings: RenderSettings, expected: str | None
) -> None:
    obj = template({"V": {"enum": ["tpu", "nvidia-l4", "nvidia-tesla-t4"], "default": "tpu"}})
    obj["spec"]["vendor_configuration"]["endpoint_config"] = {"gpus": 1, "gpu_type": gpu_type}

    found = warnings(obj, settings)

    assert len(found) == (expected is not None)
    for text in found:
        assert "spec.vendor_configuration.endpoint_config.gpu_type: no setting of the operator names" in text
        assert expected is not None
        assert expected in text
        assert "RENDERING__ACCELERATORS" in text


@pytest.mark.parametrize(
    ("gpu_type", "meant"),
    [
        ("nvidia-a100", "nvidia-ampere-a100"),
        ("A100", "nvidia-ampere-a100"),
        ("nvidia-h100-80gb", "nvidia-hopper-h100"),
        ("nvidia-amper-a10", "nvidia-ampere-a10"),
        ("nvidia-tesla-T4", "nvidia-tesla-t4"),
        ("mi300", "mi300x"),
        ("nvidia-l4", None),
        ("nvidia-a10g", None),
        ("trainium", None),
    ],
)
def test_the_known_type_of_the_same_product_is_named(gpu_type: str, meant: str | None) -> None:
    obj = template({})
    obj["spec"]["vendor_configuration"]["endpoint_config"] = {"gpus": 1, "gpu_type": gpu_type}

    (found,) = warnings(obj, RenderSettings(accelerators={"mi300x": Accelerator()}))

    assert (f"(did you mean {meant}?)" in found) if meant else ("did you mean" not in found)


def test_a_stranger_learns_no_settings() -> None:
    obj = template({})
    obj["spec"]["vendor_configuration"]["endpoint_config"] = {"gpus": 1, "gpu_type": "nvidia-l4"}

    assert review_template(Change(obj), parse_template(obj), None).warnings == ()


def test_a_roll_out_that_is_paused_or_has_no_effect_causes_a_warning() -> None:
    steps = [{"name": "canary", "namespaces": ["prod"]}]

    found = warnings(template({}, rollout={"approved": "0" * 12, "paused": True, "steps": steps}))

    assert [each.split(": ")[1] for each in found] == [
        "spec.rollout.approved",
        "spec.rollout.paused",
        "spec.rollout.steps[0].namespaces",
    ]


def test_the_command_line_does_not_know_the_namespace_of_each_file() -> None:
    obj = template({}, rollout={"steps": [{"name": "canary", "namespaces": ["prod"]}]})
    del obj["metadata"]["namespace"]
    documents = list(read_documents(json.dumps(obj), "t.yaml"))

    assert Checker(collect(documents), SETTINGS, KubernetesSchemas(packaged())).findings() == []
