"""The status of a template: whether instances can be made from it, and how many are updated."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from model_operator.api import Actor
from model_operator.core.objects.conditions import (
    SHARED,
    Condition,
    kstatus_conditions,
    merge_conditions,
)
from model_operator.core.planning.dry_run import DryRunResult
from model_operator.core.planning.plan import summarize
from model_operator.core.reasons.reasons import Advice, ReasonInfo
from model_operator.core.reasons.refusals import Failure
from model_operator.core.rollouts.advance import Advance
from model_operator.core.rollouts.policy import policy_of
from model_operator.core.status.grace import Standing
from model_operator.core.status.rollout_counts import InstanceCounts, RolloutReason, rolled_out
from model_operator.core.status.rollout_report import RolloutReport
from model_operator.core.templates.compile import CompiledTemplate


class TemplateReason(Enum):
    """Reasons of the Ready condition of a ModelTemplate or ClusterModelTemplate."""

    TemplateValid = ReasonInfo("Instances can be made from the template.", None, "", ready=True)
    TemplateValidUntested = ReasonInfo(
        "Instances can be made from the template, but no dry run has checked it.", None, "", ready=True
    )
    TemplateInvalid = ReasonInfo(
        "The template is invalid. Its instances stay at its last valid revision; without one they are left "
        "unchanged, and none is created.",
        Actor.TEMPLATE_OWNER,
        "fix the listed fields.",
        stalled=True,
    )
    RevisionNotStored = ReasonInfo(
        "The revision of the template cannot be stored; its instances stay at the last one that is.",
        Actor.OPERATOR,
        "resolve what is named; retried automatically.",
        stalled=True,
    )
    PodTemplateRejected = ReasonInfo(
        "The API server rejects the objects rendered for example parameters. Instances stay at the last "
        "valid revision; without one, running workers are left unchanged.",
        Actor.TEMPLATE_OWNER,
        "fix the template, or create what it needs; failures that depend on the cluster are retried "
        "automatically.",
        stalled=True,
    )


def template_status(
    template: CompiledTemplate,
    current: Mapping[str, Any],
    counts: InstanceCounts,
    now: str,
    result: DryRunResult | None = None,
    *,
    latest: str = "",
    unstored: Failure | None = None,
    in_grace: bool = False,
    progress: Advance | None = None,
    pinned: int = 0,
    started_at: str = "",
    knows_labels: bool = True,
) -> dict[str, Any]:
    """Return the whole ``status`` of a template.

    Parameters
    ----------
    template
        The compiled template.
    current
        Its ``status`` as the API server has it.
    counts
        Its instances.
    now
        RFC 3339 time for conditions that change.
    result
        The result of its dry run; None when dry runs are off.
    latest
        Hash of its latest valid revision that is stored; empty where none is, as where instances follow the
        template itself.
    unstored
        Why the revision of the template as it is now could not be stored.
    in_grace
        Whether the grace period has not ended: a refusal that depends on the cluster is not Stalled yet
        (:mod:`.grace`).
    progress
        What the roll-out of the latest revision does next; None where no revision is stored.
    pinned
        Number of instances that are pinned to a revision.
    started_at
        Time at which that roll-out began, RFC 3339, UTC; given with `progress`.
    knows_labels
        Whether the labels of namespaces are known; used where the template selects by them.
    """
    metadata = template.resource.metadata
    result = result or DryRunResult()
    reason, message = _reason(template, result, unstored)
    info = reason.value
    stalled = info.stalled and not (in_grace and _depends_on_another(reason, result))
    conditions = kstatus_conditions(ready=info.ready, stalled=stalled, reason=reason.name, message=message)
    hindrance, known = _hindrance(template, result, latest), latest or current.get("latest_revision")
    if progress is None:
        followed = latest or ("" if template.violations else template.revision)
        conditions.insert(1, rolled_out(counts, followed, hindrance=hindrance))
        # The stable revision and the start of a roll-out are remembered here alone.
        remembered = {key: current[key] for key in ("stable_revision", "rollout") if key in current}
    else:
        policy = policy_of(template.resource.spec.rollout)
        is_cluster_wide = not metadata.namespace
        report = RolloutReport(progress, policy, latest, pinned, started_at, is_cluster_wide)
        conditions.insert(1, report.condition(hindrance))
        remembered = {"stable_revision": progress.stable or None, "rollout": report.status()}
    if template.grant.selector is not None:
        conditions.insert(2, _shared(knows_labels=knows_labels))
    return {
        "observedGeneration": metadata.generation,
        "conditions": merge_conditions(
            current.get("conditions", []), conditions, generation=metadata.generation, now=now
        ),
        "id": metadata.uid,
        "created_at": metadata.creationTimestamp,
        "instance_count": counts.instances,
        "updated_instance_count": counts.updated,
        "stalled_instance_count": counts.stalled,
        # The last one stays known when it was deleted by hand: no older one takes its place.
        **({"latest_revision": known} if known else {}),
        **remembered,
    }


def _shared(*, knows_labels: bool) -> Condition:
    """Return the condition of a template that selects namespaces by labels: whether these are known."""
    if knows_labels:
        return Condition(SHARED, True, "NamespacesKnown", "The labels of namespaces are known.")
    detail = (
        "The labels of namespaces are not known, so that spec.allowed_namespaces.selector selects no "
        "namespace; names do."
    )
    next_step = "grant list and watch of namespaces to the operator's ServiceAccount; retried automatically."
    message = Advice(Actor.OPERATOR, next_step).sentence(detail)
    return Condition(SHARED, False, "NamespacesUnknown", message)


def template_standing(template: CompiledTemplate, result: DryRunResult) -> Standing:
    """Return what the status of a template is computed from.

    Parameters
    ----------
    template
        The compiled template.
    result
        The result of its dry run.
    """
    metadata = template.resource.metadata
    reason, _ = _reason(template, result, None)
    problem = reason.name if _depends_on_another(reason, result) else ""
    return Standing(metadata.uid, metadata.generation, problem=problem)


def was_accepted(template: CompiledTemplate) -> bool:
    """Return whether the status of the template says that a dry run accepted what it specifies.

    So a restart of the operator does not repeat the dry runs of all templates of a cluster, nor those of the
    templates that were paused or approved meanwhile.
    """
    status, generation = template.resource.status, template.resource.metadata.generation
    accepted = TemplateReason.TemplateValid.name
    is_observed = status.observedGeneration == generation or status.latest_revision == template.revision
    return is_observed and any(
        condition.type == "Ready" and condition.reason == accepted for condition in status.conditions
    )


def is_rejected(status: Mapping[str, Any], generation: int) -> bool:
    """Return whether the ``status`` of a template says that a dry run of this generation was rejected."""
    rejected = TemplateReason.PodTemplateRejected.name
    return status.get("observedGeneration") == generation and any(
        each.get("type") == "Ready" and each.get("reason") == rejected
        for each in status.get("conditions") or ()
    )


def _hindrance(template: CompiledTemplate, result: DryRunResult, latest: str) -> RolloutReason | None:
    """Return why instances cannot follow the template as it is now."""
    if template.violations:
        return RolloutReason.TEMPLATE_INVALID
    if not latest or latest == template.revision:
        return None
    return RolloutReason.POD_TEMPLATE_REJECTED if result.refusal else RolloutReason.ROLLING_OUT


def _depends_on_another(reason: TemplateReason, result: DryRunResult) -> bool:
    """Return whether another object may resolve it: what the cluster lacks may follow in the same commit."""
    return reason is TemplateReason.PodTemplateRejected and not result.is_final


def _reason(
    template: CompiledTemplate, result: DryRunResult, unstored: Failure | None
) -> tuple[TemplateReason, str]:
    if template.violations:
        reason = TemplateReason.TemplateInvalid
        return reason, reason.value.sentence(summarize(template.violations))
    if result.refusal:
        reason = TemplateReason.PodTemplateRejected
        return reason, reason.value.sentence(result.refusal)
    if unstored is not None:
        reason = TemplateReason.RevisionNotStored
        return reason, reason.value.sentence(unstored.detail)
    valid = TemplateReason.TemplateValid
    if result.skipped:
        return TemplateReason.TemplateValidUntested, f"{valid.value.meaning} {result.note}"
    return valid, valid.value.meaning
