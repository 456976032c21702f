"""What the API server's audit log says about requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def audit_events(log: Path) -> Iterator[dict[str, Any]]:
    """Give every request of the log, oldest first.

    An event appears when its response is complete, which can be a moment after the client has it.

    Yields
    ------
    dict
        ``user``, ``agent`` (the program), ``verb`` (``create``, ``update``, ``patch``, ``delete``,
        ``deletecollection``; where reads are logged, also ``get``, ``list``, ``watch``), ``group``,
        ``resource`` (with its subresource: ``modelinstances/status``), ``namespace``, ``name``, ``code`` (the
        HTTP status), ``message`` (of an error), ``received`` (when the API server took it in), ``time`` (when
        it was done with it) and ``query`` (the part of the URL after ``?``).
        What does not apply is ``""``.
    """
    with log.open() as lines:
        for line in lines:
            if not line.endswith("\n"):
                return  # being written just now
            yield audit_event(line)


def audit_event(line: str) -> dict[str, Any]:
    """Give what one line of the log says; see `audit_events`."""
    event = json.loads(line)
    target = event.get("objectRef", {})
    subresource = target.get("subresource")
    return {
        "user": event["user"].get("username", ""),
        "agent": event.get("userAgent", ""),
        "verb": event["verb"],
        "group": target.get("apiGroup", ""),
        "resource": target.get("resource", "") + (f"/{subresource}" if subresource else ""),
        "namespace": target.get("namespace", ""),
        "name": target.get("name", ""),
        "code": event.get("responseStatus", {}).get("code", 0),
        "message": event.get("responseStatus", {}).get("message", ""),
        "received": event["requestReceivedTimestamp"],
        "time": event["stageTimestamp"],
        "query": event["requestURI"].partition("?")[2],
    }
