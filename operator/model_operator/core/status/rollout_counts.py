"""The roll-out of an edited template: how many of its instances are updated to its latest revision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from model_operator.core.objects.conditions import Condition
from model_operator.core.objects.recorded_template import TemplateVersion, is_recorded
from model_operator.core.rollouts.reading import is_pinned
from model_operator.core.values.words import plural


class RolloutReason(StrEnum):
    """Reasons of the RolledOut condition of a template; with the first two it is True."""

    NO_INSTANCES = "NoInstances"
    ALL_UPDATED = "AllUpdated"
    ROLLING_OUT = "RollingOut"
    SOAKING = "Soaking"
    AWAITING_APPROVAL = "AwaitingApproval"
    PAUSED = "Paused"
    HALTED = "Halted"
    INSTANCES_STALLED = "InstancesStalled"
    TEMPLATE_INVALID = "TemplateInvalid"
    POD_TEMPLATE_REJECTED = "PodTemplateRejected"


@dataclass(frozen=True, slots=True)
class InstanceCounts:
    """The instances of a template, counted.

    Attributes
    ----------
    instances
        Those bound to the template; naming it is not enough.
    updated
        Those that are Ready at their current generation and the template's latest revision.
    stalled
        Those that are stalled: they need an action.
    pinned
        Those that are pinned to another revision as a whole, which the roll-out does not wait for. One whose
        deployments are pinned follows, with the others.
    """

    instances: int = 0
    updated: int = 0
    stalled: int = 0
    pinned: int = 0


def count_instances(instances: Iterable[Mapping[str, Any]], latest: TemplateVersion) -> InstanceCounts:
    """Count the instances of a template.

    Parameters
    ----------
    instances
        Those that may be its: ModelInstances as the API server has them.
    latest
        The template, with its latest revision.
    """
    bound = updated = stalled = pinned = 0
    for instance in instances:
        status = instance.get("status") or {}
        counted = rollout_share(status)
        if counted.template != latest.uid:
            continue
        bound += 1
        # A status of another generation or revision says how it was, not how it is.
        if counted.generation != instance["metadata"].get("generation"):
            continue
        if is_pinned(instance) and instance["spec"]["model_template_revision"] != latest.revision:
            stalled += counted.stalled
            pinned += 1
        elif is_recorded(status, latest):
            updated += counted.ready
            stalled += counted.stalled
    return InstanceCounts(bound, updated, stalled, pinned)


def sum_of(counts: Iterable[InstanceCounts]) -> InstanceCounts:
    """Add up counts."""
    instances = updated = stalled = pinned = 0
    for each in counts:
        instances += each.instances
        updated += each.updated
        stalled += each.stalled
        pinned += each.pinned
    return InstanceCounts(instances, updated, stalled, pinned)


@dataclass(frozen=True, slots=True)
class RolloutShare:
    """The part of an instance's status that its template counts: only a change of it needs a new count."""

    template: str | None
    template_generation: int | None
    revision: str | None
    generation: int | None
    ready: bool
    stalled: bool
    failing_since: str | None


def rollout_share(status: Mapping[str, Any]) -> RolloutShare:
    """Return what a ModelInstance's status contributes to the counts of the template that it is bound to."""
    template = status.get("template") or {}
    holds = {
        condition.get("type")
        for condition in status.get("conditions") or ()
        if condition.get("status") == "True"
    }
    return RolloutShare(
        template.get("uid"),
        template.get("generation") if template.get("revision") is None else None,
        template.get("revision"),
        status.get("observedGeneration"),
        "Ready" in holds,
        "Stalled" in holds,
        template.get("failing_since"),
    )


def rolled_out(counts: InstanceCounts, latest: str, *, hindrance: RolloutReason | None = None) -> Condition:
    """Return the RolledOut condition of a template.

    It is separate from Ready, which is about the template alone: GitOps tools that wait for a template to be
    Ready must not wait for all of its models.

    Parameters
    ----------
    counts
        Its instances.
    latest
        Hash of its latest valid revision; empty where there has never been one.
    hindrance
        Why instances cannot follow it as it is now; None when they can.
    """
    reason, message = _reason(counts, latest, hindrance)
    is_done = reason in (RolloutReason.NO_INSTANCES, RolloutReason.ALL_UPDATED)
    return Condition("RolledOut", is_done, reason.value, message)


HINDRANCES: Final[Mapping[RolloutReason, str]] = {
    RolloutReason.TEMPLATE_INVALID: "The template is invalid",
    RolloutReason.POD_TEMPLATE_REJECTED: "The API server rejects the objects of the template",
    RolloutReason.ROLLING_OUT: "The revision of the template is not stored yet",
}
"""Why instances cannot follow a template as it is now, without a full stop."""


def _reason(
    counts: InstanceCounts, latest: str, hindrance: RolloutReason | None
) -> tuple[RolloutReason, str]:
    if hindrance is not None:
        stay = f"its instances stay at revision {latest}" if latest else "its instances are left unchanged"
        return hindrance, f"{HINDRANCES[hindrance]}; {stay}."
    if not counts.instances:
        return RolloutReason.NO_INSTANCES, "No instance uses the template."
    following = counts.instances - counts.pinned
    progress = f"{counts.updated} of {plural(following, 'instance')} ready at revision {latest}"
    if counts.pinned:
        progress += f"; {counts.pinned} pinned to another one"
    if counts.updated == following:
        return RolloutReason.ALL_UPDATED, f"{progress}."
    if counts.stalled:
        conditions = "its Ready condition" if counts.stalled == 1 else "their Ready conditions"
        return RolloutReason.INSTANCES_STALLED, f"{progress}; {counts.stalled} stalled (see {conditions})."
    return RolloutReason.ROLLING_OUT, f"{progress}."
