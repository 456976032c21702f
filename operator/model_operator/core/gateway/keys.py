"""API keys as objects of Kubernetes: a ServiceAccount, Roles, and what its token is bound to.

A key is a token of the ServiceAccount for the audience of the gateway, which the API server refuses. Parts
in the namespace of the key have the ServiceAccount as owner, so the garbage collector removes what a failure
leaves; Roles in other namespaces are found by its annotation. Source of the limits: TokenRequest of
authentication.k8s.io/v1.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from model_operator.api.meta import GROUP
from model_operator.core.diagnosis.pod_events import moment
from model_operator.core.gateway.access import EXECUTE, EXECUTE_VERB, RESOURCE
from model_operator.core.inspection.ages import age, parse_duration

API_KEY_LABEL: Final = f"{GROUP}/api-key"
"""Label of each part: the name of the key."""
KEY_NAMESPACE_LABEL: Final = f"{GROUP}/api-key-namespace"
"""Label of each part: the namespace of the key."""
MODELS_ANNOTATION: Final = f"{GROUP}/models"
EXPIRES_ANNOTATION: Final = f"{GROUP}/expires-at"
AUDIENCE_ANNOTATION: Final = f"{GROUP}/audience"
ALL_MODELS: Final = "*"
MIN_SECONDS: Final = 600
MAX_SECONDS: Final = 2**32

_MAX_NAME: Final = 50
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_MODEL_NAME: Final = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_DAYS: Final = re.compile(r"([0-9]{1,6})d(.*)")
_RBAC: Final = "rbac.authorization.k8s.io"
_DAY_SECONDS: Final = 24 * 3600

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Grant:
    """The models of one namespace that a key may execute.

    Attributes
    ----------
    namespace
        Their namespace.
    models
        Their names; none for all models of the namespace, also later ones.
    """

    namespace: str
    models: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ",".join(f"{self.namespace}/{model}" for model in self.models or (ALL_MODELS,))


@dataclass(frozen=True, slots=True)
class Key:
    """An API key.

    Attributes
    ----------
    namespace, name
        Where it is, and its name there.
    grants
        What it may execute, a grant for each namespace.
    audience
        Audience of its token.
    """

    namespace: str
    name: str
    grants: tuple[Grant, ...]
    audience: str

    @property
    def account(self) -> str:
        """Name of its ServiceAccount, and of all its parts in its namespace."""
        return account_name(self.name)

    def role_name(self, namespace: str) -> str:
        """Return the name of its Role and RoleBinding in a namespace; none has a dot in another's name."""
        return role_name(self.namespace, self.name, namespace)


def account_name(key: str) -> str:
    """Return the name of the ServiceAccount of a key."""
    return f"model-key-{key}"


def role_name(key_namespace: str, key: str, namespace: str) -> str:
    """Return the name of the Role and RoleBinding of a key in a namespace."""
    return account_name(key) if namespace == key_namespace else f"model-key-{key_namespace}.{key}"


def checked_name(text: str) -> str:
    """Return the name of a key.

    Raises
    ------
    ValueError
        When no key may have it.
    """
    if len(text) > _MAX_NAME or not _NAME.fullmatch(text):
        raise ValueError(
            f"must have at most {_MAX_NAME} lower-case letters, digits and hyphens, and begin and end with a "
            f"letter or digit, got {text!r}"
        )
    return text


def checked_models(models: Sequence[str], namespace: str) -> tuple[Grant, ...]:
    """Return what a key for the given models may execute.

    Parameters
    ----------
    models
        Names, each with or without its namespace before a slash; none for all of the namespace of the key.
    namespace
        Namespace of the key.

    Raises
    ------
    ValueError
        When one is no name of a model.
    """
    if not models:
        return (Grant(namespace),)
    names: dict[str, dict[str, None]] = {}
    for model in models:
        where, slash, name = model.rpartition("/")
        if not _MODEL_NAME.fullmatch(name) or (slash and not _NAME.fullmatch(where)):
            raise ValueError(f"must be the name of a model, NAME or NAMESPACE/NAME, got {model!r}")
        names.setdefault(where or namespace, {})[name] = None
    return tuple(Grant(where, tuple(found)) for where, found in names.items())


def lifetime(text: str) -> int:
    """Return the seconds of a duration such as ``90d``, ``12h`` or ``1d12h``.

    Raises
    ------
    ValueError
        When the text is no duration, or the API server accepts no token of it.
    """
    days = _DAYS.fullmatch(text)
    try:
        seconds = int(days[1]) * _DAY_SECONDS if days else 0
        rest = days[2] if days else text
        seconds += int(parse_duration(rest)) if rest or not days else 0
    except ValueError:
        raise ValueError(f"must be a duration such as 90d, 12h or 30m, got {text!r}") from None
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise ValueError(f"must be from 10m to {MAX_SECONDS // _DAY_SECONDS}d, got {text!r}")
    return seconds


def service_account(key: Key) -> dict[str, Any]:
    """Return the ServiceAccount of a key: the user that the gateway sees."""
    annotations = {MODELS_ANNOTATION: ",".join(map(str, key.grants)), AUDIENCE_ANNOTATION: key.audience}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(key, key.namespace, key.account) | {"annotations": annotations},
        # It is for no pod.
        "automountServiceAccountToken": False,
    }


