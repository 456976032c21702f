"""The grace period: a problem is Stalled only when it has lasted while none of its objects changed.

A commit that changes a template together with its instances arrives as several writes. Between two of them
the objects disagree, though no action is needed. Tools that fail fast (Flux, the sync waves of Argo CD) would
give up at the first status that says Stalled. So the object is Reconciling first.

Times are seconds of the operator's own monotonic clock, never those of another machine. After a restart, the
status says which problem was Stalled with which generations; any other problem is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from model_operator.core.objects.live_instance import LiveInstance
from model_operator.core.objects.recorded_template import TemplateVersion, is_recorded
from model_operator.core.planning.plan import Plan
from model_operator.core.reasons.reasons import PRECEDENCE, Reason
from model_operator.core.reasons.refusals import Failure


@dataclass(frozen=True, slots=True)
class Standing:
    """What a status is computed from. A change of any part restarts the grace period.

    Attributes
    ----------
    uid, generation
        The object.
    template
        Revision of its template, or the generation of one that cannot be read; None without one.
    version
        The template, for what the status says of it; no part of the standing.
    problem
        Name of the reason, where that depends on another object; empty otherwise.
    obstacles
        The uids of the objects that block a write.
    """

    uid: str
    generation: int
    template: str | None = None
    problem: str = ""
    obstacles: frozenset[str] = frozenset()
    version: TemplateVersion | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Since:
    """Since when a standing has been as it is.

    Attributes
    ----------
    standing
        The standing.
    time
        Seconds of a monotonic clock; minus infinity for longer than the operator runs.
    """

    standing: Standing
    time: float

    def remaining(self, grace: float, now: float) -> float:
        """Return the seconds until the grace period ends; 0 when it has ended."""
        return max(0.0, self.time + grace - now)


def instance_standing(
    instance: LiveInstance, plan: Plan | None, failures: Iterable[Failure] = ()
) -> Standing:
    """Return what the status of an instance is computed from.

    Parameters
    ----------
    instance
        The ModelInstance.
    plan
        Its plan; None while it is being deleted.
    failures
        The rejected writes of its children.
    """
    version = plan.template.version if plan and plan.template else None
    problems = [plan.problem] if plan and plan.problem else failures
    open_to_others = [each for each in problems if each.reason.value.depends_on_another]
    return Standing(
        instance.metadata.uid,
        instance.metadata.generation or 0,
        (version.revision or str(version.generation)) if version else None,
        _first(each.reason for each in open_to_others),
        frozenset(each.obstacle for each in open_to_others if each.obstacle),
        version,
    )


def observe(known: Since | None, standing: Standing, status: Mapping[str, Any], now: float) -> Since:
    """Return since when a standing has been as it is.

    Parameters
    ----------
    known
        The last answer for this object; None after a restart, or when it was in order since.
    standing
        The present standing.
    status
        ``status`` of the object as the API server has it.
    now
        Seconds of a monotonic clock.
    """
    if known is not None and known.standing == standing:
        return known
    if known is None and _is_reported(standing, status):
        return Since(standing, float("-inf"))
    return Since(standing, now)


def may_stall(status: Mapping[str, Any]) -> bool:
    """Return whether an instance that has this status within the grace period may be Stalled after it."""
    conditions = {each["type"]: each for each in status["conditions"]}
    reason = Reason.__members__.get(conditions["Ready"]["reason"])
    return "Reconciling" in conditions and reason is not None and (reason.stalled or reason.value.stalls_late)


def _first(reasons: Iterable[Reason]) -> str:
    first = min(reasons, key=PRECEDENCE.index, default=None)
    return first.name if first else ""


def _is_reported(standing: Standing, status: Mapping[str, Any]) -> bool:
    """Return whether a status says that the standing was known, and its problem Stalled, before."""
    if status.get("observedGeneration") != standing.generation:
        return False
    if standing.version is not None and not is_recorded(status, standing.version):
        return False
    stalled = {
        each.get("reason")
        for each in status.get("conditions") or ()
        if each.get("type") == "Stalled" and each.get("status") == "True"
    }
    return not standing.problem or standing.problem in stalled
