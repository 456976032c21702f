"""Whether a request to create what exists already is a repeat of the request that created it.

The platform's client sends a POST again after a timeout, a lost connection or a status of 5xx, and sends no
Idempotency-Key of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from model_operator.core.objects.kept_form import IDEMPOTENCY_KEY
from model_operator.core.status.created_by import created_by
from model_operator.core.values.json_values import canonical_copy, is_same_json

Object = dict[str, Any]

FRESH: Final = timedelta(minutes=2)
"""Age up to which a request like the first one is taken for its repeat: the client's three attempts, at its
timeout of 60 seconds each, begin within it."""


def with_idempotency_key(wanted: Object, idempotency_key: str) -> Object:
    """Return an object that is about to be created, with its request's key recorded.

    Parameters
    ----------
    wanted
        The object.
    idempotency_key
        Header ``Idempotency-Key``; empty without one.
    """
    if not idempotency_key:
        return wanted
    metadata = wanted["metadata"]
    annotations = {**metadata.get("annotations", {}), IDEMPOTENCY_KEY: _digest(idempotency_key)}
    return {**wanted, "metadata": {**metadata, "annotations": annotations}}


def is_repeat(
    existing: Object, wanted: Object, username: str, retry_count: int, idempotency_key: str, now: datetime
) -> bool:
    """Return whether an existing object is what this request created when it was sent before.

    It is, if it has the same specification and the same creator, is not being deleted, and either has the
    request's key, or has no other one and the request is marked as sent again or the object is new.

    Parameters
    ----------
    existing
        The object that has the name.
    wanted
        The object that the request would create.
    username
        Name of the caller at the API server.
    retry_count
        Header ``x-stainless-retry-count``: the number of attempts before this one.
    idempotency_key
        Header ``Idempotency-Key``; empty without one.
    now
        Time of the request, with its zone.
    """
    metadata = existing["metadata"]
    if metadata.get("deletionTimestamp") or not _has_creator(existing, username):
        return False
    if not is_same_json(canonical_copy(existing.get("spec")), canonical_copy(wanted.get("spec"))):
        return False
    recorded = _annotations(existing).get(IDEMPOTENCY_KEY)
    if idempotency_key and recorded:
        return bool(recorded == _digest(idempotency_key))
    return retry_count > 0 or _is_fresh(metadata.get("creationTimestamp"), now)


def _has_creator(existing: Object, username: str) -> bool:
    status = existing.get("status")
    known = created_by(_annotations(existing), status if isinstance(status, Mapping) else {})
    return known.get("created_by_user_id") == username


def _annotations(obj: Object) -> Mapping[str, str]:
    return obj["metadata"].get("annotations") or {}


def _is_fresh(timestamp: Any, now: datetime) -> bool:
    try:
        created = datetime.fromisoformat(str(timestamp))
    except ValueError:
        return False
    if created.tzinfo is None:
        created = created.replace(tzinfo=UTC)
    return now - created < FRESH


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
