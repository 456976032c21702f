"""Keeping pods over a change of the operator: what is read, how often, and what is then wanted."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.controller.reconcile.pinned_pods import PodTemplatePinner
from model_operator.core.objects.drift import pod_revision
from model_operator.core.planning.pinned_pods import with_pod_template
from model_operator.core.planning.plan import Plan, make_plan
from model_operator.core.templates.parsing import parse_template, read_instance
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.kube.errors import ApiError
from tests.unit.controller.objects import instance, template
from tests.unit.controller.world import World

RECORDED = yaml.safe_load(
    (Path(__file__).parents[2] / "core" / "planning" / "applied_deployment.yaml").read_text()
)
REVISION = pod_revision(RECORDED["applied"])


class Pinned(World):
    """The instance `demo`, whose live pods are of another revision than an operator would render now."""

    def __init__(self, *, revision: str = REVISION, generation: int = 1, known: bool = True) -> None:
        super().__init__()
        self.keeper = PodTemplatePinner(self.api, self.state)
        obj = instance("demo", bound="t1")
        obj["metadata"]["generation"] = generation
        self.status: dict[str, Any] = {
            "observedGeneration": 1,
            "template": {"kind": "ModelTemplate", "name": "embed", "uid": "t1", "generation": 1},
            "deployments": [{"name": "demo", "pod_revision": revision}],
        }
        self.instance = read_instance({**obj, "status": self.status})
        live = copy.deepcopy(RECORDED["live"])
        live |= {"apiVersion": "apps/v1", "kind": "Deployment"}
        live["metadata"] |= {"name": "demo", "namespace": "team"}
        self.live = self.api.put(live)
        if known:
            self.cache(self.live)
        self.plan = make_plan(self.instance.resource, parse_template(template("embed")), RenderSettings())
        self.reads = 0
        self.api.before["get Deployment demo"] = self._count

    def _count(self) -> None:
        self.reads += 1

    def keep(self) -> str:
        """Return the revision of the pods that are wanted in the end."""
        plan = asyncio.run(self.keeper.keep(self.instance, self.plan))
        assert plan.rendering is not None
        (rendered,) = plan.rendering.deployments
        return rendered.deployment.pod_revision

    @property
    def rendered(self) -> str:
        assert self.plan.rendering is not None
        return self.plan.rendering.deployments[0].deployment.pod_revision


def test_applied_pods_are_read_once_and_kept() -> None:
    world = Pinned()
    assert world.rendered != REVISION
    assert [world.keep(), world.keep()] == [REVISION, REVISION]
    assert world.reads == 1


def test_what_is_kept_is_repaired_to_what_it_was() -> None:
    world = Pinned()
    world.keep()
    changed = copy.deepcopy(world.live)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "evil:1"
    world.state.children["Deployment"].put(world.api.put(changed))
    assert world.keep() == REVISION


def test_pods_that_somebody_has_changed_meanwhile_are_rendered_anew() -> None:
    world = Pinned()
    changed = copy.deepcopy(world.live)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "evil:1"
    world.api.put(changed)
    assert world.keep() == world.rendered


@pytest.mark.parametrize(
    "world", [Pinned(generation=2), Pinned(known=False)], ids=["edited", "no Deployment"]
)
def test_nothing_is_kept_and_nothing_read(world: Pinned) -> None:
    assert world.keep() == world.rendered
    assert world.reads == 0


def test_the_usual_case_reads_nothing() -> None:
    world = Pinned()
    world.status["deployments"][0]["pod_revision"] = world.rendered
    assert world.keep() == world.rendered
    assert world.reads == 0


def test_a_deployment_that_has_just_gone() -> None:
    world = Pinned()
    world.api.remove(world.live)
    assert world.keep() == world.rendered


def test_nothing_is_decided_while_the_deployment_cannot_be_read() -> None:
    world = Pinned()
    world.api.refusals["get Deployment demo"] = (503, {})
    with pytest.raises(ApiError):
        world.keep()


def test_without_a_rendering_there_is_nothing_to_keep() -> None:
    world = Pinned()
    world.plan = Plan(world.plan.template, None)
    assert asyncio.run(world.keeper.keep(world.instance, world.plan)) is world.plan


def test_everything_but_the_pods_is_as_it_is_rendered() -> None:
    world = Pinned()
    plan = asyncio.run(world.keeper.keep(world.instance, world.plan))
    assert plan.rendering is not None
    assert world.plan.rendering is not None
    (kept,), (rendered,) = plan.rendering.deployments, world.plan.rendering.deployments
    assert replace(kept, deployment=rendered.deployment) == rendered
    assert with_pod_template(kept, rendered.deployment.manifest["spec"]["template"]) == rendered


def test_kept_pods_are_forgotten_with_their_instance_and_when_they_are_wanted_no_longer() -> None:
    world = Pinned()
    world.keep()
    assert len(world.keeper._kept) == 1
    world.status["deployments"][0]["pod_revision"] = world.rendered
    world.keep()
    assert world.keeper._kept == {}

    world.status["deployments"][0]["pod_revision"] = REVISION
    world.keep()
    assert len(world.keeper._kept) == 1
    world.keeper.forget(("team", "demo"))
    assert world.keeper._kept == {}
