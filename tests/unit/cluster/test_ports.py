"""Ports that stay one's own between their choice and their use."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from tests.cluster import ports
from tests.cluster.ports import free_ports
from tests.cluster.processes import REPOSITORY, ProcessError

CHOOSE = "from tests.cluster import ports; ports.PORTS = range({}, {}); print(*ports.free_ports({}))"


def choose_elsewhere(start: int, stop: int, count: int) -> list[int] | None:
    """Have another process choose among some ports; None when it finds too few."""
    command = [sys.executable, "-c", CHOOSE.format(start, stop, count)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)
    return [int(port) for port in done.stdout.split()] if done.returncode == 0 else None


def test_ports_differ_from_call_to_call() -> None:
    assert len({*free_ports(3), *free_ports(3)}) == 6


def test_a_port_that_waits_to_be_bound_is_given_to_no_other_process() -> None:
    (mine,) = free_ports(1)

    assert choose_elsewhere(mine, mine + 1, 1) is None


def test_a_port_is_free_again_when_its_process_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = choose_elsewhere(ports.PORTS.start, ports.PORTS.stop, 1)
    assert chosen is not None
    monkeypatch.setattr(ports, "PORTS", range(chosen[0], chosen[0] + 1))

    assert free_ports(1) == chosen


def test_a_port_that_is_listened_on_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    (taken,) = free_ports(1)
    with socket.create_server(("127.0.0.1", taken)):
        assert choose_elsewhere(taken, taken + 1, 1) is None
    monkeypatch.setattr(ports, "PORTS", range(taken, taken + 1))

    with pytest.raises(ProcessError, match="expected 1 free ports"):
        free_ports(1)
