"""``AdmissionReview`` (``admission.k8s.io/v1``): parses a request into a change, renders a verdict."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from model_operator.api import GROUP, ObjectMeta
from model_operator.core.admission.change import Change
from model_operator.core.admission.verdict import Verdict
from model_operator.core.values.json_reading import read_json
from model_operator.core.values.json_values import wire_json
from model_operator.kube.resources import TEMPLATE_KINDS, ResourceKind

_API_VERSION = "admission.k8s.io/v1"
_KIND = "AdmissionReview"
_CREATE = "CREATE"
_DELETE = "DELETE"
_JUDGED = frozenset({_CREATE, "UPDATE"})
_UID = re.compile("[0-9A-Za-z-]{1,128}")
_LABEL = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
"""A DNS label (RFC 1123), as Kubernetes requires of namespaces."""
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
"""A DNS subdomain (RFC 1123), as Kubernetes requires of custom resources."""
_MAX_NAME = 253


class MalformedReviewError(ValueError):
    """A body that is not a valid AdmissionReview; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Review:
    """One admission request of the API server.

    Attributes
    ----------
    uid
        Its identity, which the response repeats.
    kind
        Kind of the object.
    namespace
        Namespace of the object; empty for a cluster-scoped one.
    username
        The user who writes.
    change
        The change; None for operations that are never reviewed, such as the delete of an instance.
    """

    uid: str
    kind: str
    namespace: str
    username: str
    change: Change | None


def parse_review(body: bytes, kind: ResourceKind) -> Review:
    """Parse a review, and check that its parts refer to the same object.

    In reviews of the API server they always do: the object's namespace and name are those of the request, and
    so are those of the old object. For any other caller, too, no decision and no request to the API server
    uses a name that Kubernetes would refuse.

    Parameters
    ----------
    body
        The body of the API server's request.
    kind
        The kind that the webhook reviews.

    Raises
    ------
    MalformedReviewError
        It is not a review of that kind. The message quotes nothing of it.
    """
    try:
        review = read_json(body)
    except ValueError as error:
        raise MalformedReviewError("expected JSON, got something else") from error
    review = _object(review, "the body")
    if review.get("apiVersion") != _API_VERSION or review.get("kind") != _KIND:
        raise MalformedReviewError(f"expected an {_KIND} of {_API_VERSION}")
    request = _object(review.get("request"), "request")
    uid = _string(request.get("uid"), "request.uid")
    if not _UID.fullmatch(uid):
        raise MalformedReviewError("request.uid: expected letters, digits and hyphens")
    asked = _object(request.get("kind"), "request.kind")
    if (asked.get("group"), asked.get("kind")) != (kind.group, kind.kind):
        raise MalformedReviewError(f"request.kind: expected {kind.kind} of {kind.group} at this path")
    user = _object(request.get("userInfo"), "request.userInfo").get("username")
    return Review(
        uid=uid,
        kind=kind.kind,
        namespace=_namespace(request, kind),
        username=_string(user, "request.userInfo.username"),
        change=_change(request, kind),
    )


def _namespace(request: Mapping[str, Any], kind: ResourceKind) -> str:
    # Absent for cluster-scoped objects.
    namespace = _string(request.get("namespace", ""), "request.namespace")
    if kind.namespaced and not _NAMESPACE.fullmatch(namespace):
        raise MalformedReviewError("request.namespace: expected a DNS label")
    if namespace and not kind.namespaced:
        raise MalformedReviewError(f"request.namespace: expected none, as {kind.kind} is cluster-scoped")
    return namespace


