"""Templates and instances with one property each, for tests of how a template is read."""

from __future__ import annotations

from typing import Any

from model_operator.core.rendering.render import Rendering, render
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_instance, parse_template
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.values.violations import format_loc

PROPERTIES = {
    "model": {"type": "string", "default": "small"},
    "MAX_LEN": {"type": "integer", "default": 2048},
    "QUANTIZE": {"type": "string"},
    "list": {"type": "array", "items": {"type": "string"}, "default": []},
}


def compiled(
    pod_template: Any = None, properties: Any = None, endpoint: Any = None, **bundle: Any
) -> CompiledTemplate:
    return parse_template(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelTemplate",
            "metadata": {"name": "t", "namespace": "ml"},
            "spec": {
                "model_type": "GENERIC",
                "vendor_configuration": {
                    "bundle_config": {"registry": "ghcr.io/team", "image": "server", "tag": "1", **bundle},
                    "endpoint_config": endpoint or {},
                },
                "model_creation_parameters_schema": {"properties": properties or PROPERTIES},
                **({} if pod_template is None else {"pod_template": pod_template}),
            },
        }
    )


def rendered(
    template: CompiledTemplate, settings: RenderSettings | None = None, **parameters: Any
) -> Rendering:
    instance, _ = parse_instance(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelInstance",
            "metadata": {"name": "one", "namespace": "ml", "uid": "u"},
            "spec": {"model_template_id": "t", "model_creation_parameters": parameters},
        }
    )
    return render(template, instance, settings)


def pod_spec(template: CompiledTemplate, settings: RenderSettings | None = None, **parameters: Any) -> Any:
    assert template.violations == ()
    (found,) = rendered(template, settings, **parameters).deployments
    return found.deployment.manifest["spec"]["template"]["spec"]


def faults(template: CompiledTemplate) -> dict[str, str]:
    """Give the messages of a template's violations, by path."""
    return {format_loc(fault.loc): fault.msg for fault in template.violations}


def warnings(template: CompiledTemplate) -> dict[str, str]:
    """Give the messages of a template's warnings, by path."""
    return {format_loc(fault.loc): fault.msg for fault in template.advice(RenderSettings())}
