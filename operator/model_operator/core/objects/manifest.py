"""The YAML to commit of an object that was made over REST or with kubectl.

It has what people decide: name, namespace, specification, and their labels and annotations. It lacks what the
cluster adds, and that by which a tool finds its own objects: in another repository, it would name the wrong
owner. Directives to such tools, such as ``kustomize.toolkit.fluxcd.io/prune``, stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

from model_operator.core.objects.gitops_owners import (
    ARGO_CD_INSTANCE,
    COMMON_INSTANCE,
    FLUX_LABELS,
    TRACKING_ID,
    is_of_argo_cd,
)
from model_operator.core.objects.kept_form import CREATED_BY_TYPE, CREATED_BY_USER, IDEMPOTENCY_KEY
from model_operator.core.objects.ownership import MANAGED_BY, REST_MANAGER
from model_operator.core.values.yaml_dialect import TAG, Dumper, represent_text

_HELM_RELEASE: Final = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace")
_ANNOTATIONS: Final = frozenset(
    {
        CREATED_BY_USER,
        CREATED_BY_TYPE,
        IDEMPOTENCY_KEY,
        "kubectl.kubernetes.io/last-applied-configuration",
        TRACKING_ID,
        "argocd.argoproj.io/installation-id",
        *_HELM_RELEASE,
    }
)
_LABELS: Final = frozenset({*FLUX_LABELS, ARGO_CD_INSTANCE})
_WIDTH: Final = 2**31
"""Columns of a line: a text of one line is never broken, so that a change of a word is one of that line."""

Object = Mapping[str, Any]


class _ManifestDumper(Dumper):
    """Writes a text of several lines as a block, as people write it in a manifest."""


def _represent_lines(dumper: _ManifestDumper, text: str) -> yaml.ScalarNode:
    node = represent_text(dumper, text)
    # A block that begins with blanks needs its indentation stated, which readers of YAML do not agree on.
    if node.style is None and "\n" in text and not text[0].isspace():
        return dumper.represent_scalar(f"{TAG}str", text, style="|")
    return node


_ManifestDumper.add_representer(str, _represent_lines)


def manifest_of(obj: Object, spec: Object | None = None) -> str:
    """Return the manifest of an object: the same text for the same decisions of people.

    Parameters
    ----------
    obj
        A ModelInstance, ModelTemplate or ClusterModelTemplate as the API server sends it.
    spec
        The specification to write; None for that of the object.
    """
    found = obj["metadata"]
    metadata = {name: found[name] for name in ("name", "namespace") if found.get(name)}
    annotations = _mapping(found.get("annotations"))
    labels = {
        key: value
        for key, value in _mapping(found.get("labels")).items()
        if not _is_label_of_tool(obj, key, value)
    }
    kept = {key: value for key, value in annotations.items() if key not in _ANNOTATIONS}
    metadata |= {name: values for name, values in (("labels", labels), ("annotations", kept)) if values}
    manifest = {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": metadata,
        "spec": _mapping(obj.get("spec")) if spec is None else spec,
    }
    return to_manifest(manifest)


def to_manifest(value: Object) -> str:
    """Return a value as YAML as people write it: texts of several lines as blocks, no line broken."""
    text: str = yaml.dump(value, Dumper=_ManifestDumper, width=_WIDTH, allow_unicode=True)
    return text


def _is_label_of_tool(obj: Object, key: str, value: Any) -> bool:
    if key == MANAGED_BY:
        is_of_helm = _HELM_RELEASE[0] in _mapping(obj["metadata"].get("annotations")) and value == "Helm"
        return value == REST_MANAGER or is_of_helm
    return key in _LABELS or (key == COMMON_INSTANCE and is_of_argo_cd(obj, key))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
