"""Records what a real node says of each failure: ``python -m tests.failures.record [NAME…]``.

The files in ``recorded/`` are what the pure tests of causes read: a kubelet's own words, and not what
somebody remembers of them.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import wait_for
from tests.failures.catalog import FAILURES, Snapshot
from tests.failures.live import bring_about, wait_until_complete

if TYPE_CHECKING:
    from tests.cluster.kube_api import Object

RECORDED = Path(__file__).with_name("recorded")
DEADLINE_SECONDS = 240.0


def load(name: str) -> Snapshot:
    """Read what was recorded of a failure."""
    return Snapshot(**yaml.safe_load((RECORDED / f"{name}.yaml").read_text()))


def record(name: str, api: KubeApi) -> None:
    """Bring a failure about in a namespace of its own, and write down what is seen of it."""
    inside = api.in_namespace(name)
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    wait_for(lambda: inside.find("ServiceAccount", "default"), message=f"ServiceAccount of {name}")
    bring_about(FAILURES[name], inside)
    seen = wait_until_complete(FAILURES[name], inside, DEADLINE_SECONDS)
    parts = {
        "deployment": _stored(seen.deployment),
        "pods": [_stored(pod) for pod in seen.pods],
        "events": [_stored(event) for event in seen.events],
        "claims": [_stored(claim) for claim in seen.claims],
    }
    RECORDED.mkdir(exist_ok=True)
    (RECORDED / f"{name}.yaml").write_text(yaml.safe_dump(parts, sort_keys=False, width=110))
    print(f"recorded {name}", flush=True)


def _stored(obj: Object) -> Object:
    """Give an object without the bookkeeping that no decision is about."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


def main(names: list[str]) -> None:
    """Record the failures `names`, all of them when there is none."""
    with ControlPlane.start(real_node=True) as cluster:
        log = cluster.directory / "operator.log"
        with OperatorProcess.start(cluster.operator_kubeconfig(), log=log), ThreadPoolExecutor(8) as pool:
            api = KubeApi(cluster.kubeconfig)
            list(pool.map(lambda name: record(name, api), names or FAILURES))
            api.close()


if __name__ == "__main__":
    main(sys.argv[1:])
