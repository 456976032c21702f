"""Pods that stay when the operator renders others: what counts as told, and what is read back as applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model_operator.core.objects.drift import pod_revision
from model_operator.core.objects.live_instance import LiveInstance
from model_operator.core.planning.pinned_pods import applied_pods, recorded_revision, with_pod_template
from model_operator.core.rendering.render import render
from model_operator.core.rendering.rendered_deployment import RenderedDeployment
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_instance, parse_template, read_instance
from tests.unit.controller.objects import instance, template

HERE = Path(__file__).parent
RECORDED = yaml.safe_load((HERE / "applied_deployment.yaml").read_text())


REVISION = parse_template(template("embed", generation=3)).revision


def parts(status: dict[str, Any]) -> tuple[LiveInstance, CompiledTemplate]:
    obj = instance("demo", bound="t1")
    obj["metadata"] |= {"generation": 2}
    return read_instance({**obj, "status": status}), parse_template(template("embed", generation=3))


def status(**changes: Any) -> dict[str, Any]:
    return {
        "observedGeneration": 2,
        "template": {"kind": "ModelTemplate", "name": "embed", "uid": "t1", "generation": 3},
        "deployments": [{"name": "demo-a", "pod_revision": "a"}, {"name": "demo-b"}],
        **changes,
    }


@pytest.mark.parametrize(
    ("told", "name", "revision"),
    [
        (status(), "demo-a", "a"),
        (status(), "demo-b", None),
        (status(), "demo-c", None),
        ({}, "demo-a", None),
        (status(observedGeneration=1), "demo-a", None),
        # Before there were revisions.
        (status(template={"uid": "t1", "generation": 2}), "demo-a", None),
        (status(template={"uid": "t0", "generation": 3}), "demo-a", None),
        # The revision decides: not the generation, nor whether the template was recreated.
        (status(template={"uid": "t1", "generation": 2, "revision": REVISION}), "demo-a", "a"),
        (status(template={"uid": "t0", "generation": 1, "revision": REVISION}), "demo-a", "a"),
        (status(template={"uid": "t1", "generation": 3, "revision": "0" * 12}), "demo-a", None),
    ],
)
def test_pods_are_told_of_for_this_generation_and_revision_alone(
    told: dict[str, Any], name: str, revision: str | None
) -> None:
    assert recorded_revision(*parts(told), name) == revision


@pytest.mark.parametrize(
    ("recorded", "own", "revision"),
    [
        ("1" * 12, "1" * 12, "a"),
        # `latest` after an edit.
        ("1" * 12, "2" * 12, None),
        (None, "1" * 12, None),
    ],
)
def test_pods_of_a_deployment_with_a_revision_of_its_own_are_those_of_that(
    recorded: str | None, own: str, revision: str | None
) -> None:
    entry = {"name": "demo-a", "pod_revision": "a", "template_revision": recorded}
    for bound in ({"uid": "t1", "generation": 3, "revision": REVISION}, {"revision": "0" * 12}):
        told = status(deployments=[entry], template=bound)
        assert recorded_revision(*parts(told), "demo-a", own) == revision
        earlier = {**told, "observedGeneration": 1}
        assert recorded_revision(*parts(earlier), "demo-a", own) is None


def test_what_was_applied_is_read_back_from_a_live_deployment() -> None:
    applied, live = RECORDED["applied"], RECORDED["live"]

    pods = applied_pods(live, pod_revision(applied))

    assert pods is not None
    assert pods != live["spec"]["template"]
    assert pod_revision({"spec": {"template": pods}}) == pod_revision(applied)


def edited(path: list[Any], value: Any) -> dict[str, Any]:
    live: dict[str, Any] = yaml.safe_load(yaml.safe_dump(RECORDED["live"]))
    target: Any = live
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return live


CONTAINERS = RECORDED["live"]["spec"]["template"]["spec"]["containers"]
POD = ["spec", "template", "spec"]
MODEL = [*POD, "containers", next(i for i, each in enumerate(CONTAINERS) if each["name"] == "model")]


@pytest.mark.parametrize(
    "live",
    [
        pytest.param(edited([*MODEL, "image"], "evil:1"), id="a value"),
        pytest.param(edited([*MODEL, "env"], []), id="items removed"),
        pytest.param(edited([*POD, "volumes"], None) | {"metadata": {}}, id="no managed fields"),
        pytest.param(edited(["metadata", "managedFields", 0, "manager"], "kubectl"), id="taken over"),
        pytest.param(edited(["metadata", "managedFields", 0, "operation"], "Update"), id="not by apply"),
    ],
)
def test_what_somebody_has_changed_is_not_kept(live: dict[str, Any]) -> None:
    assert applied_pods(live, pod_revision(RECORDED["applied"])) is None


def test_what_others_have_added_is_not_taken_for_ours() -> None:
    live = edited(["spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt"], "now")
    assert applied_pods(live, pod_revision(RECORDED["applied"])) is not None


def test_only_the_pod_template_of_a_rendering_is_replaced() -> None:
    (rendered,) = render(parse_template(template("embed")), parse_instance(instance("demo"))[0]).deployments

    kept = with_pod_template(rendered, {"spec": {"containers": []}})

    assert isinstance(kept, RenderedDeployment)
    assert kept.deployment.manifest["spec"] == rendered.deployment.manifest["spec"] | {
        "template": {"spec": {"containers": []}}
    }
    assert (kept.name, kept.service, kept.url) == (rendered.name, rendered.service, rendered.url)