def secret(key: Key, owner: Object) -> dict[str, Any]:
    """Return the Secret that the token is bound to, without data: deleting it revokes the token."""
    metadata = _metadata(key, key.namespace, key.account) | {"ownerReferences": [_owner(owner)]}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque"}


def role(key: Key, grant: Grant, owner: Object) -> dict[str, Any]:
    """Return the Role of a grant."""
    rule: dict[str, Any] = {
        "apiGroups": [GROUP],
        "resources": [f"{RESOURCE}/{EXECUTE}"],
        "verbs": [EXECUTE_VERB],
    }
    if grant.models:
        rule["resourceNames"] = list(grant.models)
    metadata = _granted(key, grant, owner)
    return {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]}


def role_binding(key: Key, grant: Grant, owner: Object) -> dict[str, Any]:
    """Return the RoleBinding of a grant."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": _granted(key, grant, owner),
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": key.role_name(grant.namespace)},
        "subjects": [{"kind": "ServiceAccount", "name": key.account, "namespace": key.namespace}],
    }


def token_request(key: Key, seconds: int, bound: Object) -> dict[str, Any]:
    """Return ``spec`` of the TokenRequest of a key.

    Parameters
    ----------
    key
        The key.
    seconds
        Its lifetime; the cluster may shorten it.
    bound
        Its Secret, as it was created.
    """
    return {
        "audiences": [key.audience],
        "expirationSeconds": seconds,
        "boundObjectRef": {
            "apiVersion": "v1",
            "kind": "Secret",
            "name": bound["metadata"]["name"],
            "uid": bound["metadata"]["uid"],
        },
    }


def is_part(obj: Object, key_namespace: str, key: str) -> bool:
    """Return whether an object is a part of a key."""
    labels = obj["metadata"].get("labels") or {}
    return labels.get(API_KEY_LABEL) == key and labels.get(KEY_NAMESPACE_LABEL) == key_namespace


def granted_namespaces(account: Object) -> list[str]:
    """Return the namespaces in which the key of a ServiceAccount has Roles, its own included."""
    own = str(account["metadata"]["namespace"])
    models = (_annotations(account).get(MODELS_ANNOTATION) or "").split(",")
    found = {own, *(model.partition("/")[0] for model in models)}
    return sorted(each for each in found if _NAME.fullmatch(each))


def key_facts(account: Object, *, is_revoked: bool) -> dict[str, Any]:
    """Return what is known of a key: for programs.

    Parameters
    ----------
    account
        Its ServiceAccount.
    is_revoked
        Whether its Secret is known to be gone.
    """
    metadata, annotations = account["metadata"], _annotations(account)
    return {
        "namespace": metadata["namespace"],
        "name": metadata["labels"][API_KEY_LABEL],
        "models": [each for each in (annotations.get(MODELS_ANNOTATION) or "").split(",") if each],
        "audience": annotations.get(AUDIENCE_ANNOTATION),
        "created_at": metadata.get("creationTimestamp"),
        "expires_at": annotations.get(EXPIRES_ANNOTATION),
        "revoked": is_revoked,
        "service_account": metadata["name"],
    }


def key_rows(keys: Iterable[Mapping[str, Any]], now: datetime.datetime) -> list[tuple[str, ...]]:
    """Return the rows of a table of keys: namespace, name, models, when it expires, age.

    Parameters
    ----------
    keys
        As `key_facts` returns them.
    now
        The current time.
    """
    return [
        (
            each["namespace"],
            each["name"],
            ",".join(each["models"]) or "<none>",
            _expiry(each, now),
            age(each["created_at"], now),
        )
        for each in keys
    ]


def _expiry(key: Mapping[str, Any], now: datetime.datetime) -> str:
    if key["revoked"]:
        return "revoked"
    if not key["expires_at"]:
        # Its creation failed, or goes on.
        return "<unknown>"
    end = moment(key["expires_at"])
    if end.tzinfo is None:
        return "<unknown>"
    if end <= now:
        return "expired"
    started = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"in {age(started, end)}"


def _annotations(obj: Object) -> Mapping[str, str]:
    return obj["metadata"].get("annotations") or {}


def _metadata(key: Key, namespace: str, name: str) -> dict[str, Any]:
    labels = {API_KEY_LABEL: key.name, KEY_NAMESPACE_LABEL: key.namespace}
    return {"name": name, "namespace": namespace, "labels": labels}


def _granted(key: Key, grant: Grant, owner: Object) -> dict[str, Any]:
    metadata = _metadata(key, grant.namespace, key.role_name(grant.namespace))
    # An owner of another namespace would have the garbage collector delete the object.
    return metadata | ({"ownerReferences": [_owner(owner)]} if grant.namespace == key.namespace else {})


def _owner(account: Object) -> dict[str, Any]:
    metadata = account["metadata"]
    return {"apiVersion": "v1", "kind": "ServiceAccount", "name": metadata["name"], "uid": metadata["uid"]}
