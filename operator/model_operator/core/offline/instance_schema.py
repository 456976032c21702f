"""JSON Schema of the instances of one template, for editors and forms, and an example instance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

from model_operator.api import API_VERSION, ModelInstance
from model_operator.api.crd import open_api_schema
from model_operator.api.rules import INT_OR_STRING, PRESERVE
from model_operator.core.offline.stored_form import RESOURCES
from model_operator.core.parameters.examples import example_parameters
from model_operator.core.parameters.schema import ParameterSchema
from model_operator.core.parameters.validation import validate_parameters
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.values.printable import printable
from model_operator.core.values.yaml_dialect import Dumper

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_NAME: Final = {
    "type": "string",
    "maxLength": 40,
    "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$",
    "not": {"const": "kubernetes"},
    "description": "Name of the instance, and of its Deployment and Service.",
}


def instance_schema(template: CompiledTemplate) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of an instance of a template.

    It covers fields, types, parameters and bounds. Rules over several fields are checked by ``validate``.

    Parameters
    ----------
    template
        A template without violations.
    """
    resource, parameters = template.resource, template.parameters
    schema = _plain(open_api_schema(ModelInstance, described=True))
    properties = schema["properties"]
    del properties["status"]
    properties["apiVersion"]["const"] = API_VERSION
    properties["kind"]["const"] = ModelInstance.__name__
    properties["metadata"] = {"type": "object", "properties": {"name": _NAME}, "required": ["name"]}
    spec = properties["spec"]
    fields = spec["properties"]
    fields["model_template_id"]["const"] = resource.metadata.name
    fields["model_template_kind"]["const"] = resource.kind
    fields["model_type"] = {
        "const": resource.spec.model_type.value,
        "description": fields["model_type"]["description"],
    }
    # A parameter that each entry of `deployments` sets is not required at the top level.
    given = {key: value for key, value in parameters.schema.items() if key != "required"}
    for owner in (fields, fields["deployments"]["items"]["properties"]):
        description = owner["model_creation_parameters"]["description"]
        owner["model_creation_parameters"] = {"description": description, **given}
    spec["required"] = ["model_template_id"]
    required = sorted(parameters.required - parameters.defaults.keys())
    if required:
        spec["if"] = {"not": {"required": ["deployments"]}}
        spec["then"] = {
            "required": ["model_creation_parameters"],
            "properties": {"model_creation_parameters": {"required": required}},
        }
    return {
        "$schema": _DIALECT,
        "title": f"ModelInstance of {resource.kind} {resource.metadata.name}",
        **schema,
        "required": ["apiVersion", "kind", "metadata", "spec"],
    }


def kind_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the objects of a kind, whatever parameters a template has.

    It covers fields and types. Rules over several fields are checked by ``validate``.

    Parameters
    ----------
    kind
        Such as ``ModelTemplate``.
    """
    schema = _plain(open_api_schema(RESOURCES[kind], described=True))
    properties = schema["properties"]
    del properties["status"]
    properties["apiVersion"]["const"] = API_VERSION
    properties["kind"]["const"] = kind
    properties["metadata"] = {"type": "object"}
    return {
        "$schema": _DIALECT,
        "title": kind,
        **schema,
        "required": ["apiVersion", "kind", "metadata", "spec"],
    }


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a structural schema as JSON Schema: without unknown fields and Kubernetes' own keywords."""
    result = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if schema.get(INT_OR_STRING):
        result["type"] = ["integer", "string"]
    if "properties" in schema:
        result["properties"] = {name: _plain(part) for name, part in schema["properties"].items()}
        if not schema.get(PRESERVE):
            result["additionalProperties"] = False
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), Mapping):
            result[keyword] = _plain(schema[keyword])
    return result


def instance_example(template: CompiledTemplate) -> tuple[str, tuple[str, ...]]:
    """Return an example instance as YAML, with the descriptions of its parameters as comments.

    Parameters that need not be given are comments, too, after the others. The namespace is
    that of the template.

    Parameters
    ----------
    template
        A template without violations.

    Returns
    -------
    tuple
        The text, and the required parameters that it omits because no example value was found.
    """
    resource, parameters = template.resource, template.parameters
    example = example_parameters(parameters)
    namespace = getattr(resource.metadata, "namespace", None)
    head = {
        "apiVersion": API_VERSION,
        "kind": ModelInstance.__name__,
        "metadata": {
            "name": _instance_name(resource.metadata.name),
            **({"namespace": namespace} if namespace else {}),
        },
        "spec": {"model_template_id": resource.metadata.name},
    }
    lines = _dumped(head).splitlines()
    lines += _example_lines(parameters, example.values or {})
    return "\n".join(lines) + "\n", () if example.values is not None else example.missing


def _example_lines(parameters: ParameterSchema, values: Mapping[str, Any]) -> list[str]:
    wanted = parameters.required - parameters.defaults.keys()
    needed = {name: value for name, value in values.items() if name in wanted}
    if validate_parameters(parameters, needed, ())[1]:
        # A rule over several parameters needs some of the others.
        needed = dict(values)
    lines = ["  model_creation_parameters:"] if values else []
    for name, value in sorted(values.items(), key=lambda item: item[0] not in needed):
        schema = parameters.properties.get(name)
        description = schema.get("description") if isinstance(schema, Mapping) else None
        if description:
            lines += [f"    # {printable(line)}".rstrip() for line in str(description).splitlines()]
        mark = "# " if needed and name not in needed else ""
        lines += [f"    {mark}{line}" for line in _dumped({name: value}).splitlines()]
    return lines if needed else [f"  # {line[2:]}" for line in lines]


def _instance_name(template: str) -> str:
    return f"my-{template}"[:40].rstrip("-")


def _dumped(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text
