"""An operator with a fleet in memory, in a process of its own: ``python -m benchmarks.simulation.fleet``.

All of the operator is real but kopf and its connection: caches, queue, workers, reconcilers, rendering.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import objects
from benchmarks.objects import NAMESPACE
from benchmarks.simulation.memory_server import MemoryServer
from model_operator.api import TemplateKind
from model_operator.controller.metrics.instruments import Metrics
from model_operator.controller.operator import Operator
from model_operator.controller.scope import Key, Scope
from model_operator.kube.client import ApiClient
from model_operator.kube.resources import (
    CHILD_KINDS,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    REVISION_KINDS,
    TEMPLATE_KINDS,
)
from model_operator.process.logs import configure_logging
from model_operator.settings import LogFormat, LogLevel, OperatorSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.objects import Object
    from model_operator.controller.cache.cluster_state import ClusterState
    from model_operator.controller.queue import WorkQueue
    from model_operator.controller.reconcile.templates import TemplateReconciler
    from model_operator.controller.reconcile.worker_pool import WorkerPool
    from model_operator.controller.watch.resync import Resync
    from model_operator.controller.watch.triggers import Triggers

SAMPLE = "sample.json"
HASHES = "hashes"
"""Files of the folder: the objects by kind, and what `write_hashes` writes."""
_MOST_BYTES = 4 * 2**30
"""Address space of the process: a mistake must not take the machine's memory."""
_EDITED = "cpu-1.9.9"
_POLL_SECONDS = 0.05
_QUIET_SECONDS = 2.0
"""Longer than a template's counts wait."""

Figures = dict[str, Any]


class Fleet:
    """An operator and its server.

    Parameters
    ----------
    sample
        The objects of one instance by kind.
    hashes
        The file with the hashes of the copies.
    count
        The number of instances.
    """

    def __init__(self, sample: Mapping[str, Object], hashes: Path, count: int) -> None:
        self._count = count
        self._server = MemoryServer(sample, hashes, count)
        kinds = (*REVISION_KINDS, *TEMPLATE_KINDS, MODEL_INSTANCES, *CHILD_KINDS)
        settings = OperatorSettings()
        operator = Operator(settings, self._server, ApiClient(self._server), Scope([], []), kinds, Metrics())
        # What kopf's handlers do is done here by hand.
        parts = vars(operator)
        self._resync: Resync = parts["_resync"]
        self._triggers: Triggers = parts["_triggers"]
        self._queue: WorkQueue[Key] = parts["_queue"]
        self._state: ClusterState = parts["_state"]
        self._pool: WorkerPool = parts["_workers"]
        self._templates: TemplateReconciler = vars(self._pool)["_templates"]
        self._workers = settings.workers

    async def measure(self) -> Figures:
        """Fill the caches, look at all instances twice, resync, and decide on an edit of their template."""
        before = _resident_mb()
        begin = time.process_time()
        await self._resync.fill()
        figures: Figures = {
            "instances": self._count,
            "start_mb": round(before, 1),
            "fill_cpu_seconds": _since(begin),
            "filled_mb": round(_resident_mb(), 1),
            "listed_mb": round(self._server.sent / 1e6, 1),
        }
        self._queue.open()
        workers = asyncio.create_task(self._pool.run(self._workers))
        for name in ("first_look", "later_look"):
            figures[f"{name}_cpu_seconds"] = await self._look()
        workers.cancel()
        await asyncio.gather(workers, return_exceptions=True)
        figures["writes"] = dict(self._server.writes)
        sent, begin = self._server.sent, time.process_time()
        await self._resync.prune()
        figures["resync_cpu_seconds"] = _since(begin)
        figures["resync_mb"] = round((self._server.sent - sent) / 1e6, 1)
        figures |= await self._decide()
        figures["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
        return figures

    async def _look(self) -> float:
        """Reconcile everything, and give the CPU seconds until nothing is left to do."""
        begin = time.process_time()
        self._triggers.enqueue_all()
        quiet = 0.0
        while quiet < _QUIET_SECONDS:
            await asyncio.sleep(_POLL_SECONDS)
            load = self._queue.load()
            quiet = 0.0 if load.waiting or load.active else quiet + _POLL_SECONDS
        return _since(begin)

    async def _decide(self) -> Figures:
        """Edit the template with a roll-out in steps, and give the CPU seconds of two decisions on it."""
        cached = self._state.cache_of(MODEL_TEMPLATES).get(NAMESPACE, objects.template()["metadata"]["name"])
        assert cached is not None
        edited = deepcopy(cached)
        metadata = edited["metadata"]
        metadata |= {
            "generation": metadata["generation"] + 1,
            "resourceVersion": str(int(metadata["resourceVersion"]) + 1),
        }
        edited["spec"]["rollout"] = objects.in_steps()
        edited["spec"]["vendor_configuration"]["bundle_config"]["tag"] = _EDITED
        self._server.template = edited
        self._triggers.observe(MODEL_TEMPLATES, "MODIFIED", edited)
        taken = {}
        for name in ("first", "later"):
            begin = time.process_time()
            await self._templates.reconcile(TemplateKind.MODEL_TEMPLATE, NAMESPACE, metadata["name"])
            taken[f"{name}_decision_cpu_seconds"] = _since(begin)
        return taken


def _since(begin: float) -> float:
    return round(time.process_time() - begin, 2)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Measure as many instances as the second argument says, of the sample in the folder of the first."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    # As with an operator in a cluster: lines of single objects are written, too.
    configure_logging(LogFormat.JSON, LogLevel.INFO, sys.stderr)
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    sample = json.loads((folder / SAMPLE).read_text())
    fleet = Fleet(sample, folder / HASHES, count)
    print(json.dumps(asyncio.run(fleet.measure())))


if __name__ == "__main__":
    main()
