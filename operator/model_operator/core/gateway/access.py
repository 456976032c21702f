"""Who calls the gateway, and what the caller may do: what Kubernetes is asked, and what it says.

A key is a Kubernetes bearer token, of a ServiceAccount or of any other authenticator of the API server. A
TokenReview says whose it is, a SubjectAccessReview whether that user may ``create``
``modelinstances/execute``. Sources: the Kubernetes API reference (authentication.k8s.io/v1,
authorization.k8s.io/v1), RFC 6750 for the form of a bearer token, RFC 7519 for its claims.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from model_operator.api.meta import GROUP
from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.core.gateway.rest.entries import HEADER, Entry
from model_operator.core.values.json_reading import read_json
from model_operator.core.values.json_values import wire_json

DEFAULT_AUDIENCE: Final = GROUP
"""Audience of keys that are for the gateway alone."""
MAX_KEY_BYTES: Final = 16 * 1024
EXECUTE: Final = "execute"
"""The virtual subresource of ModelInstances that stands for calls to the model."""
EXECUTE_VERB: Final = "create"
RESOURCE: Final = "modelinstances"

_SCHEME: Final = "bearer"
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""``b64token`` of RFC 6750."""
_JWT_PARTS: Final = 3
_BLANKS: Final = " \t"
_SEND_ONE: Final = "Action (user): send one key, as `Authorization: Bearer KEY` or as `x-api-key: KEY`."


@dataclass(frozen=True, slots=True)
class Action:
    """What a caller may or may not do with objects of our group.

    Attributes
    ----------
    verb, resource, subresource
        As in ``resourceAttributes`` of a SubjectAccessReview.
    """

    verb: str
    resource: str = RESOURCE
    subresource: str = ""


EXECUTE_MODELS: Final = Action(EXECUTE_VERB, RESOURCE, EXECUTE)
LIST_MODELS: Final = Action("list")
CREATE_MODELS: Final = Action("create")
LIST_TEMPLATES: Final = Action("list", "modeltemplates")
CREATE_TEMPLATES: Final = Action("create", "modeltemplates")
LIST_CLUSTER_TEMPLATES: Final = Action("list", "clustermodeltemplates")
DELETE_TEMPLATES: Final = Action("delete", "modeltemplates")
DELETE_CLUSTER_TEMPLATES: Final = Action("delete", "clustermodeltemplates")


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated user, as TokenReview describes it.

    Attributes
    ----------
    username, uid, groups, extra
        As in ``status.user`` of the review.
    key
        Keyed hash of all of them; callers with the same one have the same permissions.
    """

    username: str
    uid: str = field(repr=False)
    groups: tuple[str, ...] = field(repr=False)
    extra: Mapping[str, tuple[str, ...]] = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says of itself, unverified: it may only shorten a life, and choose the question.

    Attributes
    ----------
    expires
        ``exp``, in seconds since 1970; infinite if there is none.
    audiences
        ``aud``.
    """

    expires: float = math.inf
    audiences: tuple[str, ...] = ()


def key_of(authorization: Sequence[str], api_key: Sequence[str]) -> str:
    """Return the key of a request.

    Parameters
    ----------
    authorization, api_key
        All values of the headers ``Authorization`` and ``x-api-key``.

    Raises
    ------
    Failure
        ``INVALID_REQUEST`` for several keys that differ, ``UNAUTHENTICATED`` for none, another scheme than
        ``Bearer``, or a key that no token can be.
    """
    keys = {value.strip(_BLANKS) for value in api_key}
    for value in authorization:
        scheme, _, key = value.strip(_BLANKS).partition(" ")
        if scheme.lower() != _SCHEME:
            raise _unauthenticated("header Authorization: expected the scheme Bearer, got another one")
        keys.add(key.strip(_BLANKS))
    if not keys:
        raise _unauthenticated("the request has no key")
    if len(keys) > 1:
        message = f"the request has {len(keys)} keys that differ. {_SEND_ONE}"
        entry = Entry((HEADER, "x-api-key" if api_key else "authorization"), message, "invalid_request")
        raise Failure(FailureReason.INVALID_REQUEST, message, entries=(entry,))
    (key,) = keys
    if len(key) > MAX_KEY_BYTES:
        raise _unauthenticated(f"the key has more than {MAX_KEY_BYTES} bytes")
    if not _TOKEN.fullmatch(key):
        raise _unauthenticated("the key is empty or has characters that no token has")
    return key


