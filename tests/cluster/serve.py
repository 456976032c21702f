"""The process that holds one control plane: ``python -m tests.cluster.serve DIRECTORY [OPTION…]``.

``--without-crds`` leaves our CRDs out, ``--real-node`` gives it a node that runs containers, ``--bare``
neither nodes nor controllers, and an audit log that has reads, too; ``--audit-reads`` gives it that alone.
``--admission-config=FILE`` is the API server's AdmissionConfiguration.

It starts the components, makes the file ``ready`` when they are, and on SIGTERM stops them in order and
removes DIRECTORY. Being a process of its own it does so even when the program that wanted
the control plane is killed. After a failed start the folder stays, for its logs: the caller removes it.
"""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hack.build.toolset import ensure_tools
from tests.cluster.components import CONFIG, Components
from tests.cluster.kubectl import KubectlError
from tests.cluster.nodes.none import NoNodes
from tests.cluster.nodes.real import RealNode
from tests.cluster.nodes.simulated import SimulatedNodes
from tests.cluster.processes import ProcessError

if TYPE_CHECKING:
    from tests.cluster.nodes.kind import Nodes

READY = "ready"


class _Stopped(Exception):  # noqa: N818 -- a request, not an error
    """SIGTERM has arrived."""


def serve(
    directory: Path,
    *,
    crds: bool,
    real_node: bool,
    bare: bool,
    audit_reads: bool,
    admission_config: Path | None,
) -> int:
    """Hold a control plane in `directory` until SIGTERM; give the exit status."""

    def stop(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise _Stopped

    signal.signal(signal.SIGTERM, stop)
    tools = ensure_tools()
    nodes: Nodes
    if bare:
        nodes = NoNodes()
    else:
        nodes = RealNode(directory, tools) if real_node else SimulatedNodes(directory, tools)
    policy = "audit-policy-with-reads.yaml" if bare or audit_reads else "audit-policy.yaml"
    components = Components(
        directory, tools, nodes, audit_policy=CONFIG / policy, admission_config=admission_config
    )
    try:
        components.start(crds=crds)
        (directory / READY).touch()
        while True:
            signal.pause()
    except _Stopped:
        components.stop()
        shutil.rmtree(directory, ignore_errors=True)
        return 0
    except (ProcessError, KubectlError) as error:
        components.stop()
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    options = sys.argv[2:]
    status = serve(
        Path(sys.argv[1]),
        crds="--without-crds" not in options,
        real_node="--real-node" in options,
        bare="--bare" in options,
        audit_reads="--audit-reads" in options,
        admission_config=next(
            (Path(each.partition("=")[2]) for each in options if each.startswith("--admission-config=")), None
        ),
    )
    sys.exit(status)
