"""The commands behind ``make tools``, ``dev``, ``demo`` and ``demo-real``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import yaml

from hack.build.go_toolchain import ToolsError
from hack.build.image_python import image_python
from hack.build.operator_image import ensure_operator_image
from hack.build.toolset import ensure_helm, ensure_tools
from tests.cluster.chat import CHAT
from tests.cluster.control_plane import ControlPlane
from tests.cluster.demo import demo
from tests.cluster.demo_real import demo_real
from tests.cluster.embedding import SERVER
from tests.cluster.interrupts import stop_on_signals
from tests.cluster.kubectl import KubectlError
from tests.cluster.nodes.real import ensure_real_node
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.ports import free_ports
from tests.cluster.processes import ProcessError
from tests.cluster.shown import DemoError
from tests.cluster.webhooks import (
    policy,
    webhook_configurations,
    webhook_environment,
    write_certificate,
)

INTERRUPTED = 130
COMMANDS = Path(sys.executable).parent


def dev() -> None:
    """Hold a control plane with the operator until Ctrl-C."""
    ensure_tools()
    print("Starting a control plane and the operator…", flush=True)
    with ControlPlane.start() as cluster:
        log = cluster.directory / "operator.log"
        (port,) = free_ports(1)
        authority = write_certificate(cluster.directory)
        admission = webhook_environment(port, cluster.directory)
        with OperatorProcess.start(cluster.operator_kubeconfig(), log=log, environment=admission) as operator:
            webhooks = [*webhook_configurations(port, authority), *policy()]
            cluster.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(webhooks))
            print(
                "Up: a real Kubernetes API server and controllers, the CRDs, the operator and its webhooks.\n"
                "The nodes are simulated: pods become Ready, but no container runs.\n\n"
                "In another terminal:\n\n"
                f"export KUBECONFIG={cluster.kubeconfig}\n"
                f"export PATH={cluster.tools.directory}:{COMMANDS}:$PATH   # kubectl, model-operator\n\n"
                "kubectl apply -k manifests/samples\n"
                "kubectl get models\n\n"
                f"The operator's log: {log}\n"
                "Ctrl-C stops everything and removes its files.",
                flush=True,
            )
            try:
                while operator.running:
                    time.sleep(0.2)
            except KeyboardInterrupt:
                print("\nStopping…", flush=True)
                return
            operator.check_running()


def tools() -> None:
    """Build what the tests on simulated nodes take."""
    ensure_tools()
    ensure_helm()


def real_node_tools() -> None:
    """Get what the tests with real containers take, or say why they will be skipped."""
    try:
        ensure_real_node()
        SERVER.ensure_image()
        CHAT.ensure_image()
    except ToolsError as error:
        print(f"NO REAL NODE: the tests with real containers will be skipped: {error}", file=sys.stderr)


def operator_image() -> None:
    """Build the operator's image, or say why it cannot be built here."""
    try:
        ensure_real_node()
    except ToolsError as error:
        print(f"NO REAL NODE: the end-to-end tests will be skipped: {error}", file=sys.stderr)
        return
    ensure_operator_image()


def python() -> None:
    """Get the Python of the operator's image, and say where it is."""
    print(image_python())


def main() -> int:
    """Run one command; give the exit status: 0, 1 after an error that was printed, 130 when interrupted."""
    commands = {
        "tools": tools,
        "real-node-tools": real_node_tools,
        "operator-image": operator_image,
        "image-python": python,
        "dev": dev,
        "demo": demo,
        "demo-real": demo_real,
    }
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("command", choices=commands)
    command = commands[parser.parse_args().command]
    stop_on_signals()
    try:
        command()
    except (DemoError, KubectlError, ProcessError, ToolsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; everything is stopped.", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
