"""What the operator keeps of a stored revision: its template, and its content as text, compiled on use.

The author of a revision chooses its content. Only a genuine revision is kept with it: its name is
that of its template and of the hash of its content, and its content is within the limits of a template.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from model_operator.api import API_VERSION, TemplateKind
from model_operator.core.objects.kept_form import spec_faults
from model_operator.core.objects.ownership import controller_of
from model_operator.core.templates.revisions.identity import content_hash
from model_operator.core.templates.revisions.objects import REVISION_KINDS

_CONTENT: Final = "content"
"""Field of a kept revision: the content as JSON, empty if it is not genuine. JSON has no bytes, so no object
from outside can have it."""
_METADATA: Final = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_TEMPLATE_KINDS: Final = {revision.__name__: TemplateKind(kind) for kind, revision in REVISION_KINDS.items()}

HISTORY_LIMIT: Final = 10
"""Built-in default of ``revision_history_limit`` of a template."""

Kept = Mapping[str, Any]
"""A revision as :func:`kept_revision` returns it."""


def kept_revision(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a revision: a new object. Never raises for an object with ``metadata``.

    Parameters
    ----------
    obj
        A ModelTemplateRevision or ClusterModelTemplateRevision with its ``kind``; or as it is kept, which
        comes back as it is.
    """
    if isinstance(obj.get(_CONTENT), bytes):
        return dict(obj)
    metadata, spec = obj["metadata"], obj.get("spec")
    kept: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": obj["kind"],
        "metadata": {name: metadata[name] for name in _METADATA if name in metadata},
        "owner": (controller_of(obj) or {}).get("uid"),
        _CONTENT: b"",
    }
    if not isinstance(spec, Mapping):
        return kept
    of, content, number = spec.get("template"), spec.get("template_spec"), spec.get("number")
    named = of.get("name") if isinstance(of, Mapping) else None
    if not isinstance(named, str) or not isinstance(content, Mapping):
        return kept
    kept["template"] = named
    kept["hash"] = spec.get("hash")
    kept["number"] = number if isinstance(number, int) else 0
    if metadata["name"] != f"{named}-{kept['hash']}" or spec_faults(template_kind(obj), content):
        return kept
    if content_hash(content) == kept["hash"]:
        kept[_CONTENT] = json.dumps(content, separators=(",", ":")).encode()
    return kept


def template_kind(revision: Mapping[str, Any]) -> TemplateKind:
    """Return the kind of the templates that a kind of revision is of."""
    return _TEMPLATE_KINDS[revision["kind"]]


def is_genuine(kept: Kept) -> bool:
    """Return whether the content of a kept revision is what its name says."""
    return bool(kept[_CONTENT])


def restored(kept: Kept) -> dict[str, Any]:
    """Return a genuine kept revision as an object that `.objects.read_revision` takes."""
    numbered = {"number": kept["number"]} if kept["number"] else {}
    return {
        "apiVersion": kept["apiVersion"],
        "kind": kept["kind"],
        "metadata": kept["metadata"],
        "spec": {
            "template": {"kind": template_kind(kept).value, "name": kept["template"]},
            "hash": kept["hash"],
            **numbered,
            "template_spec": json.loads(kept[_CONTENT]),
        },
    }


def newest_first(revisions: Iterable[Kept]) -> list[Kept]:
    """Return the revisions of one template by falling number; those without one, from files, last."""
    return sorted(revisions, key=lambda each: (each["number"], each["metadata"]["name"]), reverse=True)


def collectable(revisions: Iterable[Kept], owner: str, in_use: Collection[str], limit: int) -> list[Kept]:
    """Return the revisions of a template that are no longer kept.

    Only those that the operator stored for this template are ever deleted: one without an owner was put into
    the cluster from a file, and whatever put it there would put it there again.

    Parameters
    ----------
    revisions
        The revisions of the template.
    owner
        ``metadata.uid`` of the template.
    in_use
        The hashes of those that an instance runs or is pinned to, and of the latest one.
    limit
        Number of others that are kept: the newest.
    """
    others = [each for each in newest_first(revisions) if each["hash"] not in in_use]
    return [each for each in others[limit:] if each["owner"] == owner]
