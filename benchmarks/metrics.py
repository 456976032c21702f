"""Shows what counting costs: ``python -m benchmarks.metrics``, without a control plane.

Each line is the best of five runs, as other processes can only make it slower.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from yarl import URL

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.metrics.instruments import Metrics, Result
from model_operator.controller.metrics.requests import RequestCounter
from model_operator.controller.metrics.state import StateCollector
from model_operator.controller.queue import WorkQueue
from model_operator.kube.resources import CHILD_KINDS, MODEL_INSTANCES

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 5
TIMES = 20_000
INSTANCES = 10_000
APPLY = URL("https://10.0.0.1/apis/apps/v1/namespaces/team/deployments/demo?force=true")


def seconds(run: Callable[[], object]) -> float:
    """Give the shortest time that a run took."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def looks() -> None:
    """Count looks at instances."""
    metrics = Metrics()
    for _ in range(TIMES):
        metrics.reconciled(MODEL_INSTANCES.kind, Result.DONE, 0.01)


def requests() -> None:
    """Count requests, without sending any."""
    counter = RequestCounter(Metrics())
    for _ in range(TIMES):
        counter.started("PATCH", APPLY, "application/apply-patch+yaml").answered(200)


def scrape() -> Callable[[], object]:
    """Give a function that answers one scrape with many instances in the cache."""
    state = ClusterState()
    ready = {"type": "Ready", "status": "True", "reason": "RolledOut"}
    for number in range(INSTANCES):
        metadata = {"namespace": "team", "name": f"i{number}", "uid": f"u{number}", "resourceVersion": "1"}
        state.instances.put(
            {"kind": "ModelInstance", "metadata": metadata, "spec": {}, "status": {"conditions": [ready]}}
        )
    metrics = Metrics()
    kinds = (MODEL_INSTANCES, *CHILD_KINDS)
    metrics.registry.register(StateCollector(state, WorkQueue(), kinds, lambda: None))
    return lambda: generate_latest(metrics.registry)


def main() -> None:
    """Print the table."""
    print(f"one reconcile              {seconds(looks) / TIMES * 1e6:6.1f} µs")
    print(f"one request to the server   {seconds(requests) / TIMES * 1e6:6.1f} µs")
    print(f"a scrape, {INSTANCES:,} instances {seconds(scrape()) * 1e3:7.1f} ms")


if __name__ == "__main__":
    main()
