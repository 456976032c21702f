"""Why a request is not answered by a model, and how each API says so.

Shapes: OpenAI ``{"error": {message, type, param, code}}``; Cohere ``{"message"}``; the platform
``{"detail": text}``, and for a body that is not valid ``{"detail": [{loc, msg, type}]}`` with status 422.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from model_operator.core.gateway.apis import Family
from model_operator.core.gateway.rest.entries import Entry
from model_operator.core.values.json_values import wire_json

RETRY_AFTER_SECONDS: Final = 5


class FailureReason(StrEnum):
    """Code of a failure, for clients and metrics to read."""

    INVALID_BODY = "invalid_body"
    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED_FIELD = "unsupported_field"
    BODY_TOO_LARGE = "body_too_large"
    BODY_TIMEOUT = "body_timeout"
    UNAUTHENTICATED = "unauthenticated"
    MODEL_NOT_FOUND = "model_not_found"
    MODEL_AMBIGUOUS = "model_ambiguous"
    API_NOT_SUPPORTED = "api_not_supported"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MODEL_NOT_READY = "model_not_ready"
    OVERLOADED = "overloaded"
    GATEWAY_BUSY = "gateway_busy"
    AUTHENTICATION_UNAVAILABLE = "authentication_unavailable"
    WORKER_UNREACHABLE = "worker_unreachable"
    WORKER_FAILED = "worker_failed"
    WORKER_REJECTED = "worker_rejected"
    WORKER_TIMEOUT = "worker_timeout"
    INTERNAL = "internal"
    INVALID = "invalid"
    """One or more fields of a control request; the entries say which."""
    FORBIDDEN = "forbidden"
    CONFLICT = "conflict"
    NOT_IMPLEMENTED = "not_implemented"
    API_SERVER_UNAVAILABLE = "api_server_unavailable"
    API_SERVER_REFUSED = "api_server_refused"
    """With the status of the API server."""


_STATUS: Final[Mapping[FailureReason, HTTPStatus]] = {
    FailureReason.INVALID_BODY: HTTPStatus.BAD_REQUEST,
    FailureReason.INVALID_REQUEST: HTTPStatus.BAD_REQUEST,
    FailureReason.UNSUPPORTED_FIELD: HTTPStatus.BAD_REQUEST,
    FailureReason.BODY_TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
    FailureReason.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    FailureReason.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    FailureReason.MODEL_NOT_FOUND: HTTPStatus.NOT_FOUND,
    FailureReason.MODEL_AMBIGUOUS: HTTPStatus.BAD_REQUEST,
    FailureReason.API_NOT_SUPPORTED: HTTPStatus.BAD_REQUEST,
    FailureReason.NOT_FOUND: HTTPStatus.NOT_FOUND,
    FailureReason.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    FailureReason.MODEL_NOT_READY: HTTPStatus.SERVICE_UNAVAILABLE,
    FailureReason.OVERLOADED: HTTPStatus.TOO_MANY_REQUESTS,
    FailureReason.GATEWAY_BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    FailureReason.AUTHENTICATION_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    FailureReason.WORKER_UNREACHABLE: HTTPStatus.BAD_GATEWAY,
    FailureReason.WORKER_FAILED: HTTPStatus.BAD_GATEWAY,
    FailureReason.WORKER_REJECTED: HTTPStatus.BAD_REQUEST,
    FailureReason.WORKER_TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    FailureReason.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    FailureReason.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    FailureReason.FORBIDDEN: HTTPStatus.FORBIDDEN,
    FailureReason.CONFLICT: HTTPStatus.CONFLICT,
    FailureReason.NOT_IMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    FailureReason.API_SERVER_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    FailureReason.API_SERVER_REFUSED: HTTPStatus.BAD_REQUEST,
}
_INVALID: Final = frozenset(
    {FailureReason.INVALID_BODY, FailureReason.INVALID_REQUEST, FailureReason.UNSUPPORTED_FIELD}
)
_RETRIED: Final = frozenset(
    {
        FailureReason.MODEL_NOT_READY,
        FailureReason.OVERLOADED,
        FailureReason.GATEWAY_BUSY,
        FailureReason.AUTHENTICATION_UNAVAILABLE,
        FailureReason.API_SERVER_UNAVAILABLE,
    }
)
NO_RETRY: Final = {"x-should-retry": "false"}
"""Header of a failure that stays until an action is taken: the platform's client sends 409 and 5xx again."""


@dataclass
class Failure(Exception):  # noqa: N818 -- a response, as much as an error
    """A request that no model answers.

    Attributes
    ----------
    reason
        The code.
    message
        For people: what is wrong, and what to do. Never a part of a body, a credential, or a stack trace.
    param
        Path of the field that is wrong: names of fields and indices of lists; empty when it is none.
    headers
        Further headers of the response, such as ``Allow``.
    status
        HTTP status, where it is a worker's own and not that of the reason.
    detail
        What a worker says about it, for the client alone: it may quote the request and is never logged.
    is_permanent
        Whether the same request fails until an action is taken, so that no Retry-After is sent.
    entries
        All that is wrong with a control request, in the order of the body; the platform's API alone has them.
    """

    reason: FailureReason
    message: str
    param: Sequence[str | int] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None
    detail: str = field(default="", repr=False)
    is_permanent: bool = False
    entries: tuple[Entry, ...] = ()

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """A failure in the shape of one API.

    Attributes
    ----------
    status
        HTTP status code.
    headers
        Content-Type included.
    body
        JSON.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def status_of(failure: Failure, family: Family) -> int:
    """Return the HTTP status of a failure: the platform answers 422 for a body that is not valid."""
    if failure.status is not None:
        return failure.status
    if family is Family.PLATFORM and failure.reason in _INVALID:
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return _STATUS[failure.reason]


def response_of(failure: Failure, family: Family) -> ErrorResponse:
    """Return a failure as the response of an API."""
    status = status_of(failure, family)
    headers = {"Content-Type": "application/json", **failure.headers}
    if failure.reason in _RETRIED and not failure.is_permanent:
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return ErrorResponse(status, headers, wire_json(_body(failure, family, status)))


def invalid(*entries: Entry) -> Failure:
    """Return the failure of a control request whose fields are wrong."""
    message = "; ".join(f"{_dotted(each.loc)}: {each.msg}" for each in entries)
    return Failure(FailureReason.INVALID, message, entries=entries)


def stream_event(failure: Failure, family: Family) -> bytes:
    """Return the server-sent event that ends a stream which has begun with status 200.

    OpenAI's client raises for ``data: {"error": …}``; the platform's streams have an event ``error``.
    """
    body = wire_json(_body(failure, family, status_of(failure, family)))
    name = b"" if family is Family.OPENAI else b"event: error\n"
    return name + b"data: " + body + b"\n\n"


def _body(failure: Failure, family: Family, status: int) -> dict[str, Any]:
    message = f"{failure.message} The worker says: {failure.detail}" if failure.detail else failure.message
    if family is Family.OPENAI:
        kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
        param = _dotted(failure.param) or None
        return {"error": {"message": message, "type": kind, "param": param, "code": failure.reason}}
    if family is Family.COHERE:
        return {"message": message, "code": failure.reason}
    if failure.entries:
        return {"detail": [each.to_dict() for each in failure.entries]}
    if failure.reason in _INVALID:
        entry = {"loc": ["body", *failure.param], "msg": message, "type": failure.reason}
        return {"detail": [entry]}
    return {"detail": message, "code": failure.reason}


def _dotted(path: Sequence[str | int]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
