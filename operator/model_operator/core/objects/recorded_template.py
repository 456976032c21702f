"""Which revision of its template a ModelInstance's status was computed for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class TemplateVersion(NamedTuple):
    """A template as it is now, or in a revision.

    Attributes
    ----------
    uid, generation
        The template, and its ``metadata.generation`` now.
    revision
        Hash of the revision; empty for a template that cannot be read.
    """

    uid: str
    generation: int
    revision: str


def is_recorded(status: Mapping[str, Any], version: TemplateVersion) -> bool:
    """Return whether a status was computed for this revision, of whichever template.

    An operator before there were revisions recorded the generation alone: that counts while it is the current
    one, so that an upgrade of the operator is no edit of the template.
    """
    bound = status.get("template") or {}
    recorded = bound.get("revision")
    if recorded is not None:
        return bool(recorded == version.revision)
    return (bound.get("uid"), bound.get("generation")) == (version.uid, version.generation)
