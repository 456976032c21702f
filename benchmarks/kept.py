"""Shows what one instance with large notes takes of memory, and for how long it holds the event loop.

``python -m benchmarks.kept`` runs it. The instance has 1.17 MB of ``deployment_metadata`` in small pieces.
It comes as an event of a watch, and then comes again.
"""

from __future__ import annotations

import gc
import time
import tracemalloc

import orjson

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.queue import WorkQueue
from model_operator.controller.scope import Key, Scope
from model_operator.controller.watch.triggers import Triggers
from model_operator.core.templates.parsing import parse_instance
from model_operator.core.values.json_reading import read_json
from model_operator.kube.resources import MODEL_INSTANCES

NOTES = 97_000
REPEATS = 5


def event(version: int) -> bytes:
    """Give one line of a watch."""
    notes: dict[str, list[str]] = {f"{number:06}": [] for number in range(NOTES)}
    metadata = {
        "namespace": "team",
        "name": "a",
        "uid": "u",
        "resourceVersion": str(version),
        "generation": 1,
    }
    deployments = [{"name": "a", "deployment_metadata": {"notes": notes}}]
    spec = {"model_template_id": "encoder", "deployments": deployments}
    return orjson.dumps({"type": "MODIFIED", "object": {"metadata": metadata, "spec": spec}})


def main() -> None:
    """Print the figures."""
    state = ClusterState()
    queue: WorkQueue[Key] = WorkQueue()
    triggers = Triggers(state, queue, Scope([], []))
    print(f"the event: {len(event(1)) / 1e6:.2f} MB")
    line = event(1)
    tracemalloc.start()
    triggers.observe(MODEL_INSTANCES, "MODIFIED", read_json(line)["object"])
    gc.collect()
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"kept in the cache: {kept / 2**20:.3f} MiB; at most, meanwhile: {peak / 2**20:.1f} MiB")
    taken = []
    for version in range(2, 2 + REPEATS):
        line = event(version)
        gc.collect()
        begin = time.process_time()
        triggers.observe(MODEL_INSTANCES, "MODIFIED", read_json(line)["object"])
        obj = state.instances.get("team", "a")
        if obj is not None:
            parse_instance(obj)
        taken.append(time.process_time() - begin)
    print(f"the event loop is held by each event: {min(taken) * 1000:.0f} ms of CPU time")


if __name__ == "__main__":
    main()
