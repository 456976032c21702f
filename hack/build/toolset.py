"""The control plane's and the node's binaries: built once from the Go module proxy, then from the cache."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from hack.build.cache import cache_directory, exclusive
from hack.build.go_toolchain import ToolsError, find_go, go_environment, required_version

MODULE = Path(__file__).with_name("tools")
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}
"""The control plane's binaries and their Go packages: all that the demo needs."""
NODE_PACKAGES = {
    "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
}
"""What a real node needs of the same module."""
NAMES = tuple(PACKAGES)

VERSION_VARIABLE = "MODEL_OPERATOR_TEST_KUBERNETES"
"""Names the Kubernetes version of the control plane, such as 1.30.14, if it is to be another one."""

BUILD_DEADLINE_SECONDS = 3600
PROGRESS_SECONDS = 20
DOWNLOAD_PAUSES = (5.0, 20.0)
"""Seconds before another try when a download failed."""
NETWORK = re.compile(r"://.*(: [45]\d\d |dial |timeout|reset|EOF|stream error|refused|TLS)", re.IGNORECASE)
"""What Go says of a download that failed, after its address."""


class DownloadError(ToolsError):
    """Something could not be downloaded; another try may go well."""


@dataclass(frozen=True)
class _Set:
    """Tools of one go.mod that are built together.

    Attributes
    ----------
    module
        The folder of its go.mod.
    names
        The binaries that it makes.
    what, minutes, disk
        What they are, how many minutes of processor time building them takes and how much disk that needs,
        for the user.
    packages
        What Go builds; by default, all tools of the go.mod.
    """

    module: Path
    names: tuple[str, ...]
    what: str
    minutes: str
    disk: str
    packages: tuple[str, ...] = ("tool",)


_CONTROL_PLANE = _Set(
    MODULE, NAMES, "the control plane's tools", "7 to 20", "5 GB", packages=tuple(PACKAGES.values())
)
# Built into the same folder, most of it from Go's build cache.
_NODE = _Set(
    MODULE,
    tuple(NODE_PACKAGES),
    "the real node's kubelet and kube-proxy",
    "1 to 2",
    "1 GB",
    packages=tuple(NODE_PACKAGES.values()),
)
# A module of its own, since each of the two would otherwise decide on the other's dependencies.
_DNS = _Set(MODULE / "dns", ("coredns",), "the real node's DNS server", "4 to 8", "3 GB")
# As new as the kubelet; Debian's is years older, and mounts no image volumes.
_CONTAINER_RUNTIME = _Set(
    MODULE / "containerd",
    ("containerd", "containerd-shim-runc-v2", "ctr"),
    "the real node's containerd",
    "2 to 3",
    "1 GB",
)
_HELM = _Set(MODULE / "helm", ("helm",), "Helm", "2 to 4", "1 GB")


@dataclass(frozen=True)
class Tools:
    """The control plane's binaries, and after `ensure_node_tools` a node's, all in the folder `directory`."""

    directory: Path

    def __getitem__(self, name: str) -> Path:
        """Give the path of the binary `name`, one of `PACKAGES` or `NODE_PACKAGES`."""
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

    Parallel callers wait for the one that builds, and a build that was cut short is never used: the binaries
    are moved into the cache's folder only when all are built.

    Raises
    ------
    ToolsError
        When there is no Go and none can be installed, the build fails, or `VERSION_VARIABLE` names a version
        that is not built.
    """
    if version := os.environ.get(VERSION_VARIABLE):
        tools = cached_tools()
        if tools is None:
            raise ToolsError(
                f"Kubernetes {version} is not built yet: run `make test-versions VERSIONS={version}`."
            )
        return tools
    return Tools(_ensure(_CONTROL_PLANE))


def ensure_dns_server() -> Path:
    """Give CoreDNS, which only a real node needs; built, kept and failing like `ensure_tools`."""
    return _ensure(_DNS) / "coredns"


def ensure_container_runtime() -> Path:
    """Give the folder with containerd, its shim and ctr; built, kept and failing like `ensure_tools`."""
    return _ensure(_CONTAINER_RUNTIME)


def ensure_node_tools() -> None:
    """Build kubelet and kube-proxy beside the control plane's tools; kept and failing like `ensure_tools`."""
    _ensure(_NODE)


def has_node_tools() -> bool:
    """Whether the cache has what only a real node needs: kubelet, kube-proxy, containerd and CoreDNS."""
    return all(map(_is_complete, (_NODE, _CONTAINER_RUNTIME, _DNS)))


