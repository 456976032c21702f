"""A template and a model with deployments, as the API server sends them."""

from __future__ import annotations

from typing import Any

from model_operator.core.gateway.failures import Failure
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template

UID = "7f6b9a52-4c7e-4b0e-8f57-0d7b6f1f2a10"
CREATED = "2026-11-02T08:00:00Z"

Object = dict[str, Any]


def template(endpoint: Object | None = None, schema: Object | None = None, **spec: Any) -> Object:
    """Give a template with one required and one optional parameter."""
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelTemplate",
        "metadata": {
            "name": "encoder",
            "namespace": "team-a",
            "uid": "0d9f6b1c-0000-4000-8000-000000000001",
            "creationTimestamp": CREATED,
        },
        "spec": {
            "model_type": "EMBEDDING",
            "endpoint_type": "SYNC",
            "vendor_configuration": {
                "vendor": "LAUNCH",
                "bundle_config": {
                    "registry": "registry.test",
                    "image": "encoder",
                    "tag": "v1",
                    "env": {},
                    "predict_route": "/predict",
                },
                "endpoint_config": {"min_workers": 1, "per_worker": 10, **(endpoint or {})},
            },
            "model_creation_parameters_schema": schema
            or {
                "parameters": [
                    {"name": "MODEL", "type": "str", "description": "Its weights.", "required": True},
                    {"name": "BATCH", "type": "int", "description": "Batch size.", "required": False},
                ]
            },
            **spec,
        },
    }


def compiled(**endpoint: Any) -> CompiledTemplate:
    """Give the template, compiled."""
    found = parse_template(template(endpoint))
    assert found.violations == ()
    return found


def model(
    deployments: list[Object] | None = None, reported: list[Object] | None = None, **spec: Any
) -> Object:
    """Give a model; `reported` is ``status.deployments``, of the present generation."""
    obj: Object = {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "metadata": {
            "name": "minilm",
            "namespace": "team-a",
            "uid": UID,
            "generation": 3,
            "resourceVersion": "7",
            "creationTimestamp": CREATED,
            "annotations": {
                "modeloperator.dev/created-by-user-id": "ada@example.com",
                "modeloperator.dev/created-by-identity-type": "user",
            },
        },
        "spec": {"model_template_id": "encoder", "model_creation_parameters": {"MODEL": "small"}, **spec},
    }
    if deployments is not None:
        obj["spec"]["deployments"] = deployments
    if reported is not None:
        obj["status"] = {"observedGeneration": 3, "deployments": reported}
    return obj


def faults_of(failure: Failure) -> list[tuple[str, str]]:
    """Give path and type of each entry."""
    return [(".".join(map(str, each.loc)), each.type) for each in failure.entries]
