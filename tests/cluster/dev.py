"""``make dev``: a control plane with the operator and the gateway, held until Ctrl-C."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from hack.build.toolset import ensure_tools
from tests.cluster.cluster import MANIFESTS
from tests.cluster.control_plane import ControlPlane
from tests.cluster.gateway.on_loopback import STUB_PORT
from tests.cluster.gateway.process import GatewayProcess, StubWorkers
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.ports import free_ports
from tests.cluster.shown import create_key
from tests.cluster.webhooks import (
    policy,
    shipped,
    webhook_configurations,
    webhook_environment,
    write_certificate,
)

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

COMMANDS = Path(sys.executable).parent
STUB_SAYS = "This is a stub, no model."
KEY_NAME = "dev"
CALLERS = MANIFESTS.parent / "gateway" / "people.yaml"
"""The ClusterRole by which editors and admins of a namespace call its models."""


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
            installed = [*webhook_configurations(port, authority), *policy(), *shipped("people.yaml")]
            cluster.kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump_all(installed))
            cluster.kubectl("apply", "--server-side", "-f", str(CALLERS))
            path = folder / f"{KEY_NAME}.key"
            path.touch(mode=0o600)
            key, notes = create_key(cluster.kubectl, KEY_NAME)
            path.write_text(key)
            print(instructions(cluster, gateway, path, notes), flush=True)
            try:
                while operator.running and gateway.running:
                    time.sleep(0.2)
            except KeyboardInterrupt:
                print("\nStopping…", flush=True)
                return
            operator.check_running()
            gateway.check_running()


def instructions(cluster: Cluster, gateway: GatewayProcess, key: Path, notes: str) -> str:
    """Return what to do in another terminal."""
    url = gateway.url
    noted = "\n".join(f"# {line}" for line in notes.splitlines())
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

{noted}
curl -N {url}/v1/chat/completions \\
  -H "Authorization: Bearer $(cat {key})" -H 'Content-Type: application/json' \\
  -d '{{"model": "qwen-chat", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}'

The REST API (docs/rest-api.md) has the same address: export SGP_CLIENT_BASE_URL={url}
In a browser: {url} shows the models, and {url}/docs the API.
The metrics of the gateway: {gateway.health_url}/metrics
The logs: {cluster.directory}/operator.log and gateway.log
Ctrl-C stops everything and removes its files."""
