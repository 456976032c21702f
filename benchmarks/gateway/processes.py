"""The processes: the contenders on one core; the worker, the API server and the load on another."""

from __future__ import annotations

import http.client
import json
import os
import sys
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.gateway.api import TOKEN, WORKER, kubeconfig
from benchmarks.gateway.rivals import envoy_configuration, litellm_configuration
from tests.cluster.ports import free_ports
from tests.cluster.processes import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.gateway.load import Target

LOOPBACK = "127.0.0.1"
_START_SECONDS = 180.0
_STOP_SECONDS = 10.0
_CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE, LOAD_CORE = _CORES[0], _CORES[-1]

DIRECT, ENVOY, LITELLM, OURS = CONTENDERS = "direct", "Envoy", "LiteLLM", "ours"


@dataclass(frozen=True)
class Contender:
    """One way to the worker.

    Attributes
    ----------
    name
        What tables call it.
    target
        Where requests go.
    pid
        Its process; None for the worker itself.
    """

    name: str
    target: Target
    pid: int | None = None

    def cpu_seconds(self) -> float:
        """Give the CPU time that it has used, to the nanosecond, its children included."""
        return 0.0 if self.pid is None else sum(map(_cpu_seconds, _tree(self.pid)))

    def rss_mib(self) -> float:
        """Give its resident memory."""
        assert self.pid is not None
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise LookupError(f"process {self.pid} says nothing of its memory.")

    def sockets(self) -> int:
        """Give the number of its open sockets."""
        found = 0
        for path in Path(f"/proc/{self.pid}/fd").iterdir():
            with suppress(OSError):
                found += path.readlink().name.startswith("socket:")
        return found

    def request(self, *, tokens: int = 0, pause_ms: int = 0) -> bytes:
        """Give a request: small, or a stream of so many chunks.

        Parameters
        ----------
        tokens
            Chunks of a stream; 0 for a whole answer.
        pause_ms
            Time between two chunks, or before the answer, in milliseconds.
        """
        body: dict[str, Any] = {
            "model": "bench/chat",
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": "What is the capital of France?"},
            ],
            "temperature": 0.5,
            "seed": pause_ms,
        }
        if tokens:
            body |= {"stream": True, "max_tokens": tokens}
        encoded = json.dumps(body).encode()
        return (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"X-Model: bench/chat\r\nContent-Type: application/json\r\nContent-Length: {len(encoded)}\r\n\r\n"
        ).encode() + encoded


def _tree(pid: int) -> list[int]:
    found = [pid]
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in path.read_text().split():
                found += _tree(int(child))
    return found


def _cpu_seconds(pid: int) -> float:
    nanoseconds = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):
            nanoseconds += int(path.read_text().split()[0])
    return nanoseconds / 1e9


def get(port: int, path: str) -> Any:
    """Give the JSON that a process says."""
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=10) as response:
        return json.load(response)


def post(port: int, path: str, body: object) -> None:
    """Send JSON to a process."""
    request = urllib.request.Request(f"http://{LOOPBACK}:{port}{path}", json.dumps(body).encode())
    urllib.request.urlopen(request, timeout=10).close()


@dataclass
class Stage:
    """What all measurements share.

    Attributes
    ----------
    folder
        For logs and configurations.
    stub_port
        Port of the worker.
    """

    folder: Path
    stub_port: int
    _stack: ExitStack

    def direct(self) -> Contender:
        """Give the worker itself."""
        return Contender(DIRECT, (WORKER, self.stub_port))

    def envoy(self, environment: Path) -> Contender:
        """Start Envoy."""
        (port,) = free_ports(1)
        path = self.folder / "envoy.json"
        path.write_text(envoy_configuration(port, WORKER, self.stub_port))
        words = ["-c", str(path), "--concurrency", "1", "--log-level", "warning", "--base-id", str(port)]
        binaries = sorted(environment.glob("lib/python*/site-packages/envoy/**/envoy"))
        (binary,) = (path for path in binaries if path.is_file())
        return self._start(ENVOY, [str(binary), *words], port, {})

    def litellm(self, environment: Path) -> Contender:
        """Start LiteLLM's proxy with one worker process."""
        (port,) = free_ports(1)
        path = self.folder / "litellm.yaml"
        path.write_text(litellm_configuration(WORKER, self.stub_port, TOKEN))
        words = ["--config", str(path), "--host", LOOPBACK, "--port", str(port), "--num_workers", "1"]
        return self._start(
            LITELLM,
            [str(environment / "bin" / "litellm"), *words],
            port,
            {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_PROXY": "*"},
        )

    @contextmanager
    def gateway(self, instances: int) -> Iterator[tuple[Contender, int, int]]:
        """Run our gateway beside an API server; give the ports of that and of the metrics, too."""
        (api,) = free_ports(1)
        path = self.folder / f"kubeconfig-{api}.yaml"
        path.write_text(yaml.safe_dump(kubeconfig(api)))
        program = [sys.executable, "-m", "benchmarks.gateway.api", api, self.stub_port, instances]
        with (
            self._running(f"api-{api}", list(map(str, program)), api, LOAD_CORE, {}),
            self.gateway_at(path) as (contender, health),
        ):
            yield contender, api, health

    @contextmanager
    def gateway_at(self, kubeconfig: Path) -> Iterator[tuple[Contender, int]]:
        """Run our gateway beside an API server that runs already; give the port of its metrics, too."""
        port, health = free_ports(2)
        settings = {
            "KUBECONFIG": kubeconfig,
            "HOST": LOOPBACK,
            "PORT": port,
            "HEALTH_HOST": LOOPBACK,
            "HEALTH_PORT": health,
            "LOG_FORMAT": "json",
            "DRAIN_SECONDS": 0,
            "SHUTDOWN_SECONDS": 1,
        }
        variables = {f"MODEL_OPERATOR_GATEWAY_{name}": str(value) for name, value in settings.items()}
        command = [sys.executable, "-m", "model_operator", "gateway"]
        with self._running(f"gateway-{port}", command, port, PROXY_CORE, variables) as process:
            process.wait_until(lambda: _is_ready(health), what="ready", seconds=_START_SECONDS)
            yield Contender(OURS, (LOOPBACK, port), process.pid), health

    def ours(self) -> tuple[Contender, int, int]:
        """Start our gateway with one model, until the end."""
        return self._stack.enter_context(self.gateway(1))

    def _start(self, name: str, command: list[str], port: int, variables: dict[str, str]) -> Contender:
        running = self._running(name, command, port, PROXY_CORE, variables)
        process = self._stack.enter_context(running)
        return Contender(name, (LOOPBACK, port), process.pid)

    @contextmanager
    def _running(
        self, name: str, command: list[str], port: int, core: int, variables: dict[str, str]
    ) -> Iterator[Process]:
        process = Process(
            name,
            ["taskset", "--cpu-list", str(core), *command],
            log=self.folder / f"{name}.log",
            environment=variables,
        )
        try:
            process.wait_until(lambda: _listens(port), what="listening", seconds=_START_SECONDS)
            yield process
        finally:
            process.stop(_STOP_SECONDS)


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Start the worker; the load, which is this process, shares its core."""
    os.sched_setaffinity(0, {LOAD_CORE})
    with ExitStack() as stack:
        (port,) = free_ports(1)
        made = Stage(folder, port, stack)
        command = [sys.executable, "-m", "benchmarks.gateway.stub", str(port)]
        stack.enter_context(made._running("stub", command, port, LOAD_CORE, {}))  # noqa: SLF001 -- its own
        yield made


def _listens(port: int) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=1)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/readyz", timeout=2):
            return True
    except OSError:
        return False
