"""What all tests of one run share: a control plane and an operator, under pytest-xdist too.

The process that controls the run (xdist's controller, or the only one) makes the run's folder. Whichever
process first needs a control plane starts it, under a lock, owned by the controlling process; the others
find its process id in the folder. The controlling process stops everything at the end.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import tempfile
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from hack.build.cache import exclusive
from hack.build.toolset import cached_tools
from tests.cluster.cluster import Cluster, existing_cluster
from tests.cluster.control_plane import STOP_SECONDS, ControlPlane
from tests.cluster.operator_process import OperatorProcess

PRIVATE_NAMESPACES = "mo-private-*"


class SharedRun:
    """One test run.

    Parameters
    ----------
    directory
        The run's folder.
    owner
        The id of the process that controls the run.
    real_node
        Whether its control plane has a node that runs containers.
    """

    def __init__(self, directory: Path, owner: int, *, real_node: bool = False) -> None:
        self.directory = directory
        self.owner = owner
        self._real_node = real_node
        # Kept, as a Popen object warns when it goes while its process runs.
        self._started: list[ControlPlane | OperatorProcess] = []

    @classmethod
    def begin(cls) -> SharedRun:
        """Begin a run that the calling process controls; it must call `end`."""
        return cls(Path(tempfile.mkdtemp(prefix="model-operator-tests-")), os.getpid())

    @cached_property
    def with_real_node(self) -> SharedRun:
        """The same run's second control plane, with an operator of its own."""
        return SharedRun(self.directory / "real-node", self.owner, real_node=True)

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster that all tests use; the first call of the run starts it, unless the user names one."""
        tools = cached_tools()
        if tools is None:
            raise LookupError("the control plane's tools are not built yet: run `make tools`.")
        kubeconfig = None if self._real_node else existing_cluster()
        with exclusive(self.directory / "lock"):
            if kubeconfig is not None:
                cluster = Cluster(kubeconfig, self.directory, tools)
                cluster.apply_crds()
                return cluster
            directory = self.directory / "control-plane"
            if not directory.exists():
                started = ControlPlane.start(directory=directory, owner=self.owner, real_node=self._real_node)
                (self.directory / "control-plane.pid").write_text(str(started.pid))
                self._started.append(started)
            return ControlPlane.attach(directory)

    @cached_property
    def operator_kubeconfig(self) -> Path:
        """The kubeconfig under which operators run: the operator's own ServiceAccount."""
        cluster = self.cluster
        path = self.directory / "operator.kubeconfig"
        with exclusive(self.directory / "lock"):
            if not path.exists():
                cluster.operator_kubeconfig().rename(path)
        return path

    @property
    def operator_log(self) -> Path:
        """The log of the shared operator; missing until it is started."""
        return self.directory / "operator.log"

    def start_operator(self) -> None:
        """Start the operator that serves all namespaces but `PRIVATE_NAMESPACES`, unless that is done."""
        kubeconfig = self.operator_kubeconfig
        pid_file = self.directory / "operator.pid"
        with exclusive(self.directory / "lock"):
            if not pid_file.exists():
                arguments = ("--exclude-namespace", PRIVATE_NAMESPACES)
                operator = OperatorProcess.start(
                    kubeconfig, *arguments, log=self.operator_log, owner=self.owner
                )
                pid_file.write_text(str(operator.pid))
                self._started.append(operator)

    def end(self) -> None:
        """Stop what runs, the operator first, and remove the run's folder."""
        if not self._real_node:
            self.with_real_node.end()
        for name in ("operator.pid", "control-plane.pid"):
            pid_file = self.directory / name
            if pid_file.exists():
                _stop(int(pid_file.read_text()))
        shutil.rmtree(self.directory, ignore_errors=True)


def _stop(pid: int) -> None:
    """Stop a process that is not our child, and wait for its end."""
    with suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(process, signal.SIGTERM)
            poller = select.poll()
            poller.register(process, select.POLLIN)
            if not poller.poll(STOP_SECONDS * 1000):
                signal.pidfd_send_signal(process, signal.SIGKILL)
        finally:
            os.close(process)
