"""A change made over REST is refused where Flux or Argo CD would undo it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.gateway.failures import NO_RETRY, Failure, FailureReason
from model_operator.core.objects.gitops_owners import gitops_owner

Object = Mapping[str, Any]


def require_unowned(obj: Object, *, force: bool) -> None:
    """Require that a change of an object would stay.

    Parameters
    ----------
    obj
        The object, read with the caller's own token: the message names its owner.
    force
        Whether the caller makes the change despite an owner.

    Raises
    ------
    Failure
        Conflict, which a client is not to send again: the object has an owner.
    """
    owner = None if force else gitops_owner(obj)
    if owner is None:
        return
    metadata = obj.get("metadata") or {}
    name = "/".join(filter(None, (metadata.get("namespace"), metadata.get("name"))))
    message = (
        f"{obj.get('kind', 'object')} {name} is managed by {owner}, which undoes changes made here. "
        f"Action (user): change or delete it in the source of the {owner.kind}, or send the request with "
        "?force=true."
    )
    raise Failure(FailureReason.CONFLICT, message, headers=NO_RETRY, is_permanent=True)
