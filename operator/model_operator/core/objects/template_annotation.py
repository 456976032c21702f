"""The annotation of a Deployment that says of which revision of the template it was last applied.

It is on the Deployment's own metadata, since pods would restart with it, and its absence is no drift: it is
written with the next other change. It is what remains of a move when the operator ends before it writes the
status, or when a backup is restored without statuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from model_operator.api import GROUP

TEMPLATE_REVISION: Final = f"{GROUP}/template-revision"
"""The annotation."""


def annotated_revision(deployment: Mapping[str, Any]) -> str:
    """Return the hash of the revision of which a Deployment was last applied; empty where that is unknown."""
    annotations = deployment["metadata"].get("annotations") or {}
    return str(annotations.get(TEMPLATE_REVISION) or "")


def with_template_revision(deployment: Mapping[str, Any], revision: str) -> dict[str, Any]:
    """Return a Deployment with the annotation."""
    metadata = deployment["metadata"]
    annotations = {**(metadata.get("annotations") or {}), TEMPLATE_REVISION: revision}
    return {**deployment, "metadata": {**metadata, "annotations": annotations}}
