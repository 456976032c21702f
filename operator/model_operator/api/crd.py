"""Generates the CustomResourceDefinitions from the models.

``python -m model_operator.api.crd DIRECTORY`` writes one file for each kind; with ``--check`` it writes
nothing and fails when a file differs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic.json_schema import GenerateJsonSchema

from model_operator.api.descriptions import DescribedSchema
from model_operator.api.instance import ModelInstance
from model_operator.api.meta import GROUP, VERSION, Resource
from model_operator.api.revision import ClusterModelTemplateRevision, ModelTemplateRevision
from model_operator.api.rules import VALIDATIONS
from model_operator.api.template import ClusterModelTemplate, ModelTemplate

CATEGORY = "models"
"""What ``kubectl get models`` lists: what people write, so not the revisions."""

_HEADER = "# Generated from operator/model_operator/api: run `make crds`, do not edit.\n"

# The description of a field comes before its contents; keywords that are not listed go between the two.
_FIRST = ("description", "type", "format", "default", "enum")
_LAST = (VALIDATIONS, "required", "properties", "additionalProperties", "items")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``kubectl get``; one that is `wide` is shown with ``-o wide`` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of ``additionalPrinterColumns``."""
        column: dict[str, Any] = {"name": self.name, "type": self.type, "description": self.description}
        if self.wide:
            column["priority"] = 1
        return {**column, "jsonPath": self.path}


_READY = Column(
    "Ready",
    '.status.conditions[?(@.type=="Ready")].status',
    "Whether the current specification is fully rolled out.",
)
_REASON = Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Reason of the Ready condition.")
_MESSAGE = Column(
    "Message", '.status.conditions[?(@.type=="Ready")].message', "Message of the Ready condition.", wide=True
)
_AGE = Column("Age", ".metadata.creationTimestamp", "Time since creation.", type="date")
_BUNDLE = ".spec.vendor_configuration.bundle_config"

_TEMPLATE_COLUMNS = (
    Column("Ready", _READY.path, "Whether instances can be created from the template."),
    _REASON,
    Column("Type", ".spec.model_type", "Type of the models."),
    Column(
        "Instances", ".status.instance_count", "Number of instances that use the template.", type="integer"
    ),
    Column(
        "Updated",
        ".status.updated_instance_count",
        "Number of instances that are Ready at the latest revision of the template.",
        type="integer",
    ),
    Column("Rollout", ".status.rollout.state", "State of the roll-out of the latest revision."),
    Column("Step", ".status.rollout.step", "Step that the roll-out has reached."),
    _AGE,
    Column("Revision", ".status.latest_revision", "Latest valid revision of the template.", wide=True),
    Column("Image", f"{_BUNDLE}.image", "Repository of the container image.", wide=True),
    Column("Tag", f"{_BUNDLE}.tag", "Tag of the container image.", wide=True),
    Column("Endpoint", ".spec.endpoint_type", "How the models receive work.", wide=True),
    _MESSAGE,
)
_INSTANCE_COLUMNS = (
    _READY,
    _REASON,
    Column("Template", ".status.template.name", "Template of the instance, once it is found."),
    Column("Serving", ".status.ready_replicas", "Ready workers.", type="integer"),
    Column("Workers", ".status.replicas", "Workers that exist, of any revision.", type="integer"),
    Column("URL", ".status.url", "URL of the model inside the cluster."),
    _AGE,
    Column(
        "Revision", ".status.template.revision", "Revision of the template that the instance runs.", wide=True
    ),
    Column(
        "Up-To-Date",
        '.status.conditions[?(@.type=="UpToDate")].reason',
        "Whether that is the latest revision, or why not.",
        wide=True,
    ),
    _MESSAGE,
)
_REVISION_COLUMNS = (
    Column("Template", ".spec.template.name", "Template that this is a revision of."),
    Column("Number", ".spec.number", "Position in the order of the template's revisions.", type="integer"),
    _AGE,
)
_SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}

KINDS: Mapping[type[Resource], tuple[Column, ...]] = {
    ModelTemplate: _TEMPLATE_COLUMNS,
    ClusterModelTemplate: _TEMPLATE_COLUMNS,
    ModelInstance: _INSTANCE_COLUMNS,
    ModelTemplateRevision: _REVISION_COLUMNS,
    ClusterModelTemplateRevision: _REVISION_COLUMNS,
}
"""The kinds and their columns."""
_STORED_BY_THE_OPERATOR = (ModelTemplateRevision, ClusterModelTemplateRevision)


