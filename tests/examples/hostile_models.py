"""Templates and instances that are made to hang the operator or to fill its memory."""

from __future__ import annotations

from typing import Any

from model_operator.api import ModelInstance, ModelTemplate
from model_operator.core.templates.compile import CompiledTemplate, compile_template

TEXT = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
INTEGERS = {"properties": {"a": {"type": "array", "items": {"type": "integer"}}}, "required": ["a"]}
# 64 checks for each item.
COMPLEX = {
    "properties": {"a": {"items": {"allOf": [{"allOf": [{"type": "integer"}] * 8}] * 8}}},
    "required": ["a"],
}


def template(schema: Any, *, annotations: Any = None, pod: Any = None, **bundle: Any) -> ModelTemplate:
    return ModelTemplate.model_validate(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelTemplate",
            "metadata": {"name": "t", "namespace": "ml"},
            "spec": {
                "model_type": "GENERIC",
                "model_creation_parameters_schema": schema,
                "vendor_configuration": {
                    "bundle_config": {"registry": "ghcr.io", "image": "a/b", "tag": "1", **bundle}
                },
                "pod_template": pod or {"metadata": {"annotations": annotations or {}}},
            },
        }
    )


def instance(value: Any, *more: Any) -> ModelInstance:
    entries = [{"name": f"e{i}", "model_creation_parameters": {"a": each}} for i, each in enumerate(more)]
    return ModelInstance.model_validate(
        {
            "apiVersion": "modeloperator.dev/v1alpha1",
            "kind": "ModelInstance",
            "metadata": {"name": "one", "namespace": "ml", "uid": "u"},
            "spec": {
                "model_template_id": "t",
                "model_creation_parameters": {"a": value},
                **({"deployments": entries} if entries else {}),
            },
        }
    )


TEMPLATES: dict[str, tuple[ModelTemplate, set[str]]] = {
    "unclosed expressions": (
        template(TEXT, annotations={f"a{i}": "$(" * 30_000 for i in range(4)}),
        {"too_many_expressions"},
    ),
    "unclosed expressions, few enough": (template(TEXT, annotations={"a": "$(" * 999 + "x" * 60_000}), set()),
    "dollars": (template(TEXT, annotations={f"a{i}": "$" * 60_000 + "x$(" for i in range(4)}), set()),
    "dollars in variables": (template(TEXT, env={f"A{i}": "$(" * 3 + "$" * 9000 for i in range(200)}), set()),
    "references": (template(TEXT, args=["$(parameters.a)"] * 1000), set()),
    "a reference too many": (
        template(TEXT, args=["$(parameters.a)"] * 999, env={"A": "$(B)", "B": "$(C)"}),
        {"too_many_expressions"},
    ),
    "a million references": (
        template(TEXT, args=["$(parameters.a)" * 2000] * 500),
        {"too_many_expressions"},
    ),
    "undeclared references": (template(TEXT, args=["$(parameters.b)"] * 1000), {"undeclared_parameter"}),
    "4,000 wrong containers": (template(TEXT, pod={"spec": {"containers": [1] * 4000}}), {"dict_type"}),
    "5,000 elements": (
        template(TEXT, annotations={f"a{i}": "" for i in range(5000)}),
        {"too_many_elements"},
    ),
    "variables that mention each other": (
        template(TEXT, env={f"A{i}": f"$(A{i + 1})$(A{i + 2})$(A0)" for i in range(250)}),
        set(),
    ),
    "one variable that mentions all": (
        template(
            TEXT, env={"A": "".join(f"$(V{i})" for i in range(250)), **{f"V{i}": "" for i in range(250)}}
        ),
        set(),
    ),
}


INSTANCES: dict[str, tuple[CompiledTemplate, ModelInstance, set[str]]] = {
    "long value in 1,000 places": (
        compile_template(template(TEXT, args=["$(parameters.a)"] * 1000)),
        instance("x" * 30_000),
        {"too_large"},
    ),
    "value of dollars": (
        compile_template(template(TEXT, args=["$(parameters.a)"] * 10)),
        instance("$" * 30_000),
        {"too_large"},
    ),
    "list of 990 items in 1,000 places": (
        compile_template(template(INTEGERS, args=["$(parameters.a[*])"] * 1000)),
        instance([1] * 990),
        {"too_large"},
    ),
    "20 deployments of 900 arguments": (
        compile_template(template(TEXT, args=["$(parameters.a)"] * 900)),
        instance("x", *["x" * (400 + index) for index in range(20)]),
        set(),
    ),
    "20 deployments with a complex schema": (
        compile_template(template(COMPLEX)),
        instance([], *[[index] * 80 for index in range(20)]),
        {"too_complex"},
    ),
    "20 deployments with 990 values": (
        compile_template(template({"properties": {"a": {"type": "array"}}, "required": ["a"]})),
        instance([], *[[index] * 990 for index in range(20)]),
        set(),
    ),
}
