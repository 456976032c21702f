"""Small objects as the API server sends them, with versions that rise from one to the next."""

from __future__ import annotations

import itertools
from typing import Any

from model_operator.core.templates.revisions.identity import revision_of
from model_operator.core.templates.revisions.objects import revision_object

_versions = itertools.count(1)


def _meta(name: str, namespace: str, uid: str, **more: Any) -> dict[str, Any]:
    meta = {"name": name, "uid": uid, "resourceVersion": str(next(_versions)), **more}
    return {**meta, "namespace": namespace} if namespace else meta


def template(
    name: str, *, namespace: str = "team", uid: str = "t1", generation: int = 1, status: Any = None
) -> dict[str, Any]:
    """Return a version of a ModelTemplate or, without namespace, of a ClusterModelTemplate."""
    bundle = {"registry": "ghcr.io/example", "image": "embeddings", "tag": f"v{generation}"}
    return {
        "kind": "ModelTemplate" if namespace else "ClusterModelTemplate",
        "metadata": _meta(name, namespace, uid, generation=generation),
        "spec": {"model_type": "EMBEDDING", "vendor_configuration": {"bundle_config": bundle}},
        "status": status or {},
    }


def broken(**fields: Any) -> dict[str, Any]:
    """Return a version of the template `embed` that is invalid; `fields` are those of `template`."""
    obj = template("embed", **fields)
    obj["spec"]["strategy"] = {"type": "Sudden"}
    return obj


def revision(of: dict[str, Any], number: int = 1) -> dict[str, Any]:
    """Return a version of the stored revision of what a template specifies."""
    obj = revision_object(of, number)
    obj["metadata"] |= {"uid": obj["metadata"]["name"], "resourceVersion": str(next(_versions))}
    return obj


def hash_of(of: dict[str, Any]) -> str:
    """Return the hash of what a template specifies."""
    return revision_of(of).hash


def instance(
    name: str,
    *,
    namespace: str = "team",
    uid: str = "i1",
    template_id: str = "embed",
    bound: str | None = None,
) -> dict[str, Any]:
    """Return a version of a ModelInstance, bound to the template of that uid."""
    ref = {"kind": "ModelTemplate", "name": "embed", "uid": bound, "generation": 1}
    return {
        "kind": "ModelInstance",
        "metadata": _meta(name, namespace, uid),
        "spec": {"model_template_id": template_id},
        "status": {"template": ref} if bound else {},
    }


def child(
    name: str, *, owner: dict[str, Any] | None = None, label: str | None = None, kind: str = "Deployment"
) -> dict[str, Any]:
    """Return a version of a child that an instance controls, or that only has its label."""
    labels = {"app.kubernetes.io/managed-by": "model-operator"}
    if label:
        labels["modeloperator.dev/instance"] = label
    references = []
    if owner:
        identity = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": True}
        references = [{"apiVersion": "modeloperator.dev/v1alpha1", "kind": owner["kind"], **identity}]
    meta = _meta(name, "team", f"{kind}-{name}", labels=labels, ownerReferences=references)
    return {"kind": kind, "metadata": meta}
