"""What a refusal by the API server means for the instance: from HTTP code and Status object to a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from model_operator.core.reasons import Reason

_MAX_MESSAGE = 1000
_DEFAULT_RETRY_LIMIT = 300.0
_RETRY_LIMITS = {Reason.Deploying: 15.0, Reason.OperatorForbidden: 60.0, Reason.QuotaExceeded: 60.0}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the wanted state could not be written.

    Attributes
    ----------
    reason
        The reason to report.
    detail
        A deterministic sentence: what was attempted and what was answered.
    """

    reason: Reason
    detail: str

    @property
    def retry_limit(self) -> float:
        """Longest time in seconds until the write is tried again; it starts much shorter."""
        return _RETRY_LIMITS.get(self.reason, _DEFAULT_RETRY_LIMIT)


def explain_refusal(code: int, status: Mapping[str, Any], attempt: str) -> Failure:
    """Return what a refused write means.

    Parameters
    ----------
    code
        HTTP status code of the answer; 0 when there was none.
    status
        The body, a ``v1.Status``; its ``message`` is quoted.
    attempt
        What was attempted, for example ``apply Deployment demo``.

    Notes
    -----
    A 500 that says "failed to create typed patch object" is a refusal of the object, not a fault of
    the server: server-side apply answers so when a field has the wrong type.
    """
    message = str(status.get("message", ""))[:_MAX_MESSAGE]
    detail = f"Cannot {attempt}: {message}." if message else f"Cannot {attempt}: HTTP {code}."
    if is_quota(code, status):
        return Failure(Reason.QuotaExceeded, detail)
    if code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY) or (
        code == HTTPStatus.INTERNAL_SERVER_ERROR and "failed to create typed patch object" in message
    ):
        return Failure(Reason.DeploymentRejected, detail)
    # Webhooks and admission policies: what they refuse is the object, not the operator.
    if code == HTTPStatus.FORBIDDEN and ("denied the request" in message or "denied request" in message):
        return Failure(Reason.DeploymentRejected, detail)
    if code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return Failure(Reason.OperatorForbidden, detail)
    answer = f"HTTP {code}" if code else "no answer"
    return Failure(Reason.Deploying, f"Cannot {attempt} for the moment ({answer}); trying again.")


def is_quota(code: int, status: Mapping[str, Any]) -> bool:
    """Tell whether a refusal comes from a ResourceQuota: a plain 403 but for its text."""
    return code == HTTPStatus.FORBIDDEN and "exceeded quota" in str(status.get("message", ""))


def is_namespace_terminating(code: int, status: Mapping[str, Any]) -> bool:
    """Tell whether a refusal says that the namespace is going away, so that nothing is left to do."""
    causes = (status.get("details") or {}).get("causes") or []
    return code == HTTPStatus.FORBIDDEN and any(
        cause.get("reason") == "NamespaceTerminating" for cause in causes
    )
