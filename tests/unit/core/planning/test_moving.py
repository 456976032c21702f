"""An instance that waits for the roll-out of its template: what it runs, and what it may have at once."""

from __future__ import annotations

from typing import Any

from model_operator.core.objects.conditions import Hold
from model_operator.core.objects.live_instance import LiveInstance
from model_operator.core.planning.moving import plan_assigned
from model_operator.core.planning.plan import Plan, make_plan
from model_operator.core.reasons.reasons import Reason
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.templates.parsing import parse_template, read_instance
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.revisions.assignment import Assigned
from tests.unit.controller.objects import instance, template

WAITS = Hold.AWAITING_ROLLOUT
READY = {"type": "Ready", "status": "True"}


def compiled(**spec: Any) -> CompiledTemplate:
    obj = template("embed")
    return parse_template({**obj, "spec": {**obj["spec"], **spec}})


OLD = compiled()
OTHER_PODS = compiled(pod_template={"spec": {"priorityClassName": "high"}})
SAME_PODS = compiled(
    model_creation_parameters_schema={"type": "object", "properties": {"NEW": {"type": "string"}}}
)
STRICTER = compiled(
    model_creation_parameters_schema={
        "type": "object",
        "properties": {"NEW": {"type": "string"}},
        "required": ["NEW"],
    }
)


def plan(old: CompiledTemplate | None, new: CompiledTemplate, ahead: bool = True, **more: Any) -> Plan:
    obj = instance("demo")
    generation = read_instance(obj).metadata.generation
    status = {"observedGeneration": generation, "conditions": [READY]}
    live: LiveInstance = read_instance({**obj, "status": status, **more})
    assigned = Assigned(old, new.revision, WAITS, new if ahead else None)
    return plan_assigned(live, assigned, RenderSettings())


def test_what_moves_pods_waits() -> None:
    found = plan(OLD, OTHER_PODS)
    assert (found.template, found.hold, found.latest) == (OLD, WAITS, OTHER_PODS.revision)
    assert found.rendering is not None


def test_what_moves_nothing_needs_no_grant_unless_the_roll_out_is_paused() -> None:
    found = plan(OLD, SAME_PODS)
    assert (found.template, found.hold) == (SAME_PODS, None)
    assert plan(OLD, SAME_PODS, ahead=False).template is OLD


def test_an_instance_that_is_not_ready_waits_although_nothing_would_move() -> None:
    """What broke it before would count as a failure of the latest revision, and halt the roll-out."""
    generation = read_instance(instance("demo")).metadata.generation
    stalled = [{"type": "Ready", "status": "False"}, {"type": "Stalled", "status": "True"}]
    for status in (
        {"observedGeneration": generation, "conditions": stalled},
        {"observedGeneration": -1, "conditions": [READY]},
        {},
    ):
        found = plan(OLD, SAME_PODS, status=status)
        assert (found.template, found.hold) == (OLD, WAITS)


def test_pods_that_an_upgrade_kept_would_move() -> None:
    entry = {"name": "demo", "pod_revision": "what another operator rendered"}
    status = {
        "observedGeneration": read_instance(instance("demo")).metadata.generation,
        "template": {"revision": OLD.revision},
        "conditions": [READY],
        "deployments": [entry],
    }
    assert plan(OLD, SAME_PODS, status=status).template is OLD
    rendering = make_plan(read_instance(instance("demo")).resource, OLD, RenderSettings()).rendering
    assert rendering is not None
    entry["pod_revision"] = rendering.deployments[0].deployment.pod_revision
    assert plan(OLD, SAME_PODS, status=status).template is SAME_PODS


def test_a_spec_that_only_the_latest_revision_allows_has_it_at_once() -> None:
    spec = {**instance("demo")["spec"], "model_creation_parameters": {"NEW": "x"}}
    found = plan(OLD, SAME_PODS, spec=spec)
    assert (found.template, found.problem, found.hold) == (SAME_PODS, None, None)
    held = plan(OLD, SAME_PODS, ahead=False, spec=spec)
    assert held.problem is not None
    assert (held.template, held.problem.reason, held.hold) == (OLD, Reason.InvalidParameters, WAITS)


def test_a_spec_that_the_latest_revision_does_not_allow_waits() -> None:
    found = plan(OLD, STRICTER)
    assert (found.template, found.problem, found.hold) == (OLD, None, WAITS)
    neither = {**instance("demo")["spec"], "model_creation_parameters": {"NEW": 5}}
    found = plan(OLD, STRICTER, spec=neither)
    assert (found.template, found.hold) == (OLD, WAITS)


def test_without_its_revision_the_children_stay() -> None:
    found = plan(None, OTHER_PODS)
    assert (found.template, found.rendering, found.hold) == (None, None, WAITS)
    assert found.problem is not None
    assert found.problem.reason is Reason.Deploying


def test_without_a_hold_it_is_the_plan_of_the_revision() -> None:
    live = read_instance(instance("demo"))
    found = plan_assigned(live, Assigned(OTHER_PODS, OTHER_PODS.revision), RenderSettings())
    assert found == make_plan(live.resource, OTHER_PODS, RenderSettings(), OTHER_PODS.revision)


def test_a_canary_that_moves_by_itself_is_no_move_of_the_instance() -> None:
    """Its pods are those of its own revision: that they change, or were kept, is nothing to wait for."""
    obj = instance("demo")
    obj["spec"]["deployments"] = [{"name": "a"}, {"name": "b", "model_template_revision": "latest"}]
    rendered = make_plan(read_instance(obj).resource, OLD, RenderSettings()).rendering
    assert rendered is not None
    entries = [
        {"name": each.name, "pod_revision": each.deployment.pod_revision} for each in rendered.deployments
    ]
    entries[1] |= {"pod_revision": "what it ran before", "template_revision": OTHER_PODS.revision}
    status = {
        "observedGeneration": read_instance(obj).metadata.generation,
        "template": {"revision": OLD.revision},
        "conditions": [READY],
        "deployments": entries,
    }
    assigned = Assigned(OLD, SAME_PODS.revision, WAITS, SAME_PODS, {"b": SAME_PODS})

    found = plan_assigned(read_instance({**obj, "status": status}), assigned, RenderSettings())

    assert (found.template, found.hold) == (SAME_PODS, None)
    entries[0]["pod_revision"] = "what another operator rendered"
    found = plan_assigned(read_instance({**obj, "status": status}), assigned, RenderSettings())
    assert (found.template, found.hold) == (OLD, WAITS)
