"""Errors of the Kubernetes client, of the start, and of leader election.

.. code-block:: text

    Exception
    ├── StartupError            the operator cannot start; one line for the operator administrator
    ├── LeadershipLostError     this replica must not write any more, as another may lead; the process exits
    └── ApiError                a request to the API server failed
        ├── ApiUnavailableError     no response, 429 or 5xx: the same request may succeed later
        └── ApiRefusedError         the API server rejected the request
            ├── NotFoundError           404
            ├── ConflictError           409
            └── ForbiddenError          401, 403, and a denial by admission with any code
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.reasons.refusals import is_denied, is_malformed

_UNAVAILABLE_CODES = frozenset({429, 500, 502, 503, 504})


class StartupError(Exception):
    """The operator cannot start; the message says what is missing and what to do."""


class LeadershipLostError(Exception):
    """We do not hold the Lease, and another replica may; it is no ApiError, so that it is never retried."""


class ApiError(Exception):
    """A request to the API server failed.

    Attributes
    ----------
    code
        HTTP status code; 0 without a response.
    status
        The ``v1.Status`` of the response; empty without one.
    retry_after
        Header ``Retry-After`` of the response; empty without one.
    """

    def __init__(self, code: int, status: Mapping[str, Any], attempt: str, retry_after: str = "") -> None:
        self.code = code
        self.status = status
        self.retry_after = retry_after
        super().__init__(f"{attempt}: {status.get('message') or f'HTTP {code}'}")


class ApiUnavailableError(ApiError):
    """No response, or one that says "not now"."""


class ApiRefusedError(ApiError):
    """The server refuses the request."""


class NotFoundError(ApiRefusedError):
    """The object or the kind does not exist."""


class ConflictError(ApiRefusedError):
    """Another manager owns a field, or the object has another uid or version than the request names."""


class ForbiddenError(ApiRefusedError):
    """The operator lacks the permission, or admission denied the request."""


_REFUSALS: dict[int, type[ApiRefusedError]] = {
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
}


def error_for(code: int, status: Mapping[str, Any], attempt: str, retry_after: str = "") -> ApiError:
    """Return the error for a response of the API server.

    Parameters
    ----------
    code
        HTTP status code, 400 or more.
    status
        The body, a ``v1.Status`` where the server sent one.
    attempt
        Method and path of the request.
    retry_after
        Header ``Retry-After`` of the response; a server with too many requests sends it, and no Status.

    Notes
    -----
    Some responses with 500 are refusals: an applied object is malformed, and a retry cannot help. A webhook
    denies with a code of its choice, which must not be mistaken for a conflict or an outage.
    """
    if is_denied(status):
        return ForbiddenError(code, status, attempt, retry_after)
    if code in _UNAVAILABLE_CODES and not is_malformed(code, status):
        return ApiUnavailableError(code, status, attempt, retry_after)
    return _REFUSALS.get(code, ApiRefusedError)(code, status, attempt, retry_after)