def _change(request: Mapping[str, Any], kind: ResourceKind) -> Change | None:
    operation = _string(request.get("operation"), "request.operation")
    name = _string(request.get("name", ""), "request.name")
    if name and not _is_name(name):
        raise MalformedReviewError("request.name: expected a DNS subdomain")
    if operation == _DELETE and kind in TEMPLATE_KINDS:
        return _delete(request, kind, name)
    if operation not in _JUDGED:
        return None
    namespace = request.get("namespace", "")
    obj, metadata = _resource(request.get("object"), "request.object", kind, namespace)
    if operation == _CREATE:
        if request.get("oldObject") is not None:
            raise MalformedReviewError("request.oldObject: expected none, as the object is created")
        _check_new_name(name, metadata)
        return Change(obj)
    old, before = _resource(request.get("oldObject"), "request.oldObject", kind, namespace)
    if not name or name != metadata.name:
        raise MalformedReviewError("request.object.metadata.name: expected request.name")
    if name != before.name:
        raise MalformedReviewError("request.oldObject.metadata.name: expected request.name")
    # The new object may lack fields that the server sets: a replace need not repeat the uid.
    if not _UID.fullmatch(before.uid):
        raise MalformedReviewError("request.oldObject.metadata.uid: expected letters, digits and hyphens")
    return Change(obj, old)


def _delete(request: Mapping[str, Any], kind: ResourceKind, name: str) -> Change:
    old, metadata = _resource(
        request.get("oldObject"), "request.oldObject", kind, request.get("namespace", "")
    )
    # Of a collection that is deleted, the request has no name.
    if name and name != metadata.name:
        raise MalformedReviewError("request.oldObject.metadata.name: expected request.name")
    if not _UID.fullmatch(metadata.uid):
        raise MalformedReviewError("request.oldObject.metadata.uid: expected letters, digits and hyphens")
    return Change(old, deletes=True)


def _check_new_name(name: str, metadata: ObjectMeta) -> None:
    """Check the name of a new object: the request's, or one that the server generates from `generateName`."""
    if name:
        if name != metadata.name:
            raise MalformedReviewError("request.object.metadata.name: expected request.name")
        return
    prefix = metadata.generateName
    # The server appends letters and digits: before validating webhooks, but after mutating ones.
    if not prefix or not _is_name(f"{prefix}x"):
        raise MalformedReviewError("request.name: expected the object's name, or generateName in the object")
    if metadata.name and not (metadata.name.startswith(prefix) and _is_name(metadata.name)):
        raise MalformedReviewError("request.object.metadata.name: expected a name made from generateName")


def _is_name(text: str) -> bool:
    return len(text) <= _MAX_NAME and _NAME.fullmatch(text) is not None


def _resource(
    value: Any, where: str, kind: ResourceKind, namespace: str
) -> tuple[dict[str, Any], ObjectMeta]:
    resource = _object(value, where)
    group = _string(resource.get("apiVersion"), f"{where}.apiVersion").rpartition("/")[0]
    if (group, resource.get("kind")) != (kind.group, kind.kind):
        raise MalformedReviewError(f"{where}: expected {kind.kind} of {kind.group} at this path")
    try:
        metadata = ObjectMeta.model_validate(resource.get("metadata"))
    except ValidationError as error:
        raise MalformedReviewError(f"{where}.metadata: expected Kubernetes' ObjectMeta") from error
    if metadata.namespace != namespace:
        raise MalformedReviewError(f"{where}.metadata.namespace: expected request.namespace")
    return resource, metadata


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedReviewError(f"{where}: expected an object")
    return value


def _string(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise MalformedReviewError(f"{where}: expected a string")
    return value


def answer(uid: str, verdict: Verdict) -> bytes:
    """Return the body of the response.

    Parameters
    ----------
    uid
        Of the review.
    verdict
        The decision.
    """
    response: dict[str, Any] = {"uid": uid, "allowed": verdict.allowed}
    if not verdict.allowed:
        response["status"] = _status(verdict)
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    if verdict.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(wire_json(verdict.patch)).decode()
    return wire_json({"apiVersion": _API_VERSION, "kind": _KIND, "response": response})


def _status(verdict: Verdict) -> dict[str, Any]:
    return {
        "status": "Failure",
        "code": int(verdict.code),
        "reason": verdict.reason,
        "message": verdict.message,
        "details": {
            "name": verdict.name,
            "group": GROUP,
            "kind": verdict.kind,
            "causes": [
                {"field": cause.field, "message": cause.message, "reason": cause.reason}
                for cause in verdict.causes
            ],
        },
    }
