"""The status of a ModelInstance, as one pure function of the observed state."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from model_operator.api import DeploymentState, ModelInstance
from model_operator.core.diagnosis.cause import Diagnosis
from model_operator.core.objects.conditions import Condition, kstatus_conditions, merge_conditions
from model_operator.core.objects.drift import hash_matches
from model_operator.core.objects.ownership import INSTANCE_LABEL
from model_operator.core.objects.rollout import Rollout, RolloutState, assess_rollout
from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.planning.contested_fields import MAX_FIELDS, ContestedField
from model_operator.core.planning.pinned_pods import recorded_revision
from model_operator.core.planning.plan import Plan
from model_operator.core.reasons.reasons import PRECEDENCE, Advice, Reason
from model_operator.core.reasons.refusals import Failure
from model_operator.core.rendering.render import RenderedDeployment
from model_operator.core.rendering.service import service_url
from model_operator.core.status.created_by import created_by
from model_operator.core.status.redaction import Redactor
from model_operator.core.templates.contracts import contracts
from model_operator.core.values.limits import MAX_VIOLATIONS
from model_operator.core.values.words import plural

_SHOWN = 3
_LATE = "No progress within startup_timeout_seconds."
_NAMELESS = "an admission webhook or a manager that managedFields does not name"
_MAX_ENTRIES = 64
"""The API's bound on ``status.deployments``; only renaming over and over gets there."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The input from which the status of an instance is computed.

    Attributes
    ----------
    instance
        The ModelInstance.
    current
        Its ``status`` as the API server has it.
    plan
        Its plan; None while it is being deleted.
    deployments
        The live Deployments that it controls, by name.
    services
        The names of the live Services that it controls.
    failures
        The rejected writes, by the child's name.
    causes
        The diagnoses of Deployments whose workers are not ready, by name.
    contested
        The fields of a deployment's children that another manager keeps changing, by the deployment's name.
    """

    instance: ModelInstance
    current: Mapping[str, Any]
    plan: Plan | None
    deployments: Mapping[str, Mapping[str, Any]]
    services: Collection[str] = ()
    failures: Mapping[str, Failure] = field(default_factory=dict)
    causes: Mapping[str, Diagnosis] = field(default_factory=dict)
    contested: Mapping[str, Sequence[ContestedField]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The judgement on one deployment or on the instance as a whole."""

    reason: Reason
    detail: str
    state: DeploymentState
    needs_human: bool = False
    advice: Advice | None = None
    subject: str = ""
    """The Deployment that the detail is about, where the detail itself does not name it."""

    @property
    def stalled(self) -> bool:
        """Whether a human must act; a transient reason needs it after the deadline of the roll-out."""
        return self.reason.stalled or self.needs_human

    @property
    def message(self) -> str:
        return self._advice.sentence(self.full_detail)

    @property
    def full_detail(self) -> str:
        """The detail with its subject."""
        return f"{self.subject}: {self.detail}" if self.subject else self.detail

    @property
    def problem(self) -> dict[str, str | None]:
        """The fields of which the message is made, as ``api.Problem``."""
        advice = self._advice
        return {
            "reason": self.reason.name,
            "detail": self.detail,
            "actor": advice.actor,
            "next_step": advice.next_step or None,
        }

    @property
    def _advice(self) -> Advice:
        return self.advice or self.reason.value.advice


def needs_diagnosis(observation: Observation) -> list[str]:
    """Return the names of the Deployments whose lack of progress only their pods can explain."""
    rendering = observation.plan.rendering if observation.plan else None
    bare = replace(observation, causes={})
    stuck = []
    for rendered in rendering.deployments if rendering else ():
        live = observation.deployments.get(rendered.name)
        verdict = _judge(rendered, bare, assess_rollout(live) if live else None)
        if verdict.state is DeploymentState.UPDATE_IN_PROGRESS or (
            verdict.reason is Reason.ProgressDeadlineExceeded
        ):
            stuck.append(rendered.name)
    return stuck


