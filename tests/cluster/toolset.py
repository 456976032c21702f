"""The control plane's binaries: built once from the Go module proxy, then taken from the cache."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.cache import cache_directory, exclusive
from tests.cluster.go_toolchain import ToolsError, find_go, go_environment, required_version

MODULE = Path(__file__).with_name("tools")
NAMES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "kwok",
)

BUILD_DEADLINE_SECONDS = 3600
PROGRESS_SECONDS = 20


@dataclass(frozen=True)
class Tools:
    """A complete set of binaries, all in the one folder `directory`."""

    directory: Path

    def __getitem__(self, name: str) -> Path:
        """Give the path of the binary `name`, one of `NAMES`."""
        return self.directory / name


def tools_key(module: Path = MODULE) -> str:
    """Name the set that `module`'s go.mod and go.sum describe for this kind of machine."""
    digest = hashlib.sha256(platform.machine().encode())
    for name in ("go.mod", "go.sum"):
        digest.update(b"\0" + (module / name).read_bytes())
    return digest.hexdigest()[:16]


def kubernetes_version(go_mod: str) -> str:
    """Read Kubernetes' version, such as ``v1.36.3``, from a go.mod's text."""
    required = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", go_mod, re.MULTILINE)
    if required is None:
        raise ToolsError("go.mod: expected a requirement `k8s.io/kubernetes VERSION`, found none.")
    return required.group(1)


def ensure_tools() -> Tools:
    """Give the binaries, building them first if the cache has none for the present go.mod and go.sum.

    Parallel callers wait for the one that builds, and a build that was cut short is never used: a set
    appears in the cache under its name only when it is whole.

    Raises
    ------
    ToolsError
        When there is no Go and none can be installed, or the build fails.
    """
    tools = cached_tools()
    if tools is None:
        waiting = "Another process is building the control plane's tools; waiting for it."
        with exclusive(cache_directory() / "lock", waiting=waiting):
            tools = cached_tools() or _build(cache_directory(), _directory())
    return tools


def cached_tools() -> Tools | None:
    """Give the binaries if the cache has them, else None."""
    return Tools(_directory()) if _directory().exists() else None


def _directory() -> Path:
    return cache_directory() / f"tools-{tools_key()}"


def _build(cache: Path, directory: Path) -> Tools:
    go_mod = (MODULE / "go.mod").read_text()
    go = find_go(required_version(go_mod), cache)
    version = kubernetes_version(go_mod)
    print(
        f"Building the control plane's tools (Kubernetes {version}, etcd, kwok) into {directory}.\n"
        "This happens once, takes 4 to 8 minutes on 2 cores, and needs the network and 5 GB of disk.",
        flush=True,
    )
    partial = cache / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    command = [
        str(go),
        "install",
        # Said here, they win over whatever the user's GOFLAGS say.
        "-mod=readonly",
        "-buildvcs=false",
        "-v",
        f"-ldflags=-s -w -X k8s.io/component-base/version.gitVersion={version}",
        "tool",
    ]
    started = time.monotonic()
    _run_with_progress(command, environment=go_environment() | {"GOBIN": str(partial)})
    (partial / "server").rename(partial / "etcd")
    if missing := [name for name in NAMES if not (partial / name).exists()]:
        raise ToolsError(
            f"the build of the tools made no {', '.join(missing)}: expected {MODULE / 'go.mod'} to list it."
        )
    partial.rename(directory)
    print(f"Built in {time.monotonic() - started:.0f} s.", flush=True)
    return Tools(directory)


def _run_with_progress(command: list[str], *, environment: dict[str, str]) -> None:
    """Run Go, saying now and then how far it is; `-v` gives one line for each package."""
    last_lines: deque[str] = deque(maxlen=15)
    packages = 0
    said = started = time.monotonic()
    with subprocess.Popen(
        command, cwd=MODULE, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = threading.Timer(BUILD_DEADLINE_SECONDS, process.kill)
        deadline.start()
        try:
            for line in process.stderr or ():
                last_lines.append(line)
                packages += not line.startswith("go: ")
                if (now := time.monotonic()) - said >= PROGRESS_SECONDS:
                    said = now
                    print(f"  {now - started:4.0f} s: {packages} packages compiled", flush=True)
        except BaseException:
            process.terminate()
            raise
        finally:
            deadline.cancel()
    if process.returncode != 0:
        print("".join(last_lines), end="", flush=True)
        raise ToolsError(
            f"the build of the control plane's tools failed with status {process.returncode}; "
            "Go's last lines are above."
        )
