"""The plan of an instance whose template rolls out in steps: at its own revision, or at the latest one.

An instance that waits is planned at its own revision. It needs no grant for the latest one where nothing
moves by it, or where it cannot go on without it.
"""

from __future__ import annotations

from dataclasses import replace

from model_operator.core.objects.live_instance import LiveInstance
from model_operator.core.planning.pinned_pods import recorded_revision
from model_operator.core.planning.plan import Plan, make_plan, withdrawn
from model_operator.core.reasons.reasons import Reason
from model_operator.core.reasons.refusals import Failure
from model_operator.core.templates.render_settings import RenderSettings
from model_operator.core.templates.revisions.assignment import Assigned


def plan_assigned(instance: LiveInstance, assigned: Assigned, settings: RenderSettings) -> Plan:
    """Return the desired children of an instance at the revision that it is assigned.

    Parameters
    ----------
    instance
        The ModelInstance.
    assigned
        The revision, from `model_operator.core.rollouts.course.assign_in_course`.
    settings
        The cluster's conventions that rendering follows.

    Notes
    -----
    One that waits gets the latest revision at once, if its children are the same at both and it is Ready; or
    if its spec is invalid with its own revision and valid with the latest one, as when one commit changes
    both kinds.
    """
    if assigned.withdrawn is not None:
        return withdrawn(assigned.withdrawn)
    if assigned.hold is None:
        return make_plan(instance.resource, assigned.template, settings, assigned.latest, assigned.pinned)
    if assigned.template is None:
        # Its revision was deleted. What runs stays as it is until the instance gets another one.
        detail = "The revision that the instance runs is not stored; its children stay until it gets another."
        plan = Plan(None, None, Failure(Reason.Deploying, detail), latest=assigned.latest)
    else:
        plan = make_plan(instance.resource, assigned.template, settings, assigned.latest, assigned.pinned)
    if assigned.ahead is not None:
        at_latest = make_plan(instance.resource, assigned.ahead, settings, assigned.latest, assigned.pinned)
        is_invalid = plan.template is not None and plan.problem is not None
        is_same = _is_ready(instance) and _moves_nothing(instance, plan, at_latest)
        if at_latest.rendering is not None and (is_invalid or is_same):
            return at_latest
    return replace(plan, hold=assigned.hold)


def _is_ready(instance: LiveInstance) -> bool:
    """Return whether an instance is Ready as it is now.

    Another one has a trouble of its own, which would count as a failure of the latest revision.
    """
    status = instance.status
    conditions = status.get("conditions") or ()
    return status.get("observedGeneration") == instance.metadata.generation and any(
        (each.get("type"), each.get("status")) == ("Ready", "True") for each in conditions
    )


def _moves_nothing(instance: LiveInstance, plan: Plan, other: Plan) -> bool:
    """Return whether two plans have the same children, and pods that an upgrade kept would not roll."""
    if plan.rendering is None or other.rendering is None or plan.template is None:
        return False
    if plan.rendering.children != other.rendering.children:
        return False
    template = plan.template
    return all(
        recorded_revision(instance, template, each.name, each.own_revision)
        in (None, each.deployment.pod_revision)
        for each in plan.rendering.deployments
    )