def instance_status(observation: Observation, now: str) -> dict[str, Any]:
    """Return the whole ``status`` of a ModelInstance.

    Parameters
    ----------
    observation
        What was seen and decided.
    now
        RFC 3339 time for conditions that change.

    Notes
    -----
    ``Ready`` is about this generation with this generation of the template; ``Available`` only says
    that something serves, of whatever revision.
    """
    instance, current, plan = observation.instance, observation.current, observation.plan
    observation, rollouts = _redacted(
        observation, {name: assess_rollout(live) for name, live in observation.deployments.items()}
    )
    entries, verdicts = _entries(observation, rollouts)
    verdict = _overall(observation, verdicts)
    conditions = kstatus_conditions(
        ready=verdict.reason.ready,
        stalled=verdict.stalled,
        reason=verdict.reason.name,
        message=verdict.message,
    )
    conditions.insert(1, _available(verdict, rollouts))
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
        **_contracts(observation, current),
        "template": _template_ref(plan, current),
        "validation_errors": (
            [violation.to_dict() for violation in plan.violations[:MAX_VIOLATIONS]] if plan else None
        ),
        "deployment_count": len(observation.deployments),
        "deployments": entries,
        "url": next((entry["url"] for entry in entries if entry.get("url")), None),
        "replicas": sum(rollout.replicas for rollout in rollouts.values()),
        "ready_replicas": sum(rollout.ready for rollout in rollouts.values()),
        "selector": f"{INSTANCE_LABEL}={instance.metadata.name}",
    }


def _redacted(
    observation: Observation, rollouts: Mapping[str, Rollout]
) -> tuple[Observation, Mapping[str, Rollout]]:
    """Redact the instance's parameters in messages of other components, which may quote them."""
    is_quoting = any(rollout.message for rollout in rollouts.values())
    if not (is_quoting or observation.failures or observation.causes or observation.contested):
        return observation, rollouts
    plan = observation.plan
    values = Redactor(observation.instance, plan.template if plan else None)
    hide = values.redact
    discreet = replace(
        observation,
        failures={k: replace(each, detail=hide(each.detail)) for k, each in observation.failures.items()},
        causes={k: replace(each, detail=hide(each.detail)) for k, each in observation.causes.items()},
        contested={
            # Keys of maps and lists stand in a path, and a parameter may have made them.
            k: [replace(one, field=hide(one.field), manager=hide(one.manager)) for one in each]
            for k, each in observation.contested.items()
        },
    )
    return discreet, {k: replace(each, message=hide(each.message)) for k, each in rollouts.items()}


def _entries(
    observation: Observation, rollouts: Mapping[str, Rollout]
) -> tuple[list[dict[str, Any]], list[_Verdict]]:
    """Return ``status.deployments`` (the wanted ones first) and the verdicts on the wanted ones."""
    entries, verdicts = [], []
    rendering = observation.plan.rendering if observation.plan else None
    wanted = rendering.deployments if rendering else ()
    for rendered in wanted:
        verdict = _judge(rendered, observation, rollouts.get(rendered.name))
        verdicts.append(verdict)
        entry = _entry(observation, rendered.name, verdict, rollouts.get(rendered.name))
        entry["pod_revision"] = _applied_revision(rendered, observation)
        fields = observation.contested.get(rendered.name, ())
        if fields:
            entry["contested"] = [asdict(each) for each in fields[:MAX_FIELDS]]
        entries.append(entry)
    names = {rendered.name for rendered in wanted}
    known = [entry["name"] for entry in observation.current.get("deployments") or []]
    # Of what could not be deleted the Deployment may be gone already, and the Service be what is left.
    unwanted = (observation.deployments.keys() | observation.failures.keys()) - names
    # In the order of the previous status, so that the first one, whose URL is the model's, stays first.
    for name in sorted(unwanted, key=lambda name: ([*known, name].index(name), name)):
        verdict = _judge_unwanted(observation, name)
        if name in observation.failures:
            verdicts.append(verdict)
        entries.append(_entry(observation, name, verdict, rollouts.get(name)))
    return entries[:_MAX_ENTRIES], verdicts


def _entry(observation: Observation, name: str, verdict: _Verdict, rollout: Rollout | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": name,
        "status": verdict.state.value,
        "replicas": rollout.replicas if rollout else 0,
        "ready_replicas": rollout.ready if rollout else 0,
    }
    # Only for a live Service of ours: a foreign one may have the name.
    if name in observation.services:
        entry["url"] = service_url(name, observation.instance.metadata.namespace)
    if verdict.detail and verdict.state is not DeploymentState.READY:
        entry |= {"message": verdict.message, "problem": verdict.problem}
    return entry


