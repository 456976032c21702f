"""The status of a ModelInstance, as one pure function of its assessment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from model_operator.api import STABLE, DeploymentState, ModelInstance
from model_operator.core.objects.conditions import (
    PINNED,
    UP_TO_DATE,
    Condition,
    Hold,
    kstatus_conditions,
    merge_conditions,
)
from model_operator.core.objects.ownership import INSTANCE_LABEL
from model_operator.core.objects.rollout import Rollout
from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.planning.plan import Plan
from model_operator.core.reasons.reasons import PRECEDENCE, READY_TEXT, Reason
from model_operator.core.rendering.render import deployment_names
from model_operator.core.rendering.service import url_of
from model_operator.core.status.assessment import Assessment, DeploymentAssessment, Observation, Verdict
from model_operator.core.status.autoscaling import autoscaling
from model_operator.core.status.created_by import created_by
from model_operator.core.status.serving_entry import serving_entry
from model_operator.core.templates.contracts import contracts
from model_operator.core.templates.revisions.assignment import pinned_revision
from model_operator.core.templates.revisions.entry_revisions import entries_behind
from model_operator.core.values.limits import MAX_VIOLATIONS
from model_operator.core.values.words import plural

_SHOWN = 3
_MOMENTS = frozenset({"arrived_at", "failing_since"})
"""The fields of ``status.template`` that hold only while the instance is Ready, or fails."""
_MAX_ENTRIES = 64
"""The API's bound on ``status.deployments``; only renaming over and over gets there."""


def instance_status(assessment: Assessment, now: str) -> dict[str, Any]:
    """Return the whole ``status`` of a ModelInstance.

    Parameters
    ----------
    assessment
        The assessment of the instance, with the causes of what makes no progress.
    now
        RFC 3339 time for conditions that change.

    Notes
    -----
    ``Ready`` is about this generation with the revision of the template that the instance runs; ``Available``
    only says that something serves, of whatever revision.
    """
    observation, rollouts = assessment.observation, assessment.rollouts
    instance, plan = observation.instance, observation.plan
    current = instance.status
    entries = [_entry(observation, each) for each in assessment.deployments[:_MAX_ENTRIES]]
    verdict = _overall(assessment)
    conditions = kstatus_conditions(
        ready=verdict.reason.ready,
        stalled=verdict.stalled and not observation.in_grace,
        reason=verdict.reason.name,
        message=verdict.message,
    )
    conditions.insert(1, _available(verdict, rollouts))
    scaling = autoscaling(observation.autoscalers)
    if scaling is not None:
        # An autoscaler may quote a parameter, as the name of its metric.
        hide = (lambda text: text) if scaling.status else observation.redactor.redact
        conditions.insert(2, replace(scaling, message=hide(scaling.message)))
    if plan is not None and plan.latest:
        conditions.append(_up_to_date(instance.resource, plan))
    generation = instance.metadata.generation or 0
    return {
        "observedGeneration": generation,
        "conditions": merge_conditions(
            current.get("conditions", []), conditions, generation=generation, now=now
        ),
        "problem": None if verdict.reason.ready else verdict.problem,
        "id": instance.metadata.uid,
        "created_at": instance.metadata.creationTimestamp,
        "account_id": instance.spec.account_id or instance.metadata.namespace,
        **created_by(instance.metadata.annotations or {}, current),
        **_contracts(observation),
        "template": _template_ref(
            plan, current, generation, now, is_ready=verdict.reason.ready, fails=_fails(assessment)
        ),
        "validation_errors": (
            [violation.to_dict() for violation in plan.violations[:MAX_VIOLATIONS]] if plan else None
        ),
        "deployment_count": len(observation.deployments),
        "deployments": entries,
        "url": next((entry["url"] for entry in entries if entry.get("url")), None),
        "replicas": sum(rollout.replicas for rollout in rollouts),
        "ready_replicas": sum(rollout.ready for rollout in rollouts),
        "selector": f"{INSTANCE_LABEL}={instance.metadata.name}",
    }


def _entry(observation: Observation, each: DeploymentAssessment) -> dict[str, Any]:
    """Return the entry of ``status.deployments`` for one Deployment."""
    rollout, verdict = each.rollout, each.verdict
    entry: dict[str, Any] = {
        "name": each.name,
        "status": verdict.state.value,
        "created_at": _created_at(observation, each.name),
        "replicas": rollout.replicas if rollout else 0,
        "ready_replicas": rollout.ready if rollout else 0,
    }
    # Only for a live Service of ours: a foreign one may have the name.
    if each.name in observation.services:
        entry["url"] = _url(observation, each.name)
    entry["serving"] = serving_entry(observation, each)
    shown = each.trouble if verdict.state is DeploymentState.READY else verdict
    if shown is not None and shown.detail:
        entry |= {"message": shown.message, "problem": shown.problem}
    entry["template_revision"] = _own_revision(observation, each)
    if each.is_desired or each.pod_revision:
        entry["pod_revision"] = each.pod_revision
    if each.contested:
        entry["contested"] = [asdict(field) for field in each.contested]
    return entry


