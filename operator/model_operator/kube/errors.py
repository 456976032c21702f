"""Errors of the shell.

.. code-block:: text

    Exception
    ├── StartupError            the operator cannot start; one line for the person who started it
    ├── LeadershipLostError     nothing may be written any more: another replica may; the process ends
    └── ApiError                a request to the API server did not succeed
        ├── ApiUnavailableError     no answer, 429 or 5xx: the same request may succeed later
        └── ApiRefusedError         the server understood and said no
            ├── NotFoundError           404
            ├── ConflictError           409
            └── ForbiddenError          401, 403, and what admission denies with any code
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.core.reasons.refusals import is_denied, is_malformed

_UNAVAILABLE_CODES = frozenset({429, 500, 502, 503, 504})


class StartupError(Exception):
    """The operator cannot start; the message says what is missing and what to do."""


class LeadershipLostError(Exception):
    """We do not hold the Lease, so another replica may: nothing that could be tried again."""


class ApiError(Exception):
    """A request to the API server did not succeed.

    Attributes
    ----------
    code
        HTTP status code; 0 when there was no answer.
    status
        The ``v1.Status`` of the answer, empty when there was none.
    """

    def __init__(self, code: int, status: Mapping[str, Any], attempt: str) -> None:
        self.code = code
        self.status = status
        super().__init__(f"{attempt}: {status.get('message') or f'HTTP {code}'}")


class ApiUnavailableError(ApiError):
    """No answer, or one that says "not now"."""


class ApiRefusedError(ApiError):
    """The server refuses the request."""


class NotFoundError(ApiRefusedError):
    """The object or the kind does not exist."""


class ConflictError(ApiRefusedError):
    """Somebody else owns a field, or the object is not the one or the version that was meant."""


class ForbiddenError(ApiRefusedError):
    """The operator lacks the permission, or admission says no."""


_REFUSALS: dict[int, type[ApiRefusedError]] = {
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
}


def error_for(code: int, status: Mapping[str, Any], attempt: str) -> ApiError:
    """Return the error that stands for an answer of the API server.

    Parameters
    ----------
    code
        HTTP status code, 400 or more.
    status
        The body, a ``v1.Status`` where the server sent one.
    attempt
        What was attempted: method and path.

    Notes
    -----
    Some answers with 500 are refusals: an applied object is malformed, and no repetition will help. And a
    webhook denies with a code of its choice, which must not be taken for that of a conflict or an outage.
    """
    if is_denied(status):
        return ForbiddenError(code, status, attempt)
    if code in _UNAVAILABLE_CODES and not is_malformed(code, status):
        return ApiUnavailableError(code, status, attempt)
    return _REFUSALS.get(code, ApiRefusedError)(code, status, attempt)
