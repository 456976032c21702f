"""What a template opens is let in with a warning: at admission, and by `model-operator validate`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hack.kubernetes_schemas import packaged
from model_operator.core.admission.change import Change
from model_operator.core.admission.template import judge_template
from model_operator.core.offline.checking import Checker
from model_operator.core.offline.collection import collect
from model_operator.core.offline.documents import read_documents
from model_operator.core.offline.findings import Severity
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.render_settings import RenderSettings

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


def warnings(obj: dict[str, Any]) -> list[str]:
    """Give the warnings at admission, having seen that the command line has the same."""
    verdict = judge_template(Change(obj), parse_template(obj))
    assert verdict.allowed
    documents = list(read_documents(json.dumps(obj), "t.yaml"))
    checker = Checker(collect(documents), RenderSettings(), KubernetesSchemas(packaged()))
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