def _own_revision(observation: Observation, each: DeploymentAssessment) -> str | None:
    """Return the revision that a deployment names: of the last validation, or the last known one.

    One that is about to be deleted keeps it: it is not that of the instance.
    """
    plan = observation.plan
    if plan is not None and plan.template is not None:
        own = plan.own_revisions.get(each.name)
        if own is not None or each.name in deployment_names(observation.instance.resource):
            return own
    known = observation.instance.status.get("deployments") or ()
    return next((one.get("template_revision") for one in known if one.get("name") == each.name), None)


def _created_at(observation: Observation, name: str) -> str | None:
    live = observation.deployments.get(name)
    return None if live is None else live["metadata"].get("creationTimestamp")


def _url(observation: Observation, name: str) -> str:
    """Return the URL of a live Service: as it is wanted, else as it was last reported."""
    rendering = observation.plan.rendering if observation.plan else None
    wanted = [(each.name, each.url) for each in (rendering.deployments if rendering else ())]
    known = [
        (entry.get("name"), entry.get("url"))
        for entry in observation.instance.status.get("deployments") or ()
    ]
    found = next((url for each, url in (*wanted, *known) if each == name and url), None)
    return found or url_of(name, observation.instance.metadata.namespace)


def _overall(assessment: Assessment) -> Verdict:
    """Return the verdict on the instance as a whole."""
    observation = assessment.observation
    verdicts = [each.verdict for each in assessment.deployments if each.affects_ready]
    ready = DeploymentState.READY
    plan = observation.plan
    if plan is None:
        return Verdict(Reason.Terminating, "The instance is being deleted.", ready)
    if plan.problem is not None:
        return Verdict(plan.problem.reason, plan.problem.detail + _unscaled(observation), ready)
    if not verdicts and observation.instance.spec.model_template_id is None:
        vendor = observation.instance.spec.model_vendor
        return Verdict(
            Reason.ExternallyHosted, f"The model is hosted by {vendor}; it has no Deployment.", ready
        )
    if not verdicts:
        return Verdict(Reason.NotDeployed, "spec.deployments is empty; the model has no Deployments.", ready)
    worst = min(verdicts, key=lambda verdict: PRECEDENCE.index(verdict.reason)).reason
    if worst is Reason.RolledOut:
        troubles = [each.trouble for each in assessment.deployments if each.trouble is not None]
        if not troubles:
            return Verdict(worst, READY_TEXT, ready)
        shown = " ".join(each.full_detail for each in troubles[:_SHOWN])
        return Verdict(worst, f"{READY_TEXT} {shown}", ready, advice=troubles[0].own_advice)
    alike = [verdict for verdict in verdicts if verdict.reason is worst]
    details = list(dict.fromkeys(verdict.full_detail for verdict in alike))
    more = f" And {len(details) - _SHOWN} more." if len(details) > _SHOWN else ""
    # One deployment that needs a human keeps the whole from ever being Ready without.
    stalled = any(verdict.stalled for verdict in verdicts)
    return Verdict(worst, " ".join(details[:_SHOWN]) + more, ready, stalled, alike[0].advice)


def _unscaled(observation: Observation) -> str:
    """Return that a wanted number of workers has no effect while nothing of the instance may change."""
    wanted = observation.instance.spec.replicas
    workers = sum(live["spec"].get("replicas", 1) for live in observation.deployments.values())
    if wanted is None or not observation.deployments or workers == wanted:
        return ""
    return (
        f" Until that is resolved, spec.replicas has no effect: the model keeps {plural(workers, 'worker')}."
    )


def _available(verdict: Verdict, rollouts: Sequence[Rollout]) -> Condition:
    if verdict.reason is Reason.ExternallyHosted:
        return Condition("Available", True, "ExternallyHosted", "The vendor serves the model.")
    if any(rollout.serves for rollout in rollouts):
        return Condition("Available", True, "Serving", "At least one worker is available.")
    return Condition("Available", False, "NotServing", "No worker is available.")


_HOLDS = {
    Hold.AWAITING_ROLLOUT: "The instance keeps its revision until the roll-out of its template reaches "
    "it; condition RolledOut of the template says how far that is.",
    Hold.ROLLOUT_HALTED: "The instance keeps its revision while the roll-out of its template is halted; "
    "condition RolledOut of the template says why.",
}
_FOLLOWS_STABLE = (
    "{} is stable: the {} gets the latest revision of its template once the roll-out to all that follow "
    "latest is complete."
)


