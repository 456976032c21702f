"""``AdmissionReview`` (``admission.k8s.io/v1``): from a request's body to a change, back from a verdict."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from model_operator.api import GROUP, ObjectMeta
from model_operator.core.admission.change import Change
from model_operator.core.admission.verdict import Verdict
from model_operator.core.json_reading import read_json

_API_VERSION = "admission.k8s.io/v1"
_KIND = "AdmissionReview"
_JUDGED = frozenset({"CREATE", "UPDATE"})


class MalformedReviewError(ValueError):
    """A body that is no AdmissionReview; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Review:
    """One question of the API server.

    Attributes
    ----------
    uid
        Its identity, to be repeated in the answer.
    kind
        Kind of the object; empty when the request says none.
    namespace
        Namespace of the object; empty for a cluster-scoped one.
    username
        Who writes.
    change
        What is written; None for operations that are never judged, such as DELETE.
    """

    uid: str
    kind: str
    namespace: str
    username: str
    change: Change | None


def parse_review(body: bytes) -> Review:
    """Read a review.

    Parameters
    ----------
    body
        The body of the API server's request.

    Raises
    ------
    MalformedReviewError
        It is no review that could be answered. Nothing of it is repeated in the message.
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
    kind = _object(request.get("kind"), "request.kind").get("kind")
    user = _object(request.get("userInfo"), "request.userInfo").get("username")
    return Review(
        uid=uid,
        kind=_string(kind, "request.kind.kind"),
        # Left out for what is cluster-scoped.
        namespace=_string(request.get("namespace", ""), "request.namespace"),
        username=_string(user, "request.userInfo.username"),
        change=_change(request),
    )


def _change(request: Mapping[str, Any]) -> Change | None:
    if _string(request.get("operation"), "request.operation") not in _JUDGED:
        return None
    obj, _ = _resource(request.get("object"), "request.object")
    if request.get("oldObject") is None:
        return Change(obj)
    # The new object may still lack what the server fills in: who replaces an object need not repeat its uid.
    old, metadata = _resource(request["oldObject"], "request.oldObject")
    if not (metadata.name and metadata.uid):
        raise MalformedReviewError("request.oldObject.metadata: expected name and uid")
    return Change(obj, old)


def _resource(value: Any, where: str) -> tuple[dict[str, Any], ObjectMeta]:
    resource = _object(value, where)
    try:
        metadata = ObjectMeta.model_validate(resource.get("metadata"))
    except ValidationError as error:
        raise MalformedReviewError(f"{where}.metadata: expected Kubernetes' ObjectMeta") from error
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
    """Return the body of the answer.

    Parameters
    ----------
    uid
        The review's.
    verdict
        What was decided.
    """
    response: dict[str, Any] = {"uid": uid, "allowed": verdict.allowed}
    if not verdict.allowed:
        response["status"] = _status(verdict)
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    if verdict.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(orjson.dumps(verdict.patch)).decode()
    return orjson.dumps({"apiVersion": _API_VERSION, "kind": _KIND, "response": response})


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
            "causes": [asdict(cause) for cause in verdict.causes],
        },
    }
