"""Who created an instance, as the admission webhook recorded it in two annotations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.api import IdentifierType
from model_operator.core.objects.kept_form import CREATED_BY_TYPE, CREATED_BY_USER

_USER_FIELD, _TYPE_FIELD = "created_by_user_id", "created_by_identity_type"
_TYPES = frozenset(kind.value for kind in IdentifierType)


def created_by(annotations: Mapping[str, str], reported: Mapping[str, Any]) -> dict[str, str]:
    """Return ``created_by_user_id`` and ``created_by_identity_type`` of the status, if they are known.

    Parameters
    ----------
    annotations
        ``metadata.annotations`` of the instance. Where no webhook protects them, any user may write
        anything there; a type that the API does not know is left out.
    reported
        The status so far. The creator that it names stays, both fields of it, whatever the annotations say
        later: who created an instance does not change.
    """
    if reported.get(_USER_FIELD):
        return {field: reported[field] for field in (_USER_FIELD, _TYPE_FIELD) if reported.get(field)}
    identity_type = annotations.get(CREATED_BY_TYPE)
    known = {
        _USER_FIELD: annotations.get(CREATED_BY_USER),
        _TYPE_FIELD: identity_type if identity_type in _TYPES else None,
    }
    return {key: value for key, value in known.items() if value}
