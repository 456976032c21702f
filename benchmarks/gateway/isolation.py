"""Runs a program in a network of its own, which has loopback alone.

So no request of a measurement leaves the machine, ports are free, and workers can have addresses that the
gateway accepts: it refuses 127.0.0.1, as a worker is never there.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys

from benchmarks.gateway.api import SECOND_WORKER, WORKER

_INSIDE = "MODEL_OPERATOR_BENCH_INSIDE"
_SET_FLAGS, _SET_ADDRESS, _SET_NETMASK = 0x8914, 0x8916, 0x891C
_UP = 0x1 | 0x40


def enter() -> None:
    """Go on in such a network; to be called once the environments are there, as it has no internet.

    Raises
    ------
    OSError
        If the system has no network namespaces, or forbids them to users.
    """
    if os.environ.get(_INSIDE):
        _raise_loopback()
        return
    environment = os.environ | {_INSIDE: "1"}
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "--net",
        "--",
        sys.executable,
        "-m",
        "benchmarks.gateway",
    ]
    os.execvpe("unshare", [*command, *sys.argv[1:]], environment)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for name, address, mask in (
            ("lo", "127.0.0.1", "255.0.0.0"),
            ("lo:1", WORKER, "255.255.255.255"),
            ("lo:2", SECOND_WORKER, "255.255.255.255"),
        ):
            for request, value in ((_SET_ADDRESS, address), (_SET_NETMASK, mask)):
                packed = struct.pack("16sH2x4s8x", name.encode(), socket.AF_INET, socket.inet_aton(value))
                fcntl.ioctl(control, request, packed)
            fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14x", name.encode(), _UP))
