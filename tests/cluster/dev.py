"""``make dev``: a control plane with the operator and the gateway, held until Ctrl-C."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from hack.build.toolset import ensure_tools
from tests.cluster.control_plane import ControlPlane
from tests.cluster.gateway.on_loopback import STUB_PORT
from tests.cluster.gateway.process import GatewayProcess, StubWorkers
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.ports import free_ports
from tests.cluster.shown import create_key
from tests.cluster.webhooks import (
    policy,
    webhook_configurations,
    webhook_environment,
    write_certificate,
)

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

COMMANDS = Path(sys.executable).parent
STUB_SAYS = "This is a stub, no model."
KEY_NAME = "dev"


def dev() -> None:
    """Hold a control plane with the operator, the gateway and a stub of all models, until Ctrl-C.

    Raises
    ------
    ProcessError
        When one of them does not start, or ends.
    """
    ensure_tools()
    print("Starting a control plane, the operator and the gateway…", flush=True)
    with ControlPlane.start() as cluster:
        folder = cluster.directory
        (port,) = free_ports(1)
        authority = write_certificate(folder)
        admission = webhook_environment(port, folder)
        with (
            OperatorProcess.start(
                cluster.operator_kubeconfig(), log=folder / "operator.log", environment=admission
            ) as operator,
            StubWorkers(folder / "stub.log", STUB_SAYS) as stub,
            GatewayProcess.start(
                cluster.gateway_kubeconfig(),
                log=folder / "gateway.log",
                environment={STUB_PORT: str(stub.port)},
            ) as gateway,
        ):
            webhooks = [*webhook_configurations(port, authority), *policy()]
            cluster.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(webhooks))
            key = folder / f"{KEY_NAME}.key"
            key.touch(mode=0o600)
            key.write_text(create_key(cluster.kubectl, KEY_NAME))
            print(instructions(cluster, gateway.url, key), flush=True)
            try:
                while operator.running and gateway.running:
                    time.sleep(0.2)
            except KeyboardInterrupt:
                print("\nStopping…", flush=True)
                return
            operator.check_running()
            gateway.check_running()


def instructions(cluster: Cluster, url: str, key: Path) -> str:
    """Return what to do in another terminal."""
    return f"""\
Up: a real Kubernetes API server and controllers, the CRDs, the operator with its webhooks, and the gateway.
The nodes are simulated: pods become Ready, but no container runs.

In another terminal:

export KUBECONFIG={cluster.kubeconfig}
export PATH={cluster.tools.directory}:{COMMANDS}:$PATH   # kubectl, model-operator

kubectl apply -k manifests/samples
kubectl get models

The gateway is at {url}. Since no model runs, a STUB answers for every simulated pod:
requests take the real way through the gateway, and the answers are made up. Once the samples are Ready:

curl -N {url}/v1/chat/completions \\
  -H "Authorization: Bearer $(cat {key})" -H 'Content-Type: application/json' \\
  -d '{{"model": "qwen-chat", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}'

The logs: {cluster.directory}/operator.log and gateway.log
Ctrl-C stops everything and removes its files."""