def _judge(rendered: RenderedDeployment, observation: Observation, rollout: Rollout | None) -> _Verdict:
    failure = observation.failures.get(rendered.name)
    if failure is not None:
        transient = failure.reason is Reason.Deploying
        state = DeploymentState.UPDATE_PENDING if transient else DeploymentState.UPDATE_FAILED
        return _Verdict(failure.reason, failure.detail, state)
    contested = observation.contested.get(rendered.name)
    if contested:
        return _Verdict(Reason.Contested, _contest(rendered.name, contested), DeploymentState.UPDATE_FAILED)
    what = f"Deployment {rendered.name}"
    live = observation.deployments.get(rendered.name)
    if live is None or rollout is None:
        return _Verdict(Reason.Deploying, f"{what} is being created.", DeploymentState.UPDATE_PENDING)
    is_applied = hash_matches(rendered.with_applied_hash, live)
    if is_applied and (
        rollout.state is RolloutState.COMPLETE or (rollout.holds and _was_ready(rendered, observation))
    ):
        if rollout.wanted == 0:
            return _Verdict(Reason.ScaledToZero, "Scaled to zero workers.", DeploymentState.READY)
        return _Verdict(Reason.RolledOut, "", DeploymentState.READY)
    if rollout.state is RolloutState.PENDING or not is_applied:
        return _Verdict(
            Reason.Deploying, f"{what} is about to be rolled out.", DeploymentState.UPDATE_PENDING
        )
    return _judge_open(what, rollout, observation.causes.get(rendered.name))


def _contest(name: str, fields: Sequence[ContestedField]) -> str:
    """Return which fields of a deployment's children are contested, and by which managers."""
    parts = []
    for each in fields[:_SHOWN]:
        if not each.field:
            parts.append(f"{each.kind} {name} keeps being deleted.")
            continue
        by = f"field manager {each.manager}" if each.manager else _NAMELESS
        parts.append(f"{each.kind} {name}: {each.field} keeps being changed by {by}.")
    more = f" And {plural(len(fields) - _SHOWN, 'more field')}." if len(fields) > _SHOWN else ""
    return " ".join(parts) + more


def _judge_open(what: str, rollout: Rollout, cause: Diagnosis | None) -> _Verdict:
    """Judge a roll-out that is under way, or stuck."""
    late = f" {_LATE}" if rollout.is_overdue else ""
    failed = DeploymentState.UPDATE_FAILED
    if rollout.state is RolloutState.REJECTED:
        detail = f"pods are rejected: {rollout.message}.{late}"
        return _Verdict(Reason.PodsRejected, detail, failed, rollout.is_overdue, subject=what)
    if cause is not None and cause.is_failure:
        # A node or a volume may just be on its way.
        waits = cause.reason in (Reason.Unschedulable, Reason.VolumeNotReady) and not rollout.is_overdue
        state = DeploymentState.UPDATE_IN_PROGRESS if waits else failed
        detail = f"{cause.detail}{late}"
        return _Verdict(cause.reason, detail, state, rollout.is_overdue, cause.advice, what)
    note = f" {cause.detail[0].upper()}{cause.detail[1:]}" if cause is not None else ""
    if rollout.state is RolloutState.DEADLINE_EXCEEDED:
        detail = f"{rollout.message}{note}"
        return _Verdict(Reason.ProgressDeadlineExceeded, detail, failed, subject=what)
    updated = f"{rollout.updated} of {plural(rollout.wanted, 'worker')} updated"
    old = rollout.replicas - rollout.updated
    rest = f"; {plural(old, 'old worker')} still terminating" if old > 0 else ""
    detail = f"{updated}, {rollout.available} available{rest}.{note}"
    return _Verdict(Reason.Deploying, detail, DeploymentState.UPDATE_IN_PROGRESS, subject=what)


def _was_ready(rendered: RenderedDeployment, observation: Observation) -> bool:
    """Return whether this pod revision was reported as rolled out, so that scaling does not change Ready."""
    known = observation.current.get("deployments") or []
    before: Mapping[str, Any] = next((entry for entry in known if entry.get("name") == rendered.name), {})
    return before.get("status") == DeploymentState.READY and before.get("pod_revision") == rendered.revision


