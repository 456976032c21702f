"""The template of a model whose request names none.

The platform's document leaves ``model_template_id`` optional. As with the default StorageClass, a template is
the default of its ``model_type`` by an annotation; without one, a request that names no template is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from model_operator.api import GROUP
from model_operator.api.enums import ModelVendor
from model_operator.core.gateway.rest.template_table import key_of
from model_operator.core.templates.sharing import Sharing, grant_of

DEFAULT_ANNOTATION: Final = f"{GROUP}/is-default-template"
"""Annotation of a template: ``"true"`` for the default of its ``model_type`` in the REST API."""
_HERE: Final = frozenset({None, ModelVendor.LAUNCH.value, ModelVendor.LLMENGINE.value})

Object = Mapping[str, Any]


def lacks_template(instance: Object) -> bool:
    """Return whether an instance is to run in this cluster and names no template."""
    spec = instance["spec"]
    return not spec.get("model_template_id") and spec.get("model_vendor") in _HERE


def default_template(
    templates: Iterable[Object],
    namespace: str,
    model_type: str | None,
    labels: Mapping[str, str] | None = None,
) -> dict[str, str] | None:
    """Return the fields of a specification that name the default template of a type; None without one.

    A ModelTemplate of the namespace comes before a ClusterModelTemplate, and of several the one that was
    created last, as with StorageClasses. One that is not shared with the namespace is no default there.

    Parameters
    ----------
    templates
        All templates, in the order of their creation.
    namespace
        Namespace of the model.
    model_type
        Type of the model.
    labels
        Labels of the namespace; None where they are not known.
    """
    found: dict[str, str] | None = None
    is_own = False
    for template in templates:
        kind, home, name = key_of(dict(template))
        if home not in ("", namespace) or (is_own and not home) or not _is_default(template, model_type):
            continue
        if grant_of(template).covers(namespace, labels) is not Sharing.SHARED:
            continue
        found = {"model_template_id": name, "model_template_kind": kind}
        is_own = bool(home)
    return found


def _is_default(template: Object, model_type: str | None) -> bool:
    annotations = template["metadata"].get("annotations") or {}
    return annotations.get(DEFAULT_ANNOTATION) == "true" and template["spec"].get("model_type") == model_type
