"""The reason of a rejected write, from the HTTP code and the Status object of the API server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from model_operator.core.reasons.reasons import Reason

_MAX_MESSAGE = 1000
_MALFORMED = ("failed to create typed patch object", "failed to convert new object")
_PREAMBLE = re.compile(r"failed to create typed patch object \([^)]*\): (errors: )?")
_FAILED_WEBHOOK = re.compile(r'failed calling webhook "[^"]{1,253}"')
_DENIED = re.compile(r"denied (the )?request")
_PASSING_CODES = frozenset(
    {
        HTTPStatus.NOT_FOUND,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.CONFLICT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
_NO_SCALE_TO_ZERO = (
    "min_workers 0 with an autoscaler needs Kubernetes 1.37, or the feature gate HPAScaleToZero in the API "
    "server and the controller manager. Set min_workers to 1, or autoscaler to EXTERNAL."
)
_DEFAULT_RETRY_LIMIT = 300.0
_RETRY_LIMITS = {Reason.Deploying: 15.0, Reason.OperatorForbidden: 60.0, Reason.QuotaExceeded: 60.0}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the desired state could not be written.

    Attributes
    ----------
    reason
        The reason to report.
    detail
        A deterministic sentence: what was attempted and what was answered.
    obstacle
        ``metadata.uid`` of the object that blocks the write; empty where none does.
    """

    reason: Reason
    detail: str
    obstacle: str = ""

    @property
    def retry_limit(self) -> float:
        """Longest time in seconds until the write is retried; the first retries come sooner."""
        return _RETRY_LIMITS.get(self.reason, _DEFAULT_RETRY_LIMIT)


def explain_refusal(code: int, status: Mapping[str, Any], attempt: str) -> Failure:
    """Return the meaning of a rejected write.

    Parameters
    ----------
    code
        HTTP status code of the answer; 0 when there was none.
    status
        The body, a ``v1.Status``; its ``message`` is quoted.
    attempt
        What was attempted, for example ``apply Deployment demo``.

    """
    message = _PREAMBLE.sub("", " ".join(str(status.get("message", "")).split()))
    message = message if len(message) <= _MAX_MESSAGE else f"{message[:_MAX_MESSAGE]}…"
    detail = f"Cannot {attempt}: {message}." if message else f"Cannot {attempt}: HTTP {code}."
    if _is_zero_minimum(code, status):
        return Failure(Reason.DeploymentRejected, f"Cannot {attempt}: {_NO_SCALE_TO_ZERO}")
    if is_quota(code, status):
        return Failure(Reason.QuotaExceeded, detail)
    if is_malformed(code, status) or is_denied(status):
        return Failure(Reason.DeploymentRejected, detail)
    if code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Failure(Reason.OperatorForbidden, detail)
    if HTTPStatus.BAD_REQUEST <= code < HTTPStatus.INTERNAL_SERVER_ERROR and code not in _PASSING_CODES:
        return Failure(Reason.DeploymentRejected, detail)
    webhook = _FAILED_WEBHOOK.search(message)
    answer = webhook[0] if webhook else f"HTTP {code}" if code else "no answer"
    return Failure(Reason.Deploying, f"Cannot {attempt} at the moment ({answer}); retrying.")


def _is_zero_minimum(code: int, status: Mapping[str, Any]) -> bool:
    """Return whether the API server refuses an autoscaler with a minimum of zero workers.

    It does without the feature gate HPAScaleToZero, which is off by default before Kubernetes 1.37. The
    operator renders no other value that the field does not take.
    """
    details = status.get("details") or {}
    return (
        code == HTTPStatus.UNPROCESSABLE_ENTITY
        and details.get("kind") == "HorizontalPodAutoscaler"
        and any(cause.get("field") == "spec.minReplicas" for cause in details.get("causes") or ())
    )


def is_malformed(code: int, status: Mapping[str, Any]) -> bool:
    """Return whether a 500 rejects the object and is not a fault of the server.

    Server-side apply answers so when a field is unknown or has the wrong type, and for an invalid quantity.
    """
    message = str(status.get("message", ""))
    return code == HTTPStatus.INTERNAL_SERVER_ERROR and any(text in message for text in _MALFORMED)


def is_denied(status: Mapping[str, Any]) -> bool:
    """Return whether a webhook or an admission policy rejects the object: a webhook may choose any code."""
    return bool(_DENIED.search(str(status.get("message", ""))))


def is_quota(code: int, status: Mapping[str, Any]) -> bool:
    """Return whether a rejection comes from a ResourceQuota: only its text differs from any other 403."""
    return code == HTTPStatus.FORBIDDEN and "exceeded quota" in str(status.get("message", ""))


def is_object_missing(status: Mapping[str, Any], name: str) -> bool:
    """Return whether a 404 is about the object of that name.

    A server that is starting, or without the CRD, answers 404, too, and knows nothing about the object.
    """
    return status.get("reason") == "NotFound" and (status.get("details") or {}).get("name") == name


def is_namespace_terminating(code: int, status: Mapping[str, Any]) -> bool:
    """Return whether a write was rejected because the namespace is terminating."""
    causes = (status.get("details") or {}).get("causes") or []
    return code == HTTPStatus.FORBIDDEN and any(
        cause.get("reason") == "NamespaceTerminating" for cause in causes
    )
