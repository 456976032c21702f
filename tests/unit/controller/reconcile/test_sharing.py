"""Instances of templates that are shared, not shared, or not any more, in one reconcile each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from model_operator.api import TemplateKind
from model_operator.controller.cache.namespace_labels import Knowledge
from model_operator.controller.reconcile.grace import GracePeriods
from model_operator.controller.reconcile.instances import InstanceReconciler
from model_operator.controller.reconcile.template_dry_run import TemplateDryRunner
from model_operator.controller.reconcile.templates import TemplateReconciler
from model_operator.core.planning.dry_run import DryRunResult
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.kube.client import Object
from model_operator.kube.resources import ResourceKind
from tests.unit.controller.fake_api import FakeApi
from tests.unit.controller.fake_scheduler import FakeScheduler
from tests.unit.controller.objects import hash_of, instance, template
from tests.unit.controller.world import KINDS, World
from tests.unit.core.values.rfc7386 import apply_merge_patch

BY_LABEL = {"from": "Selected", "selector": {"matchLabels": {"tier": "gold"}}}
ALL = {"from": "All"}


class Server(FakeApi):
    """An API server that stores statuses; `statuses` counts the writes of them."""

    statuses = 0

    async def patch_status(
        self, kind: ResourceKind, namespace: str, name: str, status: Mapping[str, Any], *_: str
    ) -> Object:
        self.statuses += 1
        live = self.find(kind.kind, name, namespace)
        assert live is not None
        return self.put(apply_merge_patch(live, {"status": dict(status)}))


class _Untried:
    async def outcome(self, _: Any) -> DryRunResult:
        return DryRunResult()


class Shared(World):
    """The template `platform/embed`, and the instance `team/demo` that names it."""

    def __init__(self, allowed: Any = None, bound: str | None = None, **spec: Any) -> None:
        self.server = Server()
        super().__init__(self.server)
        self.share(allowed)
        demo = instance("demo", bound=bound)
        demo["spec"] |= {"model_template_namespace": "platform", **spec}
        if bound:
            demo["status"]["template"] |= {"namespace": "platform", "revision": hash_of(template("embed"))}
        self.put(demo)
        scheduler = FakeScheduler()
        settings = RenderSettings()
        self.reconciler = InstanceReconciler(
            self.api, self.state, settings, scheduler, lambda _: None, grace=GracePeriods(0)
        )
        self.templates = TemplateReconciler(
            self.api, self.state, cast("TemplateDryRunner", _Untried()), scheduler, lambda _: None
        )

    def share(self, allowed: Any) -> None:
        """Have the template shared with these namespaces."""
        obj = template("embed", namespace="platform")
        if allowed is not None:
            obj["spec"]["allowed_namespaces"] = allowed
        stored = self.api.put(obj)
        # A new generation, as the API server gives it.
        stored["metadata"]["generation"] = int(stored["metadata"]["resourceVersion"])
        self.triggers.observe(KINDS["ModelTemplate"], "MODIFIED", self.api.put(stored))

    def reconcile(self) -> Object:
        """Reconcile the instance, and return its status."""
        asyncio.run(self.reconciler.reconcile("team", "demo"))
        found = self.api.find("ModelInstance", "demo")
        assert found is not None
        status: Object = found["status"]
        return status

    def reason(self) -> str:
        conditions = self.reconcile()["conditions"]
        reason: str = next(each["reason"] for each in conditions if each["type"] == "Ready")
        return reason

    def template_status(self) -> Object:
        """Reconcile the template, and return its status."""
        asyncio.run(self.templates.reconcile(TemplateKind.MODEL_TEMPLATE, "platform", "embed"))
        found = self.api.find("ModelTemplate", "embed", "platform")
        assert found is not None
        status: Object = found["status"]
        return status

    def know(self, **labels: dict[str, str]) -> None:
        """Have the labels of all namespaces known."""
        for name, each in labels.items():
            self.triggers.on_namespace(name, each)
        self.triggers.on_all_namespaces()


def test_a_template_that_is_shared_is_rendered_and_its_namespace_reported() -> None:
    world = Shared(ALL)

    status = world.reconcile()

    assert status["template"]["namespace"] == "platform"
    assert world.api.find("Deployment", "demo") is not None
    assert world.template_status()["instance_count"] == 1


@pytest.mark.parametrize("spec", [{}, {"model_creation_parameters": {"UNKNOWN": 1}}, {"model_type": "AGENT"}])
def test_one_that_is_not_shared_is_neither_rendered_nor_validated_with(spec: Any) -> None:
    world = Shared(None, **spec)
    there = world.reconcile()
    gone = Shared(None, **spec)
    gone.state.templates[TemplateKind.MODEL_TEMPLATE].remove(
        next(iter(gone.state.templates[TemplateKind.MODEL_TEMPLATE]))
    )
    absent = gone.reconcile()

    for status in (there, absent):
        for condition in status["conditions"]:
            del condition["lastTransitionTime"]
        del status["id"]
    assert there == absent
    assert world.server.writes == gone.server.writes == []
    assert world.template_status()["instance_count"] == 0


def test_one_that_was_withdrawn_leaves_all_as_it_is() -> None:
    world = Shared(ALL)
    world.reconcile()
    before = world.api.find("Deployment", "demo")
    world.share({"from": "Same"})
    world.server.writes.clear()

    assert world.reason() == "TemplateNotShared"
    # A Deployment that is edited, or deleted, is not put right either.
    assert before is not None
    world.put({**before, "spec": {**before["spec"], "replicas": 7}})
    assert world.reason() == "TemplateNotShared"
    assert world.server.writes == []
    assert world.template_status()["instance_count"] == 0
    assert world.reconcile()["template"]["uid"] == "t1"

    world.share(ALL)
    assert world.reason() != "TemplateNotShared"
    assert world.template_status()["instance_count"] == 1


def test_nothing_is_decided_before_labels_are_known() -> None:
    """After a restart: neither that instances have lost their template, nor that a roll-out is complete."""
    world = Shared(BY_LABEL, bound="t1")
    assert world.state.namespaces.is_awaited
    assert "conditions" not in world.reconcile()
    assert world.template_status() == {}
    assert world.server.statuses == 0

    world.know(team={"tier": "gold"})
    assert world.reason() == "Deploying"
    assert world.template_status()["instance_count"] == 1


def test_labels_that_may_not_be_read_withdraw_what_they_shared() -> None:
    world = Shared(BY_LABEL, bound="t1")
    world.triggers.forget_labels(Knowledge.FORBIDDEN)

    assert world.reason() == "TemplateNotShared"
    message = next(each["message"] for each in world.reconcile()["conditions"] if each["type"] == "Ready")
    assert "which are not known (see its condition Shared)" in message
    shared = next(each for each in world.template_status()["conditions"] if each["type"] == "Shared")
    assert (shared["status"], shared["reason"]) == ("False", "NamespacesUnknown")


def test_revisions_are_in_use_by_those_alone_that_a_template_is_shared_with() -> None:
    entries = [{"name": "a", "model_template_revision": "c" * 12}]
    world = Shared(None, model_template_revision="b" * 12, deployments=entries)
    now = next(iter(world.state.templates[TemplateKind.MODEL_TEMPLATE]))
    assert world.state.revisions_in_use(now) == set()

    world.share(ALL)
    now = next(iter(world.state.templates[TemplateKind.MODEL_TEMPLATE]))
    assert world.state.revisions_in_use(now) == {"b" * 12, "c" * 12}

    # What runs is preserved after a withdrawal, and what is named no more.
    demo = world.api.find("ModelInstance", "demo")
    assert demo is not None
    bound = {"kind": "ModelTemplate", "name": "embed", "namespace": "platform", "uid": "t1", "generation": 1}
    world.put({**demo, "status": {"template": {**bound, "revision": "a" * 12}}})
    world.share(None)
    now = next(iter(world.state.templates[TemplateKind.MODEL_TEMPLATE]))
    assert world.state.revisions_in_use(now) == {"a" * 12}
