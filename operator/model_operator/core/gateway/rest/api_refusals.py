"""What the API server refuses, as a failure of the platform's API.

Every decision is by the status code and by typed fields of the ``v1.Status``: reason, causes, kind. A text of
the API server, or of a webhook, is for people alone and is passed on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from model_operator.core.gateway.failures import NO_RETRY, Failure, FailureReason, invalid
from model_operator.core.gateway.rest.entries import BODY, Entry
from model_operator.core.gateway.rest.object_paths import parse_path
from model_operator.core.gateway.rest.request_reading import shown_input, value_at
from model_operator.core.values.violations import Loc

LocOf = Callable[[Loc], "tuple[str | int, ...] | None"]
"""From the path of a field of an object to where the request has it; None when it has no such field."""

_REASONS: Final[Mapping[int, FailureReason]] = {
    HTTPStatus.UNAUTHORIZED: FailureReason.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: FailureReason.FORBIDDEN,
    HTTPStatus.NOT_FOUND: FailureReason.NOT_FOUND,
    HTTPStatus.CONFLICT: FailureReason.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: FailureReason.BODY_TOO_LARGE,
    HTTPStatus.TOO_MANY_REQUESTS: FailureReason.OVERLOADED,
    HTTPStatus.SERVICE_UNAVAILABLE: FailureReason.API_SERVER_UNAVAILABLE,
}
_RETRY_LATER: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_TYPES: Final[Mapping[str, str]] = {
    "FieldValueRequired": "missing",
    "FieldValueDuplicate": "not_unique",
    "FieldValueNotSupported": "enum",
    "FieldValueForbidden": "forbidden",
    "FieldValueTypeInvalid": "type",
    "FieldValueTooLong": "too_long",
    "FieldValueTooMany": "too_long",
}
"""By ``metav1.CauseType``, the code of an entry."""
_OTHER_TYPE: Final = "value_error"
_QUOTA: Final = "resourcequotas"
_SECONDS: Final = re.compile("[0-9]{1,6}")


def body_loc(path: Loc) -> tuple[str | int, ...] | None:
    """Return where the body has a field of an object: ``spec.x`` at ``x``, ``metadata.name`` at ``name``."""
    if path[:1] == ("spec",) and len(path) > 1:
        return (BODY, *path[1:])
    return (BODY, "name") if path == ("metadata", "name") else None


def refusal(
    code: int,
    status: Mapping[str, Any],
    body: Mapping[str, Any] | None,
    loc_of: LocOf = body_loc,
    retry_after: str = "",
) -> Failure:
    """Return the failure for a response of the API server that refuses a request.

    Parameters
    ----------
    code
        HTTP status code.
    status
        Body of the response, a ``v1.Status``; empty if it is none.
    body
        Body of the client's request, whose values the entries show; None without one.
    loc_of
        Where the body has a field of the object.
    retry_after
        Header ``Retry-After`` of the response.

    Returns
    -------
    Failure
        For 422 INVALID with an entry for each cause, or with one at ``body``; with the same status code
        otherwise. ``x-should-retry: false`` for a conflict, except one with a quota, whose count changes.
    """
    details = _mapping(status.get("details"))
    if code == HTTPStatus.UNPROCESSABLE_ENTITY:
        return invalid(*_entries(status, details, body, loc_of))
    if not HTTPStatus.BAD_REQUEST <= code <= _LAST_STATUS:
        code = HTTPStatus.BAD_GATEWAY
    headers: dict[str, str] = {}
    if code == HTTPStatus.CONFLICT and details.get("kind") != _QUOTA:
        headers |= NO_RETRY
    wait = _wait(details, retry_after)
    if code in _RETRY_LATER and wait:
        headers["Retry-After"] = wait
    reason = _REASONS.get(code, FailureReason.API_SERVER_REFUSED)
    own = code if reason is FailureReason.API_SERVER_REFUSED else None
    return Failure(reason, _message(code, status, details), headers=headers, status=own)


_LAST_STATUS: Final = 599


def _entries(
    status: Mapping[str, Any], details: Mapping[str, Any], body: Mapping[str, Any] | None, loc_of: LocOf
) -> Iterator[Entry]:
    causes = details.get("causes")
    found = [each for each in causes if isinstance(each, Mapping)] if isinstance(causes, list) else []
    for cause in found:
        yield _entry(cause, body, loc_of)
    if not found:
        yield Entry(
            (BODY,), _text(status.get("message")) or "The API server refuses the object.", _OTHER_TYPE
        )


def _entry(cause: Mapping[str, Any], body: Mapping[str, Any] | None, loc_of: LocOf) -> Entry:
    field, message = _text(cause.get("field")), _text(cause.get("message")) or "is not valid"
    code = _TYPES.get(_text(cause.get("reason")), _OTHER_TYPE)
    path = parse_path(field, {"spec": body or {}})
    loc = loc_of(path) if path else None
    if loc is None:
        # A rule of a policy names no field, and a rule of the whole object none that the request has.
        return Entry((BODY,), f"{field}: {message}" if path else message, code)
    if body is None or loc[:1] != (BODY,):
        return Entry(loc, message, code)
    inner = loc[1:-1] if code == "missing" else loc[1:]
    value = value_at(body, inner)
    return Entry(loc, message, code, shown_input(value))


def _message(code: int, status: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    if status.get("reason") == "AlreadyExists":
        kind, name = _text(details.get("kind")) or "object", _text(details.get("name"))
        return (
            f"{kind} {name} exists already. Action (user): choose another name, or change or delete the "
            "existing one."
        )
    if code == HTTPStatus.UNAUTHORIZED:
        return "The API server does not accept the key. Action (user): send a valid one."
    return _text(status.get("message")) or f"The API server answers with status {code} and says nothing else."


def _wait(details: Mapping[str, Any], retry_after: str) -> str:
    seconds = details.get("retryAfterSeconds")
    stated = str(seconds) if isinstance(seconds, int) and not isinstance(seconds, bool) else ""
    return next(
        (each for each in (retry_after.strip(), stated) if _SECONDS.fullmatch(each) and each != "0"), ""
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
