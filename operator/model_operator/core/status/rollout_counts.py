"""The roll-out of an edited template: how many of its instances are updated to its current generation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from model_operator.core.objects.conditions import Condition
from model_operator.core.values.words import plural


class RolloutReason(StrEnum):
    """Reasons of the RolledOut condition of a template; with the first two it is True."""

    NO_INSTANCES = "NoInstances"
    ALL_UPDATED = "AllUpdated"
    ROLLING_OUT = "RollingOut"
    INSTANCES_STALLED = "InstancesStalled"
    TEMPLATE_INVALID = "TemplateInvalid"


@dataclass(frozen=True, slots=True)
class InstanceCounts:
    """The instances of a template, counted.

    Attributes
    ----------
    instances
        Those bound to the template; naming it is not enough.
    updated
        Those that are Ready at their current generation and the template's.
    stalled
        Those that are stalled: they need an action.
    """

    instances: int = 0
    updated: int = 0
    stalled: int = 0


def count_instances(instances: Iterable[Mapping[str, Any]], uid: str, generation: int) -> InstanceCounts:
    """Count the instances of a template.

    Parameters
    ----------
    instances
        Those that may be its: ModelInstances as the API server has them.
    uid, generation
        The template.
    """
    bound = updated = stalled = 0
    for instance in instances:
        status = instance.get("status") or {}
        counted = rollout_share(status)
        if counted.template != uid:
            continue
        bound += 1
        # A status of other generations says how it was, not how it is.
        if (counted.template_generation, counted.generation) == (
            generation,
            instance["metadata"].get("generation"),
        ):
            updated += counted.ready
            stalled += counted.stalled
    return InstanceCounts(bound, updated, stalled)


@dataclass(frozen=True, slots=True)
class RolloutShare:
    """The part of an instance's status that its template counts: only a change of it needs a new count."""

    template: str | None
    template_generation: int | None
    generation: int | None
    ready: bool
    stalled: bool


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
        template.get("generation"),
        status.get("observedGeneration"),
        "Ready" in holds,
        "Stalled" in holds,
    )


def rolled_out(counts: InstanceCounts, generation: int, *, valid: bool) -> Condition:
    """Return the RolledOut condition of a template.

    It is separate from Ready, which is about the template alone: GitOps tools that wait for a template to be
    Ready must not wait for all of its models.

    Parameters
    ----------
    counts
        Its instances.
    generation
        Its present generation.
    valid
        Whether instances can follow it.
    """
    reason, message = _reason(counts, generation, valid=valid)
    is_done = reason in (RolloutReason.NO_INSTANCES, RolloutReason.ALL_UPDATED)
    return Condition("RolledOut", is_done, reason.value, message)


def _reason(counts: InstanceCounts, generation: int, *, valid: bool) -> tuple[RolloutReason, str]:
    if not valid:
        return RolloutReason.TEMPLATE_INVALID, "The template is invalid; its instances are left unchanged."
    if not counts.instances:
        return RolloutReason.NO_INSTANCES, "No instance uses the template."
    progress = f"{counts.updated} of {plural(counts.instances, 'instance')} ready at generation {generation}"
    if counts.updated == counts.instances:
        return RolloutReason.ALL_UPDATED, f"{progress}."
    if counts.stalled:
        conditions = "its Ready condition" if counts.stalled == 1 else "their Ready conditions"
        return RolloutReason.INSTANCES_STALLED, f"{progress}; {counts.stalled} stalled (see {conditions})."
    return RolloutReason.ROLLING_OUT, f"{progress}."
