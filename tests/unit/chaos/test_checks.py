"""The checks find nothing where all is as desired, and each thing that is wrong where it is not."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from model_operator.core.planning.dry_run import DryRunResult, SkipReason
from model_operator.core.planning.plan import make_plan
from model_operator.core.rendering.desired_child import DesiredChild
from model_operator.core.status.assessment import Observation, assess
from model_operator.core.status.instance import instance_status
from model_operator.core.status.rollout_counts import count_instances
from model_operator.core.status.template import template_status
from model_operator.core.templates.parsing import parse_template, read_instance
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.revisions.objects import revision_object
from tests.chaos.checks import Snapshot, progress_of, violations
from tests.chaos.population import FOREIGN, Name, Object, Population, instance, templates

TIME = "2026-01-01T00:00:00Z"
NAME = Name("chaos-a", "m000")


def stored(obj: Object, uid: str) -> Object:
    """Give an object as the API server would."""
    whole = copy.deepcopy(obj)
    whole["metadata"] |= {"uid": uid, "generation": 1, "creationTimestamp": TIME, "resourceVersion": "1"}
    return whole


def with_pod_template(child: DesiredChild) -> Object:
    """Give a child as it is once rolled out."""
    live = stored(child.applied, f"uid-{child.kind}-{child.name}")
    if child.kind == "Deployment":
        count = live["spec"].setdefault("replicas", 1)
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), count)
        progressing = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
        live["status"] = {"observedGeneration": 1, **counts, "conditions": [progressing]}
    return live


def world(asked: Object) -> tuple[list[Object], Population]:
    """Give all objects for one instance, as they should be."""
    population = Population(templates=templates(), instances={NAME: asked})
    all_templates = [
        stored(template, f"uid-{name.namespace}-{name.name}") for name, template in templates().items()
    ]
    used = next(
        obj
        for obj in all_templates
        if obj["metadata"]["name"] == asked["spec"]["model_template_id"]
        and obj["metadata"].get("namespace", NAME.namespace) == NAME.namespace
    )
    live = stored(asked, "uid-instance")
    parsed = read_instance(live)
    plan = make_plan(parsed.resource, parse_template(used), RenderSettings())
    children = [with_pod_template(child) for child in (plan.rendering.children if plan.rendering else [])]
    deployments = {child["metadata"]["name"]: child for child in children if child["kind"] == "Deployment"}
    services = [child["metadata"]["name"] for child in children if child["kind"] == "Service"]
    live["status"] = instance_status(assess(Observation(parsed, plan, deployments, services)), TIME)
    live["status"] = {key: value for key, value in live["status"].items() if value is not None}
    snapshot = Snapshot([live, *all_templates, *children])
    # What a status remembers is decided first.
    for template in [*all_templates, *all_templates]:
        compiled = parse_template(template)
        template["status"] = template_status(
            compiled,
            template.get("status", {}),
            count_instances([live], compiled.version),
            TIME,
            latest=compiled.revision,
            progress=progress_of(template, compiled, snapshot),
            started_at=TIME,
        )
    revisions = [stored(revision_object(obj, 1), f"uid-{obj['metadata']['uid']}") for obj in all_templates]
    return [live, *all_templates, *revisions, *children], population


def asked(**spec: Any) -> Object:
    whole = instance(NAME, random.Random(1))
    whole["spec"] = {
        "model_template_id": "web",
        "model_creation_parameters": {"MODEL_NAME": "m", "BATCH_SIZE": 8},
        **spec,
    }
    return whole


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"model_template_id": "shared"},
        {"model_template_id": "pull"},
        {"model_template_id": "auto"},
        {"replicas": 0},
        {"replicas": 3},
        {"deployments": [{"name": "a", "model_creation_parameters": {"BATCH_SIZE": 2}}]},
        {"model_creation_parameters": {"MODEL_NAME": "m", "BATCH_SIZE": "many"}},
    ],
)
def test_nothing_is_wrong_where_all_is_as_desired(spec: Object) -> None:
    objects, population = world(asked(**spec))
    assert violations(Snapshot(objects), population) == []


def of(objects: list[Object], kind: str) -> Object:
    return next(obj for obj in objects if obj["kind"] == kind)


def gone(kind: str) -> Callable[[list[Object], Population], Any]:
    return lambda objects, _: objects.remove(of(objects, kind))


def another(objects: list[Object], _: Population) -> None:
    copied = copy.deepcopy(of(objects, "Service"))
    copied["metadata"]["name"] = "m000-again"
    objects.append(copied)


def orphaned(objects: list[Object], _: Population) -> None:
    of(objects, "Service")["metadata"]["ownerReferences"][0]["uid"] = "uid-of-an-earlier-one"


def edited(objects: list[Object], _: Population) -> None:
    of(objects, "Service")["spec"]["ports"][0]["port"] = 81


def not_as_asked(_: list[Object], population: Population) -> None:
    population.instances[NAME]["spec"]["model_creation_parameters"]["BATCH_SIZE"] = 9


def other_tag(_: list[Object], population: Population) -> None:
    template = population.templates[Name("chaos-a", "web")]
    template["spec"]["vendor_configuration"]["bundle_config"]["tag"] = "v2"


def lost(_: list[Object], population: Population) -> None:
    population.instances[Name("chaos-b", "m001")] = asked()


def undeleted(_: list[Object], population: Population) -> None:
    population.instances.clear()


def old_status(objects: list[Object], _: Population) -> None:
    of(objects, "ModelInstance")["status"]["observedGeneration"] = 0


def wrong_count(objects: list[Object], _: Population) -> None:
    of(objects, "ModelInstance")["status"]["deployment_count"] = 2


def not_ready(objects: list[Object], _: Population) -> None:
    of(objects, "ModelInstance")["status"]["conditions"][0]["status"] = "False"


def unready_workers(objects: list[Object], _: Population) -> None:
    of(objects, "Deployment")["status"]["readyReplicas"] = 0


def miscounted(objects: list[Object], _: Population) -> None:
    of(objects, "ModelTemplate")["status"]["instance_count"] = 7


def untried(objects: list[Object], _: Population) -> None:
    template = of(objects, "ModelTemplate")
    again = DryRunResult(skipped=SkipReason.UNAVAILABLE, detail="HTTP 500", is_final=False)
    counted = count_instances(objects, parse_template(template).version)
    template["status"] = template_status(parse_template(template), template["status"], counted, TIME, again)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (gone("Service"), "Service m000 is missing"),
        (gone("Deployment"), "Deployment m000 is missing"),
        (gone("ModelInstance"), "is gone and was not deleted"),
        (another, "Service m000-again is not wanted"),
        (another, "is a duplicate"),
        (orphaned, "is an orphan"),
        (edited, "Service m000 differs from what is rendered"),
        (not_as_asked, "users asked for"),
        (other_tag, "not the tag v2"),
        (lost, "is gone and was not deleted"),
        (undeleted, "exists and was deleted"),
        (old_status, "its status is of generation 0, it has 1"),
        (wrong_count, "status.deployment_count is 2, there are 1"),
        (not_ready, "expected Ready=True"),
        (unready_workers, "status.ready_replicas is 1, there are 0"),
        (miscounted, "its status should be different: {'instance_count': 1"),
        (untried, "Not checked by a dry run"),
        (gone("ModelTemplateRevision"), "is not stored"),
    ],
)
def test_what_is_wrong_is_found(change: Callable[[list[Object], Population], Any], told: str) -> None:
    objects, population = world(asked())
    change(objects, population)
    assert any(told in violation.text for violation in violations(Snapshot(objects), population))


def test_a_touched_object_of_somebody_else_is_found() -> None:

    objects, population = world(asked())
    service = stored(next(iter(yaml.safe_load_all(FOREIGN))), "uid-foreign")
    service["metadata"]["namespace"] = "chaos-a"
    objects.append(service)
    assert violations(Snapshot(objects), population) == []
    service["metadata"]["managedFields"] = [{"manager": "model-operator", "operation": "Apply"}]
    (violation,) = violations(Snapshot(objects), population)
    assert violation.text == "Service of somebody else was touched"
