"""The assessment of an instance: what each of its Deployments is, computed once for each reconcile.

A reconcile assesses what it has seen, diagnoses the Deployments whose lack of progress only their pods can
explain, adds the causes, and computes the status from the result. An instance that was rolled out stays Ready
while it is scaled.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from model_operator.api import DeploymentState
from model_operator.core.diagnosis.cause import Diagnosis
from model_operator.core.diagnosis.rejected_pods import explain_rejection
from model_operator.core.objects.live_instance import LiveInstance
from model_operator.core.objects.rollout import Rollout, RolloutState, assess_rollout
from model_operator.core.planning.contested_fields import MAX_FIELDS, ContestedField
from model_operator.core.planning.pinned_pods import recorded_revision
from model_operator.core.planning.plan import Plan
from model_operator.core.reasons.reasons import Advice, Reason
from model_operator.core.reasons.refusals import Failure
from model_operator.core.rendering.rendered_deployment import RenderedDeployment
from model_operator.core.status.redaction import Redactor
from model_operator.core.values.words import plural

_SHOWN = 3
_SUSPENDED = "spec.suspend is true; the model has no workers."
_LATE = "No progress within the roll-out deadline (startup_timeout_seconds)."
_NAMELESS = "an admission webhook or a manager that managedFields does not name"


@dataclass(frozen=True)
class Observation:
    """The input of the assessment of an instance.

    Attributes
    ----------
    instance
        The ModelInstance.
    plan
        Its plan; None while it is being deleted.
    deployments
        The live Deployments that it controls, by name.
    services
        The names of the live Services that it controls.
    failures
        The rejected writes, by the child's name.
    contested
        The fields of a deployment's children that another manager keeps changing, by the deployment's name.
    autoscalers
        The live HorizontalPodAutoscalers that it controls, by name.
    in_grace
        Whether the grace period has not ended: nothing is Stalled yet (:mod:`.grace`).
    """

    instance: LiveInstance
    plan: Plan | None
    deployments: Mapping[str, Mapping[str, Any]]
    services: Collection[str] = ()
    failures: Mapping[str, Failure] = field(default_factory=dict)
    contested: Mapping[str, Sequence[ContestedField]] = field(default_factory=dict)
    autoscalers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    in_grace: bool = False

    @cached_property
    def redactor(self) -> Redactor:
        """Redacts the instance's parameters in messages of other components, which may quote them."""
        return Redactor(self.instance.resource, *(self.plan.templates if self.plan else ()))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The assessment of one Deployment or on the instance as a whole.

    Attributes
    ----------
    reason
        The reason; its precedence and its advice follow from it.
    detail
        What is the case, redacted.
    state
        The state of the Deployment.
    needs_human
        Whether a person must act although the reason is transient: after the roll-out deadline.
    advice
        Who must act and how, where that differs from the advice of the reason.
    subject
        The Deployment that the detail is about, where the detail itself does not name it.
    is_permanent
        Whether it is a failure that no waiting resolves, whatever the roll-out deadline is.
    """

    reason: Reason
    detail: str
    state: DeploymentState
    needs_human: bool = False
    advice: Advice | None = None
    subject: str = ""
    is_permanent: bool = False

    @property
    def stalled(self) -> bool:
        """Whether a person must act."""
        return self.reason.stalled or self.needs_human

    @property
    def message(self) -> str:
        """The detail with its subject, and the action."""
        return self.own_advice.sentence(self.full_detail)

    @property
    def full_detail(self) -> str:
        """The detail with its subject."""
        return f"{self.subject}: {self.detail}" if self.subject else self.detail

    @property
    def problem(self) -> dict[str, str | None]:
        """The fields of which the message is made, as ``api.Problem``."""
        advice = self.own_advice
        return {
            "reason": self.reason.name,
            "detail": self.detail,
            "actor": advice.actor,
            "next_step": advice.next_step or None,
        }

    @property
    def own_advice(self) -> Advice:
        """Who must act and how."""
        return self.advice or self.reason.value.advice


@dataclass(frozen=True, slots=True)
class DeploymentAssessment:
    """What one Deployment of an instance is.

    Attributes
    ----------
    name
        Its name.
    verdict
        Its assessment.
    rollout
        Its roll-out, with a redacted message; None while there is no live Deployment.
    is_desired
        Whether the rendering has it. Another one will be deleted, or stays while nothing may change.
    affects_ready
        Whether the verdict counts for the Ready condition of the instance.
    pod_revision
        The revision of the desired pods if the live Deployment has them, whatever else is refused. While
        nothing may change, the one that was recorded before: it counts again when the template is back.
    contested
        The fields of its children that another manager keeps changing, redacted.
    trouble
        What is wrong with some of its workers although it is rolled out.
    """

    name: str
    verdict: Verdict
    rollout: Rollout | None
    is_desired: bool
    affects_ready: bool
    pod_revision: str | None = None
    contested: Sequence[ContestedField] = ()
    trouble: Verdict | None = None

    @property
    def needs_diagnosis(self) -> bool:
        """Whether only its pods can explain why it makes no progress, or why workers are not available."""
        verdict, rollout = self.verdict, self.rollout
        if not self.is_desired or rollout is None:
            return False
        return (
            verdict.state is DeploymentState.UPDATE_IN_PROGRESS
            or verdict.reason is Reason.ProgressDeadlineExceeded
            # Old workers may hold the quota.
            or (verdict.reason is Reason.PodsRejected and rollout.replicas > rollout.updated)
            or (verdict.state is DeploymentState.READY and rollout.available < rollout.wanted)
        )


@dataclass(frozen=True, slots=True)
class Assessment:
    """What an instance is, as seen in one reconcile.

    Attributes
    ----------
    observation
        What was seen and decided.
    deployments
        The desired ones in the order of the rendering, then the others in the order of the last status.
    """

    observation: Observation
    deployments: tuple[DeploymentAssessment, ...]

    @property
    def rollouts(self) -> list[Rollout]:
        """The roll-outs of all live Deployments."""
        return [each.rollout for each in self.deployments if each.rollout is not None]

    @property
    def undiagnosed(self) -> list[Mapping[str, Any]]:
        """The live Deployments whose lack of progress only their pods can explain."""
        return [self.observation.deployments[each.name] for each in self.deployments if each.needs_diagnosis]

    def with_causes(self, causes: Mapping[str, Diagnosis]) -> Assessment:
        """Return the assessment with the causes of what was undiagnosed.

        Parameters
        ----------
        causes
            The diagnoses by the Deployment's name, as the pods say it: they are redacted here.
        """
        if not causes:
            return self
        return replace(
            self,
            deployments=tuple(self._with_cause(each, causes.get(each.name)) for each in self.deployments),
        )

    def _with_cause(self, each: DeploymentAssessment, cause: Diagnosis | None) -> DeploymentAssessment:
        if cause is None or each.rollout is None or not each.needs_diagnosis:
            return each
        cause = replace(cause, detail=self.observation.redactor.redact(cause.detail))
        if each.verdict.state is DeploymentState.READY:
            return replace(each, trouble=_trouble(each.name, cause))
        return replace(each, verdict=_unfinished(each.name, each.rollout, cause))


def assess(observation: Observation) -> Assessment:
    """Return what each Deployment of an instance is, before any diagnosis.

    Parameters
    ----------
    observation
        What was seen and decided.
    """
    plan = observation.plan
    rendering = plan.rendering if plan else None
    desired = rendering.deployments if rendering else ()
    assessments = [_assess_desired(rendered, observation) for rendered in desired]
    names = {rendered.name for rendered in desired}
    assessments += [_assess_undesired(name, observation) for name in _undesired(observation, names)]
    return Assessment(observation, tuple(assessments))


def _undesired(observation: Observation, desired: Collection[str]) -> list[str]:
    """Return the names of what is live and not desired, in the order of the last status.

    So the first entry of the status, whose URL is the model's, stays first.
    """
    known = [entry["name"] for entry in observation.instance.status.get("deployments") or []]
    # Of what could not be deleted the Deployment may be gone already, and the Service be what is left.
    names = (observation.deployments.keys() | observation.failures.keys()) - set(desired)
    return sorted(names, key=lambda name: ([*known, name].index(name), name))


def _assess_desired(rendered: RenderedDeployment, observation: Observation) -> DeploymentAssessment:
    name = rendered.name
    live = observation.deployments.get(name)
    rollout = _rollout(live, observation)
    contested: Sequence[ContestedField] = _contested(name, observation)
    is_applied = live is not None and rendered.deployment.hash_matches(live)
    return DeploymentAssessment(
        name=name,
        verdict=_desired_verdict(rendered, observation, rollout, contested, is_applied=is_applied),
        rollout=rollout,
        is_desired=True,
        affects_ready=True,
        pod_revision=_applied_revision(rendered, observation, is_applied=is_applied),
        contested=contested[:MAX_FIELDS],
    )


def _assess_undesired(name: str, observation: Observation) -> DeploymentAssessment:
    return DeploymentAssessment(
        name=name,
        verdict=_undesired_verdict(name, observation),
        rollout=_rollout(observation.deployments.get(name), observation),
        is_desired=False,
        affects_ready=name in observation.failures,
        pod_revision=_kept_revision(name, observation),
    )


def _kept_revision(name: str, observation: Observation) -> str | None:
    """Return the recorded revision of the pods of a Deployment that is left unchanged because of a problem.

    It holds for the generation and the revision of the template that the status is about. If one of them has
    changed, it is of other pods than those that this instance should have.
    """
    plan, status = observation.plan, observation.instance.status
    if plan is None or plan.rendering is not None:
        return None
    if plan.template is not None:
        own = plan.own_revisions.get(name)
        return recorded_revision(observation.instance, plan.template, name, own)
    if status.get("observedGeneration") != observation.instance.metadata.generation:
        return None
    entries = status.get("deployments") or []
    return next((each.get("pod_revision") for each in entries if each.get("name") == name), None)


def _rollout(live: Mapping[str, Any] | None, observation: Observation) -> Rollout | None:
    if live is None:
        return None
    rollout = assess_rollout(live)
    if not rollout.message:
        return rollout
    return replace(rollout, message=observation.redactor.redact(rollout.message))


def _contested(name: str, observation: Observation) -> list[ContestedField]:
    # A path contains keys of maps and lists, which may be values of parameters.
    return [
        replace(
            each,
            field=observation.redactor.redact(each.field),
            manager=observation.redactor.redact(each.manager),
        )
        for each in observation.contested.get(name, ())
    ]


def _applied_revision(
    rendered: RenderedDeployment, observation: Observation, *, is_applied: bool
) -> str | None:
    """Return the revision of these pods if the live Deployment has them, whatever of the rest is refused."""
    plan = observation.plan
    if rendered.name not in observation.deployments or plan is None or plan.template is None:
        return None
    revision = rendered.deployment.pod_revision
    own = rendered.own_revision
    recorded = recorded_revision(observation.instance, plan.template, rendered.name, own)
    return revision if is_applied or recorded == revision else None


def _desired_verdict(
    rendered: RenderedDeployment,
    observation: Observation,
    rollout: Rollout | None,
    contested: Sequence[ContestedField],
    *,
    is_applied: bool,
) -> Verdict:
    failure = observation.failures.get(rendered.name)
    if failure is not None:
        transient = failure.reason is Reason.Deploying or _may_resolve(failure.reason, observation)
        state = DeploymentState.UPDATE_PENDING if transient else DeploymentState.UPDATE_FAILED
        return Verdict(failure.reason, observation.redactor.redact(failure.detail), state)
    if contested:
        return Verdict(
            Reason.Contested, _contested_detail(rendered.name, contested), DeploymentState.UPDATE_FAILED
        )
    what = f"Deployment {rendered.name}"
    if rollout is None:
        return Verdict(Reason.Deploying, f"{what} is being created.", DeploymentState.UPDATE_PENDING)
    if is_applied and (
        rollout.state is RolloutState.COMPLETE or (rollout.holds and _was_ready(rendered, observation))
    ):
        if observation.instance.spec.suspend:
            return _suspended_verdict(what, rollout)
        if rollout.wanted == 0:
            return Verdict(Reason.ScaledToZero, "Scaled to zero workers.", DeploymentState.READY)
        return Verdict(Reason.RolledOut, "", DeploymentState.READY)
    if rollout.state is RolloutState.PENDING or not is_applied:
        return Verdict(Reason.Deploying, f"{what} is about to be rolled out.", DeploymentState.UPDATE_PENDING)
    return _unfinished(rendered.name, rollout, None)


def _suspended_verdict(what: str, rollout: Rollout) -> Verdict:
    if rollout.replicas:
        detail = f"{what}: {plural(rollout.replicas, 'worker')} still to be stopped."
        return Verdict(Reason.Deploying, detail, DeploymentState.UPDATE_PENDING)
    return Verdict(Reason.Suspended, _SUSPENDED, DeploymentState.READY)


def _was_ready(rendered: RenderedDeployment, observation: Observation) -> bool:
    """Return whether this pod revision was reported as rolled out, so that scaling does not change Ready."""
    known = observation.instance.status.get("deployments") or []
    before: Mapping[str, Any] = next((entry for entry in known if entry.get("name") == rendered.name), {})
    return (
        before.get("status") == DeploymentState.READY
        and before.get("pod_revision") == rendered.deployment.pod_revision
    )


def _contested_detail(name: str, fields: Sequence[ContestedField]) -> str:
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


def _trouble(name: str, cause: Diagnosis) -> Verdict | None:
    """Return what is wrong with workers of a Deployment that is rolled out; None for progress."""
    if not cause.is_failure:
        return None
    return Verdict(
        cause.reason, cause.detail, DeploymentState.READY, advice=cause.advice, subject=f"Deployment {name}"
    )


def _unfinished(name: str, rollout: Rollout, cause: Diagnosis | None) -> Verdict:
    """Return the verdict on a roll-out that is in progress, or stuck."""
    what = f"Deployment {name}"
    late = f" {_LATE}" if rollout.is_overdue else ""
    failed = DeploymentState.UPDATE_FAILED
    if rollout.state is RolloutState.REJECTED:
        if cause is None or cause.reason is not Reason.PodsRejected:
            cause = explain_rejection(rollout.message).diagnosis
        detail = f"{cause.detail}{late}"
        return Verdict(
            cause.reason, detail, failed, rollout.is_overdue, cause.advice, what, cause.is_permanent
        )
    if cause is not None and cause.is_failure:
        # A node or a volume may just be on its way.
        waits = cause.reason in (Reason.Unschedulable, Reason.VolumeNotReady) and not rollout.is_overdue
        state = DeploymentState.UPDATE_IN_PROGRESS if waits else failed
        detail = f"{cause.detail}{late}"
        return Verdict(
            cause.reason, detail, state, rollout.is_overdue, cause.advice, what, cause.is_permanent
        )
    note = f" {cause.detail[0].upper()}{cause.detail[1:]}" if cause is not None else ""
    advice = cause.advice if cause is not None else None
    if rollout.state is RolloutState.DEADLINE_EXCEEDED:
        detail = f"{rollout.message}{note}"
        return Verdict(Reason.ProgressDeadlineExceeded, detail, failed, advice=advice, subject=what)
    updated = f"{rollout.updated} of {plural(rollout.wanted, 'worker')} updated"
    old = rollout.replicas - rollout.updated
    rest = f"; {plural(old, 'old worker')} still terminating" if old > 0 else ""
    detail = f"{updated}, {rollout.available} available{rest}.{note}"
    return Verdict(Reason.Deploying, detail, DeploymentState.UPDATE_IN_PROGRESS, advice=advice, subject=what)


def _undesired_verdict(name: str, observation: Observation) -> Verdict:
    """Return the verdict on what is live and not desired: to be deleted, or kept while there is a problem."""
    plan = observation.plan
    failure = observation.failures.get(name)
    if failure is not None:
        detail = observation.redactor.redact(failure.detail)
        return Verdict(failure.reason, detail, DeploymentState.DELETE_IN_PROGRESS)
    is_terminating = bool(observation.deployments[name].get("metadata", {}).get("deletionTimestamp"))
    if is_terminating or plan is None or plan.rendering is not None:
        return Verdict(Reason.Terminating, "Waiting to be deleted.", DeploymentState.DELETE_IN_PROGRESS)
    reason = plan.problem.reason if plan.problem else Reason.Deploying
    why = f": {plan.problem.detail}" if plan.problem else "."
    # Nothing was tried, so nothing has failed.
    return Verdict(reason, f"Left unchanged{why}", DeploymentState.UPDATE_PENDING)


def _may_resolve(reason: Reason, observation: Observation) -> bool:
    """Return whether the change of another object that resolves it may be on its way."""
    return reason.value.depends_on_another and observation.in_grace
