"""A template with what one of its revisions specifies, as a manifest to commit or to apply."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from model_operator.core.inspection.facts import Object
from model_operator.core.inspection.revision_history import StoredRevision
from model_operator.core.objects.manifest import manifest_of
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.revisions.identity import UNREVISIONED, revisioned_spec

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def manifest_at(template: Object, revision: StoredRevision, *, to_apply: bool) -> str:
    """Return the manifest of a template at one of its revisions.

    What is not part of revisions stays as it is: name, account, roll-out, history limit, labels, annotations.

    Parameters
    ----------
    template
        The template as it is now.
    revision
        The revision.
    to_apply
        Whether it is for ``kubectl apply``, which keeps a field that another client has added: such fields
        are null then. In a file to commit that would only be noise.
    """
    live = template["spec"]
    wanted: Mapping[str, Any] = revision.template_spec
    if to_apply and _is_readable(template):
        wanted = _with_removals(wanted, revisioned_spec(live), _last_applied(template))
    return manifest_of(template, {**wanted, **_kept(live)})


def template_at(template: Object, revision: StoredRevision) -> dict[str, Any]:
    """Return a template at one of its revisions, as it is written back; if it has changed since, it is not.

    Parameters
    ----------
    template
        The template as the API server has it, with ``metadata.resourceVersion``.
    revision
        The revision.
    """
    return {**template, "spec": {**revision.template_spec, **_kept(template["spec"])}}


def _kept(spec: Object) -> dict[str, Any]:
    """Return what of a specification is not part of revisions."""
    return {name: spec[name] for name in sorted(UNREVISIONED) if name in spec}


def _is_readable(template: Object) -> bool:
    """Return whether a template is within the limits, so that it can be compared."""
    return bool(parse_template(template).revision)


def _with_removals(wanted: Mapping[str, Any], live: Mapping[str, Any], applied: Any) -> dict[str, Any]:
    """Return fields with null for those which ``kubectl apply`` would not remove."""
    known = applied if isinstance(applied, Mapping) else {}
    found = dict(wanted)
    for name, value in live.items():
        if name not in wanted:
            if name not in known:
                found[name] = None
        elif isinstance(value, Mapping) and isinstance(wanted[name], Mapping):
            found[name] = _with_removals(wanted[name], value, known.get(name))
    return found


def _last_applied(template: Object) -> Any:
    """Return the specification that ``kubectl apply`` recorded, whose fields it removes by itself."""
    text = (template["metadata"].get("annotations") or {}).get(_LAST_APPLIED)
    if not isinstance(text, str):
        return {}
    try:
        recorded = json.loads(text)
    except ValueError:
        return {}
    return recorded.get("spec") if isinstance(recorded, Mapping) else {}
