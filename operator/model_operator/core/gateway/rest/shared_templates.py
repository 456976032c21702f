"""Templates of other namespaces in the platform's API, where ``model_template_id`` is all that names one.

A ModelTemplate of another namespace is named by its uid, or by ``namespace/name``. The ModelInstance names
that namespace, as the operator looks for a template in no other one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from model_operator.core.templates.resolution import TemplateLookup, is_shared_with
from model_operator.core.templates.sharing import Sharing

Object = dict[str, Any]

_TEMPLATE: Final = "model_template_id"
_KIND: Final = "model_template_kind"
_NAMESPACE: Final = "model_template_namespace"
_NAME: Final = re.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_UID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def may_be_namespace(text: str) -> bool:
    """Return whether a text may be the name of a namespace (RFC 1123)."""
    return _NAME.fullmatch(text) is not None


def stated_template(spec: Mapping[str, Any]) -> Any:
    """Return the template of a specification as ``model_template_id`` of an answer; None without one.

    Parameters
    ----------
    spec
        ``spec`` of a ModelInstance.
    """
    wanted, home = spec.get(_TEMPLATE), spec.get(_NAMESPACE)
    return stated_name(wanted, home) if isinstance(wanted, str) and isinstance(home, str) else wanted


def stated_name(wanted: str, home: str) -> str:
    """Return a template as an answer names it: after its namespace if it is another one, unless by its uid.

    Parameters
    ----------
    wanted
        ``spec.model_template_id``.
    home
        ``spec.model_template_namespace``; empty without it.
    """
    return f"{home}/{wanted}" if home and not _UID.fullmatch(wanted) else wanted


def with_template_namespace(instance: Object, templates: TemplateLookup) -> Object:
    """Return an instance with the namespace of its template, if it names a shared one of another by its uid.

    One that is not shared with the namespace of the instance stays as it is, like one that does not exist: it
    is not found.

    Parameters
    ----------
    instance
        A ModelInstance that is about to be written.
    templates
        The templates that the gateway knows.
    """
    spec, own = instance["spec"], instance["metadata"]["namespace"]
    wanted = spec.get(_TEMPLATE)
    found = None if not wanted or spec.get(_NAMESPACE) else templates.by_uid(wanted)
    home = "" if found is None else found.resource.metadata.namespace
    if found is None or home in ("", own):
        return instance
    if is_shared_with(found, own, templates.labels_of(own)) is not Sharing.SHARED:
        return instance
    return {**instance, "spec": {**spec, _KIND: "ModelTemplate", _NAMESPACE: home}}
