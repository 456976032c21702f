"""The server as a process: its start, its errors, and how it goes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.ports import free_ports
from tests.cluster.processes import REPOSITORY
from tests.cluster.waiting import wait_for

EXAMPLE = REPOSITORY / "examples" / "embedding-server"
MINILM = "all-MiniLM-L6-v2"
SECONDS = 60.0


def command(**environment: str) -> dict[str, Any]:
    variables = {"OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    return {
        "args": [sys.executable, "-m", "embedding_server"],
        "cwd": EXAMPLE,
        "env": os.environ | variables | environment,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


class Server:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)) as connection:
            yield connection

    def get(self, path: str) -> int | None:
        with self.connection() as connection:
            try:
                connection.request("GET", path)
                return connection.getresponse().status
            except ConnectionError:
                return None

    def exit_status(self) -> int:
        return self.process.wait(SECONDS)


@contextmanager
def running(**environment: str) -> Iterator[Server]:
    (port,) = free_ports(1)
    with subprocess.Popen(**command(PORT=str(port), MODEL_NAME=MINILM, **environment)) as process:
        server = Server(process, port)
        try:
            wait_for(lambda: server.get("/readyz") == 200, SECONDS, "the server is ready")
            yield server
        finally:
            process.kill()


def post(connection: http.client.HTTPConnection, texts: list[str]) -> http.client.HTTPResponse:
    connection.request("POST", "/predict", json.dumps({"texts": texts}))
    response = connection.getresponse()
    response.read()
    return response


def test_an_unknown_model_ends_it_with_one_line_that_names_the_known_ones() -> None:
    with subprocess.Popen(**command(MODEL_NAME="gpt-9")) as process:
        output, errors = process.communicate(timeout=SECONDS)

    assert process.returncode == 1
    assert output == ""
    assert errors == (
        "error: MODEL_NAME='gpt-9': expected one of all-MiniLM-L6-v2, wordllama-l2-supercat-256.\n"
    )


def test_a_port_in_use_ends_it_with_one_line() -> None:
    with running() as server, subprocess.Popen(**command(PORT=str(server.port), MODEL_NAME=MINILM)) as second:
        _, errors = second.communicate(timeout=SECONDS)

    assert second.returncode == 1
    assert errors.splitlines()[-1].startswith("error: [Errno 98]")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_goes_at_once(number: signal.Signals) -> None:
    # Long enough to be noticed: SIGINT drains nothing.
    drain = "0" if number == signal.SIGTERM else str(2 * SECONDS)
    with running(DRAIN_SECONDS=drain) as server, server.connection() as idle:
        idle.connect()  # does not hold it up
        server.process.send_signal(number)

        assert server.exit_status() == 0


def test_while_draining_it_takes_requests_but_is_not_ready_and_closes_connections() -> None:
    drain = str(2 * SECONDS)
    with running(DRAIN_SECONDS=drain) as server, server.connection() as kept, server.connection() as fresh:
        assert post(kept, ["before"]).getheader("Connection") is None
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: server.get("/readyz") == 503, SECONDS, "the server drains")

        last, new = post(kept, ["on the old connection"]), post(fresh, ["on a new one"])
        assert (last.status, last.getheader("Connection")) == (200, "close")
        assert (new.status, new.getheader("Connection")) == (200, "close")
        assert server.process.poll() is None

        server.process.send_signal(signal.SIGTERM)  # a second one: without waiting
        assert server.exit_status() == 0


def test_a_request_that_runs_is_finished() -> None:
    answered: list[int] = []
    with running(DRAIN_SECONDS="0") as server, server.connection() as connection:
        slow = threading.Thread(target=lambda: answered.append(post(connection, ["word " * 100] * 8).status))
        slow.start()
        # The one worker thread computes; probes are answered all the same.
        before = cpu_seconds(server.process.pid)
        wait_for(lambda: cpu_seconds(server.process.pid) > before + 0.1, SECONDS, "it computes")
        server.process.send_signal(signal.SIGTERM)
        slow.join(SECONDS)

        assert answered == [200]
        assert server.exit_status() == 0


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK")