def _applied_revision(rendered: RenderedDeployment, observation: Observation) -> str | None:
    """Return the revision of these pods if the live Deployment has them, whatever of the rest is refused."""
    live, plan = observation.deployments.get(rendered.name), observation.plan
    if live is None or plan is None or plan.template is None:
        return None
    revision = rendered.revision
    recorded = recorded_revision(observation.current, observation.instance, plan.template, rendered.name)
    return revision if recorded == revision or hash_matches(rendered.with_applied_hash, live) else None


def _judge_unwanted(observation: Observation, name: str) -> _Verdict:
    """Judge what is live and not rendered: to be deleted, or kept while there is a problem."""
    plan = observation.plan
    failure = observation.failures.get(name)
    if failure is not None:
        return _Verdict(failure.reason, failure.detail, DeploymentState.DELETE_IN_PROGRESS)
    is_terminating = bool(observation.deployments[name].get("metadata", {}).get("deletionTimestamp"))
    if is_terminating or plan is None or plan.rendering is not None:
        return _Verdict(Reason.Terminating, "Waiting to be deleted.", DeploymentState.DELETE_IN_PROGRESS)
    reason = plan.problem.reason if plan.problem else Reason.Deploying
    failed = reason.stalled or reason is Reason.TemplateInvalid
    state = DeploymentState.UPDATE_FAILED if failed else DeploymentState.UPDATE_PENDING
    return _Verdict(reason, "Left unchanged; see the Ready condition.", state)


def _overall(observation: Observation, verdicts: list[_Verdict]) -> _Verdict:
    ready = DeploymentState.READY
    plan = observation.plan
    if plan is None:
        return _Verdict(Reason.Terminating, "The instance is being deleted.", ready)
    if plan.problem is not None:
        return _Verdict(plan.problem.reason, plan.problem.detail, ready)
    if not verdicts and observation.instance.spec.model_template_id is None:
        vendor = observation.instance.spec.model_vendor
        return _Verdict(
            Reason.ExternallyHosted, f"The model is hosted by {vendor}; it has no Deployment.", ready
        )
    if not verdicts:
        return _Verdict(Reason.NotDeployed, "spec.deployments is empty; the model has no Deployments.", ready)
    worst = min(verdicts, key=lambda verdict: PRECEDENCE.index(verdict.reason)).reason
    if worst is Reason.RolledOut:
        return _Verdict(worst, "Every deployment runs the current spec and template.", ready)
    alike = [verdict for verdict in verdicts if verdict.reason is worst]
    details = list(dict.fromkeys(verdict.full_detail for verdict in alike))
    more = f" And {len(details) - _SHOWN} more." if len(details) > _SHOWN else ""
    # One deployment that needs a human keeps the whole from ever being Ready without.
    stalled = any(verdict.stalled for verdict in verdicts)
    return _Verdict(worst, " ".join(details[:_SHOWN]) + more, ready, stalled, alike[0].advice)


def _available(verdict: _Verdict, rollouts: Mapping[str, Rollout]) -> Condition:
    if verdict.reason is Reason.ExternallyHosted:
        return Condition("Available", True, "ExternallyHosted", "The vendor serves the model.")
    if any(rollout.serves for rollout in rollouts.values()):
        return Condition("Available", True, "Serving", "At least one worker is available.")
    return Condition("Available", False, "NotServing", "No worker is available.")


def _template_ref(plan: Plan | None, current: Mapping[str, Any]) -> Any:
    """Return ``status.template``: what was judged against, or the last known while it is missing."""
    if plan is not None and plan.template is not None:
        resource = plan.template.resource
        return {
            "kind": resource.kind,
            "name": resource.metadata.name,
            "uid": resource.metadata.uid,
            "generation": resource.metadata.generation,
        }
    missing = plan is None or plan.problem is not None
    return current.get("template") if missing else None


def _contracts(observation: Observation, current: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the request and response contract, kept as they were while the template is unusable."""
    plan = observation.plan
    template = plan.template if plan else None
    if template is not None and not template.violations:
        return template.contracts
    if plan is not None and plan.problem is None and observation.instance.spec.model_type is not None:
        return contracts(observation.instance.spec.model_type, parse_parameter_schema(None, ()))
    kept = ("request_schema", "response_schema", "supports_multi_turn")
    return {key: current[key] for key in kept if key in current}