def _up_to_date(instance: ModelInstance, plan: Plan) -> Condition:
    # Without the latest hash: an edit of the template would change the message of each instance that keeps
    # its revision.
    hold, pin = plan.hold, pinned_revision(instance)
    if hold is not None:
        follows_stable = instance.spec.model_template_revision == STABLE
        waits_for_others = hold is Hold.AWAITING_ROLLOUT and follows_stable
        message = (
            _FOLLOWS_STABLE.format("spec.model_template_revision", "instance")
            if waits_for_others
            else _HOLDS[hold]
        )
        return Condition(UP_TO_DATE, False, hold.value, message)
    if pin not in (None, plan.latest):
        return _pinned("spec.model_template_revision", pin)
    behind = {
        f"spec.deployments[{index}].model_template_revision": entry.model_template_revision
        for index, entry in entries_behind(instance, plan.pinned, plan.latest)
    }
    for field, named in behind.items():
        if named != STABLE:
            return _pinned(field, named)
    for field in behind:
        message = _FOLLOWS_STABLE.format(field, "deployment")
        return Condition(UP_TO_DATE, False, Hold.AWAITING_ROLLOUT.value, message)
    return Condition(UP_TO_DATE, True, "Latest", "The instance follows the latest revision of its template.")


def _pinned(field: str, revision: str | None) -> Condition:
    message = f"{field} names revision {revision}, which is not the latest one of the template."
    return Condition(UP_TO_DATE, False, PINNED, message)


def _fails(assessment: Assessment) -> bool:
    """Return whether an instance fails at its revision for a cause that no waiting resolves.

    A deployment with a revision of its own says nothing of that of the instance.
    """
    plan = assessment.observation.plan
    own = {} if plan is None else plan.own_revisions
    return any(
        each.verdict.is_permanent and own.get(each.name) is None
        for each in assessment.deployments
        if each.affects_ready
    )


def _template_ref(
    plan: Plan | None,
    current: Mapping[str, Any],
    generation: int,
    now: str,
    *,
    is_ready: bool,
    fails: bool,
) -> Any:
    """Return ``status.template``: the template of the last validation, or the last known one.

    Its generation stays that with which the instance got the revision: not each edit of the template concerns
    its instances.
    """
    known = current.get("template") or {}
    if plan is not None and plan.template is not None:
        resource = plan.template.resource
        metadata, revision = resource.metadata, plan.template.revision
        is_known = (known.get("uid"), known.get("revision")) == (metadata.uid, revision)
        return {
            "kind": resource.kind,
            "name": metadata.name,
            "namespace": metadata.namespace or None,
            "uid": metadata.uid,
            "generation": known.get("generation", 0) if is_known else metadata.generation,
            # What is not valid is not stored, so that it is no revision.
            "revision": None if plan.template.violations else revision,
            **_arrived(current, revision, now, is_ready=is_ready),
            **_arrived_generation(current, revision, generation, is_ready=is_ready),
            **_failing(known, revision, now, fails=fails),
        }
    missing = plan is None or plan.problem is not None
    if missing and not is_ready and not _MOMENTS.isdisjoint(known):
        return {key: value for key, value in known.items() if key not in _MOMENTS}
    return current.get("template") if missing else None


def _arrived(current: Mapping[str, Any], revision: str, now: str, *, is_ready: bool) -> dict[str, str]:
    """Return since when an instance has been Ready at its revision, if it is.

    Of one that has been so since before this was recorded it stays unknown: that is no reason to write.
    """
    known, was_ready = current.get("template") or {}, _was_ready(current, revision)
    if not is_ready or (was_ready and "arrived_at" not in known):
        return {}
    return {"arrived_at": known["arrived_at"] if was_ready else now}


def _arrived_generation(
    current: Mapping[str, Any], revision: str, generation: int, *, is_ready: bool
) -> dict[str, int]:
    """Return the generation with which an instance was last Ready at its revision, if it was.

    Of one that has been so since before this was recorded it stays unknown until the next edit of it.
    """
    known = current.get("template") or {}
    before = known.get("arrived_generation") if known.get("revision") == revision else None
    if not is_ready:
        return {} if before is None else {"arrived_generation": before}
    is_unrecorded = (
        before is None and _was_ready(current, revision) and current.get("observedGeneration") == generation
    )
    return {} if is_unrecorded else {"arrived_generation": generation}


def _was_ready(current: Mapping[str, Any], revision: str) -> bool:
    """Return whether the last status says that an instance is Ready at a revision."""
    return (current.get("template") or {}).get("revision") == revision and any(
        (each.get("type"), each.get("status")) == ("Ready", "True")
        for each in current.get("conditions") or ()
    )


def _failing(known: Mapping[str, Any], revision: str, now: str, *, fails: bool) -> dict[str, str]:
    """Return since when an instance has failed at its revision for a cause that no waiting resolves."""
    if not fails:
        return {}
    since = known.get("failing_since") if known.get("revision") == revision else None
    return {"failing_since": since or now}


def _contracts(observation: Observation) -> Mapping[str, Any]:
    """Return the request and response contract, kept as they were while the template is unusable."""
    plan = observation.plan
    template = plan.template if plan else None
    if template is not None and not template.violations:
        return template.contracts
    if plan is not None and plan.problem is None and observation.instance.spec.model_type is not None:
        return contracts(observation.instance.spec.model_type, parse_parameter_schema(None, ()))
    kept = ("request_schema", "response_schema", "supports_multi_turn")
    current = observation.instance.status
    return {key: current[key] for key in kept if key in current}