def custom_resource_definition(resource: type[Resource]) -> dict[str, Any]:
    """Return the CustomResourceDefinition of one of `KINDS`.

    The schema is structural (KEP-1693 and the API conventions): no references, no ``nullable``, every field
    typed, or explicitly open.
    """
    kind = resource.__name__
    subresources: dict[str, Any] = {"status": {}} if "status" in resource.model_fields else {}
    if resource is ModelInstance:
        subresources["scale"] = _SCALE
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                **({} if resource in _STORED_BY_THE_OPERATOR else {"categories": [CATEGORY]}),
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": resource.plural,
                "shortNames": [resource.short_name],
                "singular": resource.singular,
            },
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [column.to_dict() for column in KINDS[resource]],
                    **({"subresources": subresources} if subresources else {}),
                    "schema": {"openAPIV3Schema": open_api_schema(resource, described=True)},
                }
            ],
        },
    }


def open_api_schema(resource: type[Resource], *, described: bool = False) -> dict[str, Any]:
    """Return the structural schema of a kind.

    Of ``metadata`` it declares only what a rule needs; the API server knows the rest.

    Parameters
    ----------
    resource
        One of `KINDS`.
    described
        Whether fields have their descriptions, for which the source of the models is read.
    """
    generated = resource.model_json_schema(
        schema_generator=DescribedSchema if described else GenerateJsonSchema
    )
    schema = _structural(generated, generated.get("$defs", {}))
    properties = schema["properties"]
    for name in ("apiVersion", "kind"):
        properties[name] = {
            key: value for key, value in properties[name].items() if key in {"description", "type"}
        }
    properties["metadata"] = {
        "type": "object",
        "properties": {
            # Declared so that a rule can name it as its fieldPath.
            "name": {"type": "string"}
        },
    }
    order = [name for name in ("apiVersion", "kind", "metadata", "spec", "status") if name in properties]
    return {**schema, "required": ["spec"], "properties": {name: properties[name] for name in order}}


def _structural(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Convert pydantic's JSON Schema to the structural form of a CRD.

    A reference becomes its target, ``X or null`` becomes X (an absent field is None), and ``const`` becomes
    an ``enum``. Titles and null defaults are removed.
    """
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        return _structural({**target, **_without(schema, "$ref")}, definitions)
    if "anyOf" in schema:
        given = [option for option in schema["anyOf"] if option != {"type": "null"}]
        if len(given) != 1:
            raise TypeError(f"a CRD cannot say {schema!r}: annotate the field with its schema")
        return _structural({**given[0], **_without(schema, "anyOf")}, definitions)
    result = _without(schema, "$defs", "title", "const")
    if "const" in schema:
        result["enum"] = [schema["const"]]
    if "description" in result:
        result["description"] = _first_paragraph(result["description"])
    if result.get("default", ...) is None:
        del result["default"]
    result |= _structural_parts(result, definitions)
    return dict(sorted(result.items(), key=_keyword_position))


def _structural_parts(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the structural forms of the subschemas of a schema."""
    parts: dict[str, Any] = {
        key: _structural(schema[key], definitions)
        for key in ("items", "additionalProperties")
        if isinstance(schema.get(key), Mapping)
    }
    if "description" in schema and "items" in parts:
        # `kubectl explain` joins the descriptions of a list and of its items without a space.
        parts["items"] = _without(parts["items"], "description")
    if "properties" in schema:
        parts["properties"] = {
            name: _structural(value, definitions) for name, value in schema["properties"].items()
        }
    return parts


def _without(schema: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in keys}


def _keyword_position(item: tuple[str, Any]) -> tuple[int, int, str]:
    keyword = item[0]
    if keyword in _FIRST:
        return (0, _FIRST.index(keyword), keyword)
    if keyword in _LAST:
        return (2, _LAST.index(keyword), keyword)
    return (1, 0, keyword)


def _first_paragraph(text: str) -> str:
    """Return the first paragraph in one line; the rest of a docstring is for readers of the code."""
    return " ".join(text.partition("\n\n")[0].split())


class _Dumper(yaml.SafeDumper):
    """Write repeated values in full, without YAML anchors."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def to_yaml(resource: type[Resource]) -> str:
    """Return the file of a kind's CustomResourceDefinition."""
    text: str = yaml.dump(
        custom_resource_definition(resource), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True
    )
    return _HEADER + text


def main(arguments: list[str] | None = None) -> None:
    """Write the files of all kinds, or check that they are up to date.

    Parameters
    ----------
    arguments
        Command-line arguments without the program's name. Default: those of the process.

    Raises
    ------
    SystemExit
        With ``--check``, when a file is missing or differs; the message names the files.
    """
    parser = argparse.ArgumentParser(prog="python -m model_operator.api.crd", description=__doc__)
    parser.add_argument("directory", type=Path, help="directory of the files, one for each kind")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    options = parser.parse_args(arguments)
    stale = []
    for resource in KINDS:
        path: Path = options.directory / f"{resource.plural}.yaml"
        text = to_yaml(resource)
        if options.check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(str(path))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit(f"out of date, run `make crds`: {', '.join(stale)}")


if __name__ == "__main__":
    main()
