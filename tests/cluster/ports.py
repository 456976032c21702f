"""TCP ports on loopback, reserved until the process that chose them ends."""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path
from typing import IO

from tests.cluster.processes import ProcessError

PORTS = range(20_000, 30_000)  # below the range from which the kernel takes ports for outgoing connections


def free_ports(count: int) -> list[int]:
    """Choose `count` different ports on which nothing on 127.0.0.1 listens.

    The caller usually hands a port to a program that binds it seconds later. Until the caller's process ends,
    no other caller of this function on this machine gets the port: a byte of one file stands for each port,
    and a record lock on it for its reservation, which the kernel drops with the process.

    Parameters
    ----------
    count
        How many.

    Raises
    ------
    ProcessError
        Fewer are free.
    """
    reserved, lock_file = _reservations()
    ports: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if port in reserved or not _lock(lock_file, port):
            continue
        reserved.add(port)
        if _is_free(port):
            ports.append(port)
        if len(ports) == count:
            return ports
    raise ProcessError(f"expected {count} free ports on 127.0.0.1 from {PORTS.start} on, found {len(ports)}.")


@cache
def _reservations() -> tuple[set[int], IO[bytes]]:
    """Return this process's ports, and the file of all reservations, which stays open."""
    path = Path(tempfile.gettempdir()) / f"model-operator-ports-{os.getuid()}"
    return set(), path.open("ab")


def _lock(lock_file: IO[bytes], port: int) -> bool:
    try:
        fcntl.lockf(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except BlockingIOError:
        return False
    except PermissionError:  # POSIX lets a system answer so, too
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
