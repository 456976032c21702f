"""Measures what a reconcile of an instance costs that finds nothing to do: ``make bench-looks``.

After a restart every instance is looked at once, and at each resync again. The instances are Ready and their
children as desired, in caches that are filled as after a restart; the API server is one in memory that would
refuse to change anything. So the figures have no requests in them, and no watches: the CPU time of the
operator's own work, in the quickest of several rounds, since other processes only ever add time.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import sys
import time
from typing import TYPE_CHECKING, Any, cast

from benchmarks import objects, report
from benchmarks.aims import verdicts
from benchmarks.client import BenchError, reported
from benchmarks.distribution import written
from benchmarks.stage import rolled_out
from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.metrics.instruments import Metrics, Result
from model_operator.controller.queue import WorkQueue
from model_operator.controller.reconcile.instances import InstanceReconciler
from model_operator.controller.reconcile.worker_pool import WorkerPool
from model_operator.controller.scope import Key, Scope
from model_operator.controller.watch.triggers import Triggers
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.revisions.objects import revision_object
from model_operator.kube.client import ApiClient, Object
from model_operator.kube.resources import (
    CHILD_KINDS,
    MODEL_INSTANCES,
    MODEL_TEMPLATES,
    REVISION_KINDS,
    ResourceKind,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model_operator.controller.reconcile.templates import TemplateReconciler

COUNT = 1000
ROUNDS = 7
WORKERS = 16
_SECONDS_FOR_EACH = 0.1
_START_SECONDS = 60.0
_CREATED = "2026-01-01T09:00:00Z"
_REVISIONS = next(kind for kind in REVISION_KINDS if kind.kind == "ModelTemplateRevision")
_KINDS = {kind.kind: kind for kind in (MODEL_TEMPLATES, _REVISIONS, MODEL_INSTANCES, *CHILD_KINDS)}
_POD_DEFAULTS = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30,
}
_CONTAINER_DEFAULTS = {
    "imagePullPolicy": "IfNotPresent",
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}


class Server(ApiClient):
    """An API server in memory that has what the operator writes, and rolls Deployments out at once.

    Attributes
    ----------
    objects
        By kind and name.
    writes
        The number of writes.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.writes = 0
        self._versions = itertools.count(1)

    def put(self, obj: Mapping[str, Any]) -> Object:
        """Store an object in a new version."""
        name, version = obj["metadata"]["name"], next(self._versions)
        given = {"uid": f"uid-{version}", "generation": 1, "creationTimestamp": _CREATED, **obj["metadata"]}
        stored = {**obj, "metadata": {**given, "resourceVersion": str(version)}}
        self.objects[obj["kind"], name] = stored
        return stored

    async def apply(self, kind: ResourceKind, obj: Mapping[str, Any], **_: Any) -> Object:
        """Create a child as the API server does."""
        del kind
        self.writes += 1
        metadata = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
        return self.put(_with_defaults(json.loads(json.dumps({**obj, "metadata": metadata}))))

    async def patch_status(
        self, kind: ResourceKind, namespace: str, name: str, status: Mapping[str, Any], resource_version: str
    ) -> Object:
        """Store a status; one such patch has no field to remove, that of an instance that was just made."""
        del namespace, resource_version
        self.writes += 1
        live = self.objects[kind.kind, name]
        merged = {**live.get("status", {}), **status}
        return self.put({**live, "status": {key: each for key, each in merged.items() if each is not None}})


def _with_defaults(obj: Object) -> Object:
    """Return a child with fields that the API server adds, so that its parts differ from what was sent."""
    if obj["kind"] == "Service":
        obj["spec"] |= {"clusterIP": "10.0.0.1", "internalTrafficPolicy": "Cluster"}
    if obj["kind"] == "Deployment":
        pod = obj["spec"]["template"]["spec"]
        for container in pod["containers"]:
            container |= {name: each for name, each in _CONTAINER_DEFAULTS.items() if name not in container}
        pod |= {name: each for name, each in _POD_DEFAULTS.items() if name not in pod}
        obj["status"] = rolled_out({**obj, "metadata": {**obj["metadata"], "generation": 1}})
    return obj


class NoScheduler:
    """Schedules nothing: what is measured is one look at each instance."""

    def requeue_after(self, namespace: str, name: str, delay: float) -> None:
        """Do nothing."""

    def requeue_behind_waiting(self, namespace: str, name: str) -> bool:
        """Return that no key waits."""
        del namespace, name
        return False

    def announce(self, template: Object) -> None:
        """Do nothing."""

    def update_template_counts(self, uid: str | None) -> None:
        """Do nothing."""

    def requeue_template_after(self, template: Object, delay: float) -> None:
        """Do nothing."""