def claims_of(key: str) -> Claims:
    """Return the claims of a key that is a JSON Web Token; no claims for any other key."""
    parts = key.split(".")
    if len(parts) != _JWT_PARTS:
        return Claims()
    try:
        claims = read_json(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return Claims()
    if not isinstance(claims, dict):
        return Claims()
    expires, audiences = claims.get("exp"), claims.get("aud")
    if not isinstance(expires, int | float) or isinstance(expires, bool):
        expires = math.inf
    given = [audiences] if isinstance(audiences, str) else audiences if isinstance(audiences, list) else []
    return Claims(expires, tuple(each for each in given if isinstance(each, str)))


def digest(secret: bytes, key: str) -> bytes:
    """Return what a key is remembered by; the secret of the process keeps the key from being guessed."""
    return hmac.digest(secret, key.encode(), "sha256")


def asked_audiences(claims: Claims, audience: str) -> list[str]:
    """Return ``spec.audiences`` of the review of a key.

    A key for the gateway is reviewed for the gateway's audience. Any other is reviewed for those of the API
    server, which it alone knows: by default, ``[]``. What a key claims decides the question only; the API
    server compares the answer with the signed claims.

    Parameters
    ----------
    claims
        Claims of the key.
    audience
        The gateway's.
    """
    return [audience] if audience in claims.audiences else []


def token_review(key: str, audiences: Sequence[str]) -> dict[str, Any]:
    """Return ``spec`` of the TokenReview of a key."""
    return {"token": key, "audiences": list(audiences)} if audiences else {"token": key}


def caller_of(status: Mapping[str, Any], audiences: Sequence[str], secret: bytes) -> Caller | None:
    """Return the user of a key, or None when it is not valid.

    Parameters
    ----------
    status
        ``status`` of the TokenReview.
    audiences
        ``spec.audiences`` of it. An API server that does not know audiences leaves out those of the answer:
        then the key is not meant for the gateway.
    secret
        Secret of the process.
    """
    if status.get("authenticated") is not True:
        return None
    if audiences and not set(audiences) & set(status.get("audiences") or ()):
        return None
    user = status.get("user") or {}
    username, uid = str(user.get("username") or ""), str(user.get("uid") or "")
    groups = tuple(map(str, user.get("groups") or ()))
    extra = {name: tuple(map(str, values)) for name, values in sorted((user.get("extra") or {}).items())}
    if not username:
        return None
    return Caller(
        username,
        uid,
        groups,
        extra,
        hmac.digest(secret, wire_json([username, uid, groups, extra]), "sha256"),
    )


def access_review(
    caller: Caller, namespace: str, name: str, action: Action = EXECUTE_MODELS
) -> dict[str, Any]:
    """Return ``spec`` of the SubjectAccessReview of an action.

    Parameters
    ----------
    caller
        Who calls.
    action
        What the caller wants to do.
    namespace, name
        The object. Without a name, all of the namespace; without a namespace, all of the cluster.
    """
    return {
        "user": caller.username,
        "uid": caller.uid,
        "groups": list(caller.groups),
        "extra": {name: list(values) for name, values in caller.extra.items()},
        "resourceAttributes": {
            "verb": action.verb,
            "group": GROUP,
            "resource": action.resource,
            "subresource": action.subresource,
            "namespace": namespace,
            "name": name,
        },
    }


def is_allowed(status: Mapping[str, Any]) -> bool:
    """Return whether the ``status`` of a SubjectAccessReview allows the call."""
    return status.get("allowed") is True and status.get("denied") is not True


def decision_key(caller: Caller, namespace: str, name: str, action: Action = EXECUTE_MODELS) -> bytes:
    """Return what a decision is remembered by; no part of it has a slash."""
    text = f"{namespace}/{name}/{action.verb}/{action.resource}/{action.subresource}"
    return caller.key + text.encode()


def refused() -> Failure:
    """Return the failure of a key that the API server does not accept."""
    return _unauthenticated("the cluster does not accept the key: it is wrong, expired or revoked")


def expired() -> Failure:
    """Return the failure of a key whose time is over by its own claim."""
    return _unauthenticated("the key has expired")


def unavailable() -> Failure:
    """Return the failure of a call that cannot be decided on now."""
    return Failure(
        FailureReason.AUTHENTICATION_UNAVAILABLE,
        "the API server of the cluster does not respond, and the gateway has not accepted this key for this "
        "model in the last minutes. Action (cluster administrator): check the API server; the client may "
        "retry.",
    )


def too_many() -> Failure:
    """Return the failure of an unknown key while too many of them arrive."""
    return Failure(
        FailureReason.GATEWAY_BUSY,
        "too many requests with unknown keys are waiting for the API server. Action (user): retry later.",
    )


def calls_only() -> Failure:
    """Return the failure of a control request whose key is for calls to models alone."""
    return Failure(
        FailureReason.FORBIDDEN,
        "this key is for calls to models alone, and the API server of the cluster does not accept it. Action "
        "(user): use a token of the cluster, such as that of `kubectl create token SERVICE_ACCOUNT`.",
    )


def _unauthenticated(what: str) -> Failure:
    return Failure(FailureReason.UNAUTHENTICATED, f"{what}. {_SEND_ONE}")