def ensure_helm() -> Path:
    """Give Helm, which the tests of the chart take; built, kept and failing like `ensure_tools`."""
    return _ensure(_HELM) / "helm"


def cached_helm() -> Path | None:
    """Give Helm if the cache has it, else None."""
    return _directory(_HELM.module) / "helm" if _is_complete(_HELM) else None


def cached_tools() -> Tools | None:
    """Give the binaries if the cache has them, else None."""
    if version := os.environ.get(VERSION_VARIABLE):
        directory = version_directory(version)
        return Tools(directory) if _has_all(directory, NAMES) else None
    return Tools(_directory(MODULE)) if _is_complete(_CONTROL_PLANE) else None


def version_directory(version: str) -> Path:
    """Give the folder of the binaries whose control plane has another version, built or not.

    Raises
    ------
    ToolsError
        When it is no version.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ToolsError(f"{version}: expected a version of Kubernetes such as 1.30.14.")
    return cache_directory() / f"kubernetes-{version}-{platform.machine()}"


def _directory(module: Path) -> Path:
    return cache_directory() / f"{module.name}-{tools_key(module)}"


def _is_complete(tools: _Set) -> bool:
    return _has_all(_directory(tools.module), tools.names)


def _has_all(directory: Path, names: tuple[str, ...]) -> bool:
    return all((directory / name).exists() for name in names)


def _ensure(tools: _Set) -> Path:
    directory = _directory(tools.module)
    if _is_complete(tools):
        return directory
    waiting = f"Another process is building {tools.what}; waiting for it."
    with exclusive(cache_directory() / "lock", waiting=waiting):
        if not _is_complete(tools):
            print(
                f"Building {tools.what} into {directory}.\nThis happens once, takes {tools.minutes} minutes "
                f"of processor time, and needs the network and {tools.disk} of disk.",
                flush=True,
            )
            _build(tools, directory)
    return directory


def _build(tools: _Set, directory: Path) -> None:
    cache = directory.parent
    go_mod = (tools.module / "go.mod").read_text()
    go = find_go(required_version(go_mod), cache)
    partial = cache / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    flags = "-s -w"
    if tools.module == MODULE:
        flags += f" -X k8s.io/component-base/version.gitVersion={kubernetes_version(go_mod)}"
    command = [
        str(go),
        "install",
        # Said here, they win over whatever the user's GOFLAGS say.
        "-mod=readonly",
        "-buildvcs=false",
        "-v",
        f"-ldflags={flags}",
        *tools.packages,
    ]
    started = time.monotonic()
    environment = go_environment() | {"GOBIN": str(partial)}
    for pause in (*DOWNLOAD_PAUSES, None):
        try:
            run_with_progress(command, tools.module, tools.what, environment=environment)
            break
        except DownloadError:
            # Go keeps what it has, and does not try again by itself.
            if pause is None:
                raise
            print(f"A download failed; trying again in {pause:.0f} s.", flush=True)
            time.sleep(pause)
    if (partial / "server").exists():
        (partial / "server").rename(partial / "etcd")
    if missing := [name for name in tools.names if not (partial / name).exists()]:
        go_mod_path = tools.module / "go.mod"
        raise ToolsError(
            f"the build of {tools.what} made no {', '.join(missing)}: expected {go_mod_path} to list it."
        )
    # A set is used once all of its binaries are there, and each appears whole.
    directory.mkdir(exist_ok=True)
    for name in tools.names:
        (partial / name).replace(directory / name)
    print(f"Built in {time.monotonic() - started:.0f} s.", flush=True)


def run_with_progress(command: list[str], folder: Path, what: str, *, environment: dict[str, str]) -> None:
    """Run Go, saying now and then how far it is; `-v` gives one line for each package.

    Parameters
    ----------
    command
        Go with its arguments.
    folder
        Where its go.mod is.
    what
        What it builds, for the user.
    environment
        Its variables.

    Raises
    ------
    DownloadError, ToolsError
        When a download or the build fails.
    """
    last_lines: deque[str] = deque(maxlen=15)
    packages = 0
    said = started = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
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
        shown = "".join(last_lines)
        print(shown, end="", flush=True)
        error = DownloadError if NETWORK.search(shown) else ToolsError
        raise error(
            f"the build of {what} failed with status {process.returncode}; Go's last lines are above."
        )