class Looks(Metrics):
    """Counts reconciles, and notes when there have been as many as expected.

    Attributes
    ----------
    failed
        The number of those that were not done.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failed = 0
        self._left = 0
        self._done = asyncio.Event()

    def expect(self, count: int) -> asyncio.Event:
        """Return the event that is set after so many reconciles."""
        self._left, self._done = count, asyncio.Event()
        return self._done

    def reconciled(self, kind: str, result: Result, seconds: float) -> None:
        """Count a reconcile."""
        super().reconciled(kind, result, seconds)
        self.failed += result is not Result.DONE
        self._left -= 1
        if not self._left:
            self._done.set()


class Operator:
    """What an operator holds in memory, from caches to workers; without its reconciler of templates.

    Parameters
    ----------
    server
        The API server.
    """

    def __init__(self, server: Server) -> None:
        scope = Scope([], [])
        self._server = server
        self._state = ClusterState(stored=scope.stored_revisions)
        self._queue: WorkQueue[Key] = WorkQueue(group_of=lambda key: key.namespace, workers=WORKERS)
        self._triggers = Triggers(self._state, self._queue, scope)
        self._looks = Looks()
        reconciler = InstanceReconciler(server, self._state, RenderSettings(), NoScheduler(), lambda _: None)
        # No template is in the queue.
        self._workers = WorkerPool(self._queue, reconciler, cast("TemplateReconciler", None), self._looks)

    def fill(self, copies: Mapping[str, list[Object]]) -> None:
        """Fill the caches with lists, of which no two objects share a part."""
        self._queue.close()
        for kind, listed in copies.items():
            for obj in listed:
                self._triggers.observe(_KINDS[kind], None, obj)
        self._queue.open()

    async def look(self) -> float:
        """Reconcile each instance once; return the seconds of CPU time."""
        keys = [
            Key(MODEL_INSTANCES.kind, each["metadata"]["namespace"], each["metadata"]["name"])
            for each in self._state.instances
        ]
        begin = time.process_time()
        all_done = self._looks.expect(len(keys))
        for key in keys:
            self._queue.add(key)
        workers = asyncio.create_task(self._workers.run(WORKERS))
        try:
            async with asyncio.timeout(_SECONDS_FOR_EACH * len(keys) + _START_SECONDS):
                await all_done.wait()
        except TimeoutError as error:
            raise BenchError("not all instances have been reconciled in time") from error
        seconds = time.process_time() - begin
        workers.cancel()
        await asyncio.gather(workers, return_exceptions=True)
        if self._looks.failed:
            raise BenchError(f"{self._looks.failed} of {len(keys)} reconciles failed")
        return seconds


async def measure(count: int = COUNT, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure looks with nothing to do.

    Parameters
    ----------
    count, rounds
        Number of instances, and of rounds of which the quickest counts.

    Returns
    -------
    dict
        ``instances``; the CPU time in ms for each instance of the first look after a restart (``first_ms``),
        and of a later one (``ms``); and ``fill_ms``, that of filling the caches with an instance, its
        children, and a share of the template.
    """
    server = Server()
    template = server.put(objects.template())
    server.put(revision_object(template, 1))
    for name in objects.names("look", count):
        server.put(objects.instance(name))
    await _settle(server)
    lists = json.dumps(_lists(server))
    begin = server.writes
    filling, first, later = [], [], []
    for _ in range(rounds):
        operator, copies = Operator(server), json.loads(lists)
        gc.collect()
        gc.freeze()
        start = time.process_time()
        operator.fill(copies)
        filling.append(time.process_time() - start)
        first.append(await operator.look())
        later.append(await operator.look())
        gc.unfreeze()
    if server.writes != begin:
        raise BenchError("there was something to do")
    each = 1000 / count
    return {
        "instances": count,
        "ms": round(min(later) * each, 4),
        "first_ms": round(min(first) * each, 4),
        "fill_ms": round(min(filling) * each, 4),
    }


async def _settle(server: Server) -> None:
    """Have all instances Ready: a look creates the children and writes the status, another one is enough."""
    for _ in range(2):
        operator = Operator(server)
        operator.fill(json.loads(json.dumps(_lists(server))))
        await operator.look()
    for (kind, name), obj in server.objects.items():
        if kind == MODEL_INSTANCES.kind:
            conditions = {each["type"]: each["status"] for each in obj["status"]["conditions"]}
            assert conditions["Ready"] == "True", name


def _lists(server: Server) -> dict[str, list[Object]]:
    return {kind: [obj for (known, _), obj in server.objects.items() if known == kind] for kind in _KINDS}


def main() -> int:
    """Measure, show, and record; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.looks", description=__doc__)
    parser.add_argument("--instances", type=int, default=COUNT)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--record", action="store_true", help="write docs/performance.json")
    arguments = parser.parse_args()
    looks = reported(lambda: asyncio.run(measure(arguments.instances, arguments.rounds)))
    if looks is None:
        return 1
    results = {"looks": looks}
    report.print_grids([report.looks(results)])
    if arguments.record:
        before = json.loads(report.RESULTS.read_text())
        report.RESULTS.write_text(written({**before, **results}))
        print(f"Recorded in {report.RESULTS.name}; `make docs` puts it into docs/performance.md.")
    return int(any(verdict.met is False for verdict in verdicts(results)))


if __name__ == "__main__":
    sys.exit(main())
