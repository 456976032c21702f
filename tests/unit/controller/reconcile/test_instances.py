"""One reconcile of an instance: what it works out, it works out once and hands on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from model_operator.controller.reconcile.diagnosis import PodDiagnostics
from model_operator.controller.reconcile.instances import InstanceReconciler
from model_operator.core.diagnosis.cause import Diagnosis
from model_operator.core.objects.drift import applicable_deployment, with_applied_hash
from model_operator.core.objects.rollout import Rollout, assess_rollout
from model_operator.core.planning import pruning
from model_operator.core.reasons.reasons import Reason
from model_operator.core.rendering import desired_child
from model_operator.core.status import assessment
from model_operator.core.templates.parsing import read_instance
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.kube.client import Object
from model_operator.kube.resources import ResourceKind
from tests.unit.controller.fake_api import FakeApi
from tests.unit.controller.fake_scheduler import FakeScheduler
from tests.unit.controller.objects import hash_of, instance, revision, template
from tests.unit.controller.world import World
from tests.unit.core.values.rfc7386 import apply_merge_patch

UNFINISHED = {
    "observedGeneration": 1,
    "replicas": 1,
    "updatedReplicas": 1,
    "conditions": [{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}],
}


class Server(FakeApi):
    """An API server that stores the status of the instance."""

    async def patch_status(
        self, kind: ResourceKind, _namespace: str, name: str, status: Mapping[str, Any], *_: str
    ) -> Object:
        live = self.find(kind.kind, name)
        assert live is not None
        return self.put(apply_merge_patch(live, {"status": dict(status)}))


class Diagnostics:
    """Finds the same cause for every Deployment that makes no progress."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    async def find(
        self, _instance: Any, undiagnosed: list[Object], _reported: str
    ) -> tuple[Mapping[str, Diagnosis], float | None]:
        names = [live["metadata"]["name"] for live in undiagnosed]
        self.asked.append(names)
        return dict.fromkeys(names, Diagnosis(Reason.CrashLooping, "container model keeps crashing.")), None


class TwoDeployments(World):
    """The instance `demo` with two Deployments."""

    def __init__(self) -> None:
        super().__init__(Server())
        self.diagnostics = Diagnostics()
        self.put(template("embed"))
        obj = instance("demo", bound="t1")
        obj["spec"]["deployments"] = [{"name": "a"}, {"name": "b"}]
        self.put(obj)
        self.reconciler = InstanceReconciler(
            self.api,
            self.state,
            RenderSettings(),
            FakeScheduler(),
            lambda _: None,
            cast("PodDiagnostics", self.diagnostics),
        )

    def reconcile(self) -> None:
        asyncio.run(self.reconciler.reconcile("team", "demo"))

    def deployments(self, status: Mapping[str, Any]) -> None:
        """Have the Deployment controller write the status of both Deployments."""
        for name in ("demo-a", "demo-b"):
            live = self.api.find("Deployment", name)
            assert live is not None
            self.put({**live, "status": dict(status)})


def test_each_deployment_is_assessed_once_also_when_it_is_diagnosed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = TwoDeployments()
    world.reconcile()
    world.deployments(UNFINISHED)
    assessed: list[str] = []

    def counted(deployment: Mapping[str, Any]) -> Rollout:
        assessed.append(deployment["metadata"]["name"])
        return assess_rollout(deployment)

    monkeypatch.setattr(assessment, "assess_rollout", counted)
    monkeypatch.setattr(pruning, "assess_rollout", counted)
    world.diagnostics.asked.clear()
    world.reconcile()

    assert sorted(assessed) == ["demo-a", "demo-b"]
    assert world.diagnostics.asked == [["demo-a", "demo-b"]]
    stored = world.api.find("ModelInstance", "demo")
    assert stored is not None
    assert [each["problem"]["reason"] for each in stored["status"]["deployments"]] == ["CrashLooping"] * 2


def test_each_child_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = TwoDeployments()
    world.reconcile()
    world.deployments(UNFINISHED)
    hashed: list[str] = []

    def note(manifest: Mapping[str, Any]) -> None:
        hashed.append(f"{manifest['kind']}/{manifest['metadata']['name']}")

    def counted(manifest: Mapping[str, Any]) -> dict[str, Any]:
        note(manifest)
        return with_applied_hash(manifest)

    def counted_deployment(manifest: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        note(manifest)
        return applicable_deployment(manifest)

    monkeypatch.setattr(desired_child, "with_applied_hash", counted)
    monkeypatch.setattr(desired_child, "applicable_deployment", counted_deployment)
    world.reconcile()

    assert sorted(hashed) == ["Deployment/demo-a", "Deployment/demo-b", "Service/demo-a", "Service/demo-b"]


def test_nothing_is_rendered_from_what_is_not_stored_not_even_one_deployment() -> None:
    """As after a template was created again: the revision of the pin is there, and the latest one is not."""
    world = World(Server(), is_storing=True)
    reconciler = InstanceReconciler(world.api, world.state, RenderSettings(), FakeScheduler(), lambda _: None)
    before = template("embed", uid="t0")
    world.cache(template("embed", generation=2))
    world.cache(revision(before))
    obj = instance("demo")
    obj["spec"] |= {"model_template_revision": hash_of(before), "deployments": [{"name": "a"}, {"name": "b"}]}

    def is_planned() -> bool:
        return reconciler._plan(read_instance(obj)) is not None

    assert is_planned()
    obj["spec"]["deployments"][1]["model_template_revision"] = "latest"
    assert not is_planned()
    world.cache(revision(template("embed", generation=2), 2))
    assert is_planned()
