"""Binding the operator's ports early: a port in use is one clear line at the start."""

from __future__ import annotations

import socket

from model_operator.kube.errors import StartupError


def bind(host: str, port: int) -> socket.socket:
    """Bind an address without listening yet, so that clients are refused instead of kept waiting.

    Raises
    ------
    StartupError
        The address cannot be bound.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise StartupError(f"cannot listen on {host} port {port}: {reason}; choose another port") from error
    bound.setblocking(False)
    return bound
