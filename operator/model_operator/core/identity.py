"""Who created an instance, as the admission webhook recorded it in two annotations."""

from __future__ import annotations

from collections.abc import Mapping

from model_operator.api import GROUP, IdentifierType

CREATED_BY_USER = f"{GROUP}/created-by-user-id"
CREATED_BY_TYPE = f"{GROUP}/created-by-identity-type"
_TYPES = frozenset(kind.value for kind in IdentifierType)


def created_by(annotations: Mapping[str, str]) -> dict[str, str]:
    """Return ``created_by_user_id`` and ``created_by_identity_type`` of the status, if they are known.

    Parameters
    ----------
    annotations
        ``metadata.annotations`` of the instance. Where no webhook keeps them, anybody may write
        anything there; a type that the API does not know is left out.
    """
    identity_type = annotations.get(CREATED_BY_TYPE)
    known = {
        "created_by_user_id": annotations.get(CREATED_BY_USER),
        "created_by_identity_type": identity_type if identity_type in _TYPES else None,
    }
    return {key: value for key, value in known.items() if value}
