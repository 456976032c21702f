"""Conversions of manifests, with the settings of an operator without settings."""

from __future__ import annotations

from typing import Any

import yaml

from hack.kubernetes_schemas import packaged
from model_operator.core.offline.conversion.conversion import Conversion, Options, convert
from model_operator.core.offline.conversion.workloads import find_workload
from model_operator.core.offline.documents import read_documents
from model_operator.core.offline.kubernetes_schemas import KubernetesSchemas
from model_operator.core.templates.render_settings import RenderSettings

SCHEMAS = KubernetesSchemas(packaged())


def converted(text: str, *, workload: str | None = None, **options: Any) -> Conversion:
    found = find_workload(read_documents(text, "manifest.yaml"), workload)
    return convert(found, Options(**options), RenderSettings(), SCHEMAS)


def deployment(
    *, container: dict[str, Any] | None = None, pod: dict[str, Any] | None = None, **spec: Any
) -> str:
    """Return a small Deployment; `container`, `pod` and `spec` add to it."""
    model = {
        "name": "server",
        "image": "registry.test/server:1",
        "ports": [{"containerPort": 8080}],
        **(container or {}),
    }
    return yaml.safe_dump(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "chat"},
            "spec": {
                "selector": {"matchLabels": {"app": "chat"}},
                "template": {
                    "metadata": {"labels": {"app": "chat"}},
                    "spec": {"containers": [model], **(pod or {})},
                },
                **spec,
            },
        }
    )


def bundle(found: Conversion) -> Any:
    return found.template["spec"]["vendor_configuration"]["bundle_config"]


def endpoint(found: Conversion) -> Any:
    return found.template["spec"]["vendor_configuration"].get("endpoint_config", {})


def child(found: Conversion, kind: str) -> Any:
    return next(each for each in found.children if each["kind"] == kind)
