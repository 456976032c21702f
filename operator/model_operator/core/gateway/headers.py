"""Which headers pass between client and worker, either way.

A worker never sees a credential, nor anything by which a client could claim an identity or a route of its own
(LiteLLM #32202: keys that reach servers; semantic-router #1445: identity by header).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Header = tuple[str, str]

MODEL_HEADER: Final = "x-modeloperator-model"
"""Header of a response: the model that answered, as ``namespace/name``."""
ACCOUNT_HEADER: Final = "x-selected-account-id"
"""Header of a request: the account that the client has selected."""
EVENT_STREAM: Final = "text/event-stream"
_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings"}
)
"""RFC 9110, section 7.6.1, without the names that begin with ``proxy-``."""
_OF_CLIENT: Final = _HOP_BY_HOP | {
    "authorization",
    "x-api-key",
    "api-key",
    "cookie",
    "forwarded",
    "x-real-ip",
    "x-gateway-model-name",
    ACCOUNT_HEADER,
    "host",
    # The body is sent decoded, whole, and without a question.
    "content-length",
    "content-encoding",
    "expect",
}
_PREFIXES_OF_CLIENT: Final = ("proxy-", "x-forwarded-", "x-modeloperator-", "impersonate-", "x-remote-")
_OF_WORKER: Final = _HOP_BY_HOP | {"set-cookie", "set-cookie2", "server"}
# nginx before the gateway would obey X-Accel-Redirect.
_PREFIXES_OF_WORKER: Final = ("proxy-", "x-modeloperator-", "x-accel-")
_CONNECTION: Final = "connection"


def for_worker(headers: Iterable[Header]) -> list[Header]:
    """Return the headers of a request for the worker, with their order and number.

    Names count whatever their case, and with ``_`` for ``-``: some servers do not distinguish these.
    """
    return _passed(headers, _OF_CLIENT, _PREFIXES_OF_CLIENT)


def for_translated_worker(headers: Iterable[Header]) -> list[Header]:
    """Return the headers of a request that the gateway translates: JSON that is not compressed."""
    kept = [
        (name, value)
        for name, value in for_worker(headers)
        if name.lower() not in {"accept", "accept-encoding", "content-type"}
    ]
    return [*kept, ("Content-Type", "application/json"), ("Accept-Encoding", "identity")]


def for_client(headers: Iterable[Header], model: str) -> list[Header]:
    """Return the headers of a response for the client.

    Parameters
    ----------
    headers
        As the worker sent them.
    model
        Id of the model, ``namespace/name``.
    """
    return [*_passed(headers, _OF_WORKER, _PREFIXES_OF_WORKER), (MODEL_HEADER, model)]


def for_stream(headers: Iterable[Header]) -> list[Header]:
    """Return the headers of a stream of events: no proxy and no cache may hold it back.

    Its length is left out, since an event that is an error may follow what the worker sends.
    """
    kept = [
        (name, value) for name, value in headers if name.lower() not in {"cache-control", "content-length"}
    ]
    return [*kept, ("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")]


def _passed(headers: Iterable[Header], names: frozenset[str], prefixes: tuple[str, ...]) -> list[Header]:
    kept: list[Header] = []
    named: set[str] = set()
    for header in headers:
        name = header[0].lower().replace("_", "-")
        if name == _CONNECTION:
            named.update(option.strip().lower().replace("_", "-") for option in header[1].split(","))
        elif name not in names and not name.startswith(prefixes):
            kept.append(header)
    if named:
        return [header for header in kept if header[0].lower().replace("_", "-") not in named]
    return kept
