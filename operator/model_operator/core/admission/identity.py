"""The creator of an instance or a template: two annotations that are set on create and never change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.api import IdentifierType
from model_operator.core.admission.change import Change
from model_operator.core.admission.verdict import ALLOWED, Verdict
from model_operator.core.objects.kept_form import CREATED_BY_TYPE, CREATED_BY_USER

_SERVICE_ACCOUNT = "system:serviceaccount:"
_KEYS = (CREATED_BY_USER, CREATED_BY_TYPE)


def creator(username: str) -> dict[str, str]:
    """Return the annotations of an object that this user creates.

    Parameters
    ----------
    username
        ``userInfo.username`` of the request; under impersonation, the impersonated user.
    """
    is_service_account = username.startswith(_SERVICE_ACCOUNT)
    kind = IdentifierType.SERVICE_ACCOUNT if is_service_account else IdentifierType.USER
    return {CREATED_BY_USER: username, CREATED_BY_TYPE: kind.value}


def review_creator(change: Change, username: str) -> Verdict:
    """Return the patch that sets or restores the creator annotations of an instance or a template.

    On a create they name the requesting user, whatever the manifest says; a manifest that was copied from
    another object is not denied. On an update they stay as they were, also when the writer replaces the
    whole object or applies a manifest with other values. One that was created without them, while
    the webhook was not installed, stays without them: the user who updates it did not create it.

    Parameters
    ----------
    change
        The write.
    username
        ``userInfo.username`` of the request.
    """
    given = _annotations(change.obj)
    before = None if change.old is None else _annotations(change.old)
    wanted = creator(username) if before is None else {key: before[key] for key in _KEYS if key in before}
    patch: list[Mapping[str, Any]] = []
    for key in _KEYS:
        path = f"/metadata/annotations/{_escape(key)}"
        if key not in wanted and key in given:
            patch.append({"op": "remove", "path": path})
        elif key in wanted and given.get(key) != wanted[key]:
            patch.append({"op": "add", "path": path, "value": wanted[key]})
    if not patch:
        return ALLOWED
    if not change.obj.get("metadata", {}).get("annotations"):
        patch.insert(0, {"op": "add", "path": "/metadata/annotations", "value": {}})
    forged = any(key in given and given[key] != wanted.get(key) for key in _KEYS)
    return Verdict(warnings=(_forged(change),) if forged else (), patch=tuple(patch))


def _forged(change: Change) -> str:
    kept = "the requesting user" if change.old is None else "the user who created it"
    return f"{change.kind} {change.name}: annotations {' and '.join(_KEYS)} are read-only and name {kept}"


def _annotations(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    annotations = obj.get("metadata", {}).get("annotations")
    return annotations if isinstance(annotations, Mapping) else {}


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
