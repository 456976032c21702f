"""Templates with their stored revisions, as a cluster has them."""

from __future__ import annotations

import copy
from typing import Any

from model_operator.core.templates.revisions.objects import revision_object

TIME = "2026-01-01T00:00:00Z"


def template(tag: str = "1", **spec: Any) -> dict[str, Any]:
    """Return a template whose image has a tag."""
    bundle = {"registry": "registry.test", "image": "encoder", "tag": tag}
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelTemplate",
        "metadata": {"name": "encoder", "namespace": "team-a", "uid": "t1", "generation": 3},
        "spec": {"model_type": "EMBEDDING", "vendor_configuration": {"bundle_config": bundle}, **spec},
        "status": {"observedGeneration": 3},
    }


def stored(obj: dict[str, Any], number: int | None) -> dict[str, Any]:
    """Return the revision that the operator stores of a template, or one from a file."""
    revision = copy.deepcopy(revision_object(obj, number))
    revision["metadata"] |= {"creationTimestamp": TIME, "uid": revision["metadata"]["name"]}
    return revision


def hash_of(obj: dict[str, Any]) -> str:
    """Return the hash of a template's revision."""
    found: str = revision_object(obj)["spec"]["hash"]
    return found


def with_status(obj: dict[str, Any], **status: Any) -> dict[str, Any]:
    """Return a template with these fields in its status, and others as they are."""
    return {**obj, "status": {**obj["status"], **status}}
