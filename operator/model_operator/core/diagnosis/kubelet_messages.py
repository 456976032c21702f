"""Messages of Kubernetes about a pod, without the parts that differ between pods or change over time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_MAX_LENGTH = 400
_REMOVED = re.compile(
    r"""
    \s*\(pod:\ "[^"]*",\ container:\ [^)]*\)   # the pod of the message
    | rpc\ error:\ code\ =\ \w+\ desc\ =\      # of the runtime's protocol
    | ^\(combined\ from\ similar\ events\):\   # of the event recorder
    | :\ unknown$                              # the kind of error that containerd adds
    """,
    re.VERBOSE,
)
_CHANGING = re.compile(
    r"""
    \b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b                           # a uid
    | (?<!sha256:)\b[0-9a-f]{64}\b                                          # a container's or sandbox's id
    | \b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?(Z|[ ]?[+-]\d\d:?\d\d)?  # a time
    """,
    re.VERBOSE,
)
_CLIENT_PORT = re.compile(r"\b(read|write) (tcp|udp) \S+->")
_SPACES = re.compile(r"\s+")


def normalized_message(text: str, pod: Mapping[str, Any]) -> str:
    """Return a message without the parts that differ between pods of a Deployment or change over time.

    Parameters
    ----------
    text
        What a kubelet or the scheduler wrote.
    pod
        The pod that it is about: its name, uid and addresses are taken out.
    """
    text = _REMOVED.sub("", _SPACES.sub(" ", text).strip())
    text = _CLIENT_PORT.sub(r"\1 \2 ", text)
    metadata, status = pod.get("metadata", {}), pod.get("status") or {}
    addresses = {status.get("podIP"), *(each.get("ip") for each in status.get("podIPs") or [])}
    # The longest first: one address may be the beginning of another.
    for address in sorted(filter(None, addresses), key=len, reverse=True):
        text = re.sub(rf"(?<![\d.]){re.escape(address)}(?![\d.]*\d)", "pod", text)
    if metadata.get("name"):
        text = text.replace(metadata["name"], "pod")
    text = without_changing(text)
    text = text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}…"
    return text.rstrip(" .")


def without_changing(text: str) -> str:
    """Return a text with ``…`` in place of each uid, id and time, as `normalized_message` does."""
    return _CHANGING.sub("…", text)
