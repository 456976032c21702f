"""From a Deployment that does not get on to the instance's status, by queue and workers, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

from model_operator.controller.cache.cluster_state import ClusterState
from model_operator.controller.metrics.instruments import Metrics
from model_operator.controller.queue import WorkQueue
from model_operator.controller.reconcile.diagnosis import PodDiagnostics
from model_operator.controller.reconcile.instances import InstanceReconciler
from model_operator.controller.reconcile.templates import TemplateReconciler
from model_operator.controller.reconcile.worker_pool import WorkerPool
from model_operator.controller.scope import Key, Scope
from model_operator.controller.watch.triggers import Triggers
from model_operator.core.diagnosis.deployment_pods import REVISION
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.kube.client import Object
from model_operator.kube.resources import DEPLOYMENTS, MODEL_INSTANCES, MODEL_TEMPLATES, ResourceKind
from tests.unit.controller import virtual_clock
from tests.unit.controller.fake_api import FakeApi
from tests.unit.controller.objects import instance, template
from tests.unit.core.values.rfc7386 import apply_merge_patch

UNDER_WAY = {
    "observedGeneration": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "conditions": [{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}],
}
COMPLETE = {
    "observedGeneration": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "readyReplicas": 1,
    "availableReplicas": 1,
    "conditions": [{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}],
}
END = {"reason": "Error", "exitCode": 3}


class Server(FakeApi):
    """Notes when pods are listed and which reasons are written; there is one pod, which crashes."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[float] = []
        self.told: list[tuple[float, str]] = []

    async def list(self, kind: ResourceKind, *_: Any, **selection: Any) -> AsyncIterator[dict[str, Any]]:
        deployment = self.find("Deployment", "demo")
        assert deployment is not None
        assert "labels" in selection
        owner = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "uid": deployment["metadata"]["uid"],
            "controller": True,
        }
        if kind.kind == "ReplicaSet":
            metadata = {"namespace": "team", "uid": "rs", "annotations": {REVISION: "1"}}
            yield {"metadata": {**metadata, "ownerReferences": [owner]}}
            return
        assert kind.kind == "Pod"
        self.looks.append(now())
        status = {"name": "model", "ready": False, "state": {"terminated": END}}
        yield {
            "metadata": {
                "name": "demo-rs-x",
                "uid": "p1",
                "creationTimestamp": "2026-01-01T08:00:00Z",
                "namespace": "team",
                "ownerReferences": [
                    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "uid": "rs", "controller": True}
                ],
            },
            "spec": {"nodeName": "n", "containers": [{"name": "model"}]},
            "status": {
                "conditions": [{"type": "PodScheduled", "status": "True"}],
                "containerStatuses": [status],
            },
        }

    async def patch_status(
        self, kind: ResourceKind, _namespace: str, name: str, status: Mapping[str, Any], *_: str
    ) -> Object:
        live = self.find(kind.kind, name)
        assert live is not None
        stored = self.put(apply_merge_patch(live, {"status": dict(status)}))
        (ready,) = [each for each in stored["status"]["conditions"] if each["type"] == "Ready"]
        self.told.append((now(), ready["reason"]))
        return stored


def now() -> float:
    return asyncio.get_running_loop().time()


class Templates:
    """Has nothing to do for templates."""

    async def reconcile(self, *_: Any) -> None: ...


class Operator:
    """The parts of the operator that reconcile instances, and the watch of one Deployment."""

    def __init__(self) -> None:
        self.server = Server()
        self.state = ClusterState()
        queue: WorkQueue[Key] = WorkQueue()
        self.triggers = Triggers(self.state, queue, Scope([], []))
        finder = PodDiagnostics(self.server, now)
        instances = InstanceReconciler(
            self.server,
            self.state,
            RenderSettings(),
            self.triggers,
            lambda _: None,
            finder,
        )
        self.queue = queue
        self.workers = WorkerPool(queue, instances, cast("TemplateReconciler", Templates()), Metrics())

    async def start(self) -> asyncio.Task[None]:
        self.state.cache_of(MODEL_TEMPLATES).put(self.server.put(template("embed")))
        self.triggers.observe(MODEL_INSTANCES, "ADDED", self.server.put(instance("demo")))
        return asyncio.create_task(self.workers.run(1))

    def deployment_says(self, status: dict[str, Any]) -> None:
        """Have the Deployment controller write a status, and the operator hear of it."""
        live = self.server.find("Deployment", "demo")
        assert live is not None
        live["metadata"]["annotations"][REVISION] = "1"
        self.triggers.observe(DEPLOYMENTS, "MODIFIED", self.server.put({**live, "status": status}))


def test_what_pods_tell_is_told_after_five_seconds_and_looked_at_ever_more_rarely() -> None:
    async def main() -> Server:
        operator = Operator()
        task = await operator.start()
        await asyncio.sleep(10)
        operator.deployment_says(UNDER_WAY)
        await asyncio.sleep(300)
        operator.deployment_says(COMPLETE)
        await asyncio.sleep(300)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        operator.queue.close()
        return operator.server

    server = virtual_clock.run(main())

    reasons = [(time, reason) for time, reason in server.told if reason != "Deploying"]
    assert reasons == [(15, "CrashLooping"), (310, "RolledOut")]
    assert server.looks[:4] == [15, 17, 20, 24.5]
    assert max(server.looks) <= 310
    assert len(server.looks) < 20
