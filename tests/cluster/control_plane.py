"""The embedded control plane: a real Kubernetes API server with simulated nodes, without Docker."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hack.build.toolset import ensure_tools
from tests.cluster.audit import audit_events
from tests.cluster.cluster import Cluster
from tests.cluster.nodes.real import ensure_real_node
from tests.cluster.processes import Process, ProcessError
from tests.cluster.serve import READY

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 120.0
# Longer than all components' grace periods together.
STOP_SECONDS = 60.0


class ControlPlane(Cluster):
    """A running control plane; also a context manager that stops it.

    Use `start` or `attach`. It is stopped and its folder removed by `stop`, and also when the owner given to
    `start` ends in whatever way.

    Parameters
    ----------
    directory
        The folder with all its files.
    process
        The process that holds it, when this object is to stop it.
    """

    def __init__(self, directory: Path, process: Process | None = None) -> None:
        super().__init__(directory / "admin.kubeconfig", directory, ensure_tools())
        self._process = process

    @classmethod
    def start(
        cls,
        *,
        directory: Path | None = None,
        crds: bool = True,
        owner: int | None = None,
        real_node: bool = False,
        bare: bool = False,
        audit_reads: bool = False,
        admission_config: Path | None = None,
    ) -> Self:
        """Start a control plane: three to five seconds once the tools are built.

        Parameters
        ----------
        directory
            A folder that does not exist yet; default: a new temporary one.
        crds
            Whether to apply the project's CRDs before the controllers start.
        owner
            The process id with whose end the control plane ends too; default: the caller's.
        real_node
            Whether its node is to run containers; see `tests.cluster.nodes.real`.
        bare
            Whether there are to be neither nodes nor controllers, and an audit log that has reads, too.
        audit_reads
            Whether the audit log is to have reads, too.
        admission_config
            File with the API server's AdmissionConfiguration.

        Raises
        ------
        ToolsError
            When the tools cannot be built, or this machine can run no real node.
        ProcessError
            When a component does not get ready; the message ends with its log.
        """
        ensure_tools()
        if real_node:
            ensure_real_node()
        if directory is None:
            directory = Path(tempfile.mkdtemp(prefix="model-operator-"))
        else:
            directory.mkdir()
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "tests.cluster.serve",
            directory,
            *([] if crds else ["--without-crds"]),
            *(["--real-node"] if real_node else []),
            *(["--bare"] if bare else []),
            *(["--audit-reads"] if audit_reads else []),
            *([f"--admission-config={admission_config}"] if admission_config is not None else []),
        ]
        process = Process("the control plane", command, log=directory / "serve.log", owner=owner)
        try:
            process.wait_until((directory / READY).exists, what="ready", seconds=START_SECONDS)
        except ProcessError as error:
            process.stop(STOP_SECONDS)
            shutil.rmtree(directory, ignore_errors=True)
            raise ProcessError(str(error)) from None
        except BaseException:
            process.stop(STOP_SECONDS)
            raise
        return cls(directory, process)

    @classmethod
    def attach(cls, directory: Path) -> Self:
        """Use the control plane that another process has started in `directory`."""
        return cls(directory)

    @property
    def pid(self) -> int | None:
        """The id of the process to end, or None when this object does not hold it."""
        return self._process.pid if self._process else None

    @property
    def etcd_url(self) -> str:
        """Where etcd listens."""
        return (self.directory / "etcd.url").read_text()

    def audit_events(self) -> Iterator[dict[str, Any]]:
        """Give every request logged so far, by default writes; see `tests.cluster.audit.audit_events`."""
        return audit_events(self.directory / "audit.log")

    def stop(self) -> None:
        """Stop all processes, kube-apiserver before etcd, and remove the folder."""
        if self._process is not None:
            self._process.stop(STOP_SECONDS)
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        """Give the control plane itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()
