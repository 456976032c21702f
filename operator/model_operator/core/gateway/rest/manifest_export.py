"""The manifest of an object as the REST API gives it, to commit it.

A template that is named by its uid, as clients of the REST API do, is named by its name. Applied to another
cluster, the manifest gives the same model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.core.objects.manifest import manifest_of
from model_operator.core.templates.compile import CompiledTemplate

_TEMPLATE: Final = "model_template_id"
_TEMPLATE_KIND: Final = "model_template_kind"
_TEMPLATE_NAMESPACE: Final = "model_template_namespace"

Object = Mapping[str, Any]


def exported(obj: Object, template: CompiledTemplate | None = None) -> str:
    """Return the manifest of an object.

    Parameters
    ----------
    obj
        A ModelInstance, ModelTemplate or ClusterModelTemplate as the API server sends it.
    template
        Template of an instance; None if it is not known, so that the one of its status counts.
    """
    return manifest_of(obj, _portable(obj, template))


def _portable(obj: Object, compiled: CompiledTemplate | None) -> Mapping[str, Any]:
    """Return the specification, with the template's uid, which one cluster alone knows, as its name."""
    spec = _mapping(obj.get("spec"))
    template = _mapping(_mapping(obj.get("status")).get("template"))
    uid, name, kind = template.get("uid"), template.get("name"), template.get("kind")
    home = template.get("namespace")
    if compiled is not None:
        # A model that has just been created has no status yet.
        metadata = compiled.resource.metadata
        uid, name, kind = metadata.uid, metadata.name, compiled.resource.kind
        home = metadata.namespace
    if not name or not kind or spec.get(_TEMPLATE) != uid:
        return spec
    # Without a kind, a ModelTemplate of that name would come first.
    portable = {**spec, _TEMPLATE: name, _TEMPLATE_KIND: kind}
    if home and home != _mapping(obj.get("metadata")).get("namespace"):
        portable[_TEMPLATE_NAMESPACE] = home
    return portable


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
