"""The server as a process, with a stand-in for llama.cpp: its start, its errors, and how it goes."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.cluster.ports import free_ports
from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for

EXAMPLE = REPOSITORY / "examples" / "chat-server"
STUB = Path(__file__).parent / "stub"
SECONDS = 60.0


@contextmanager
def started(tmp_path: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    weights = tmp_path / "model.gguf"
    weights.touch()
    variables = {"MODEL_FILE": str(weights), "HOST": "127.0.0.1", "PYTHONPATH": str(STUB), **environment}
    with subprocess.Popen(
        [sys.executable, "-m", "chat_server"],
        cwd=EXAMPLE,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def request(port: int, method: str, path: str, body: str | None = None) -> int | None:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        try:
            connection.request(method, path, body)
            return connection.getresponse().status
        except (ConnectionError, http.client.HTTPException):
            return None


class Asked(threading.Thread):
    """A request that runs for some seconds; `status` is None when it was cut."""

    def __init__(self, port: int, seconds: float) -> None:
        super().__init__()
        self.status: int | None = None
        self._port, self._seconds = port, seconds

    def run(self) -> None:
        self.status = request(self._port, "POST", "/v1/chat/completions", str(self._seconds))


@contextmanager
def serving(tmp_path: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    (port,) = free_ports(1)
    with started(tmp_path, PORT=str(port), **environment) as process:
        wait_for(lambda: request(port, "GET", "/health") == 200, SECONDS, "the server is healthy")
        assert process.stderr is not None
        wait_for(lambda: "serving at port" in process.stderr.readline(), SECONDS, "it says so")  # type: ignore[union-attr]
        yield process, port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_goes_soon(tmp_path: Path, number: signal.Signals) -> None:
    with serving(tmp_path) as (process, _):
        process.send_signal(number)

        assert process.wait(SECONDS) == 0


def test_what_runs_is_finished_and_what_comes_meanwhile_is_answered(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, port):
        long = Asked(port, 2)
        long.start()
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "stopping" in line
        assert request(port, "POST", "/v1/chat/completions", "0") == 200
        long.join(SECONDS)

        assert long.status == 200
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("by", ["time", "signal"])
def test_nothing_waits_longer_than_it_may(tmp_path: Path, by: str) -> None:
    finish = "0.2" if by == "time" else str(10 * SECONDS)
    with serving(tmp_path, FINISH_SECONDS=finish) as (process, port):
        long = Asked(port, 10 * SECONDS)
        long.start()
        process.send_signal(signal.SIGTERM)
        if by == "signal":
            assert process.stderr is not None
            assert "stopping" in process.stderr.readline()
            process.send_signal(signal.SIGTERM)

        assert process.wait(SECONDS) == 0
        long.join(SECONDS)
        assert long.status is None


def test_a_port_in_use_ends_it_with_one_line(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, port), started(tmp_path, PORT=str(port)) as second:
        _, errors = second.communicate(timeout=SECONDS)

    assert second.returncode == 1
    last = errors.splitlines()[-1]
    assert last.startswith("error: llama.cpp cannot serve ")
    assert f"127.0.0.1:{port}" in last


def test_a_wrong_setting_ends_it_with_one_line(tmp_path: Path) -> None:
    with started(tmp_path, THREADS="many") as process:
        output, errors = process.communicate(timeout=SECONDS)

    assert (process.returncode, output) == (1, "")
    assert errors.startswith("error: THREADS='many': ")
    assert errors.count("\n") == 1
