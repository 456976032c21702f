"""What kstatus (Flux) and Argo CD make of each reason, as the documentation shows it.

Both look at conditions only, so a reason's row follows from whether it is Ready and whether it is Stalled.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from model_operator.api import RolloutState
from model_operator.core.objects.conditions import kstatus_conditions, merge_conditions
from model_operator.core.reasons.reasons import PRECEDENCE, Reason
from model_operator.core.rollouts.advance import Advance
from model_operator.core.status.rollout_counts import InstanceCounts
from model_operator.core.status.template import TemplateReason, template_status
from model_operator.core.templates.parsing import parse_template
from tests.examples.objects import template
from tests.gitops import kstatus, lua
from tests.gitops.argocd import health_script

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cluster.kube_api import Object

TIME = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Verdict:
    """What the tools make of an object."""

    kstatus: kstatus.KStatus
    argocd: str


def verdict(obj: Mapping[str, Any]) -> Verdict:
    """Ask both about an object of ours."""
    computed, _ = kstatus.compute(obj)
    return Verdict(computed, lua.health(health_script(obj["kind"]), obj)["status"])


def with_reason(kind: str, reason: Reason | TemplateReason, *, in_grace: bool = False) -> Object:
    """Return an object whose status carries a reason, as the operator writes it.

    Parameters
    ----------
    kind, reason
        Which object, and the reason of its Ready condition.
    in_grace
        Whether the grace period has not ended.
    """
    info = reason.value
    stalled = info.stalled and not (in_grace and info.depends_on_another)
    conditions = kstatus_conditions(
        ready=info.ready, stalled=stalled, reason=reason.name, message=info.meaning
    )
    metadata = {"name": "demo", "generation": 2}
    if reason is Reason.Terminating:
        metadata["deletionTimestamp"] = TIME
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": kind,
        "metadata": metadata,
        "spec": {},
        "status": {
            "observedGeneration": 2,
            "conditions": merge_conditions([], conditions, generation=2, now=TIME),
        },
    }


def in_roll_out(state: RolloutState, *, steps: bool = True, stable: str = "0123456789ab") -> Object:
    """Return a valid template whose latest revision rolls out, as the operator writes it.

    Parameters
    ----------
    state
        The state of the roll-out.
    steps
        Whether the template has the field ``rollout``.
    stable
        Hash of the stable revision.
    """
    obj = template()
    obj["metadata"] |= {"namespace": "team-a", "uid": "t1", "generation": 2, "creationTimestamp": TIME}
    obj["spec"] |= {"rollout": {}} if steps else {}
    compiled = parse_template(obj)
    is_done = state is RolloutState.COMPLETE
    progress = Advance(
        frozenset(),
        state,
        step="" if is_done else "remaining",
        stable=compiled.revision if is_done else stable,
        arrived=2 if is_done else 1,
        moving=0,
        failed=0,
        waiting=0 if is_done else 1,
    )
    obj["status"] = template_status(
        compiled, {}, InstanceCounts(), TIME, latest=compiled.revision, progress=progress, started_at=TIME
    )
    return obj


def instance_verdicts() -> str:
    """Give the table for ModelInstances, as Markdown."""
    not_seen = with_reason("ModelInstance", Reason.RolledOut)
    not_seen["status"]["observedGeneration"] = 1
    rows = [("any, of an earlier generation, and no status yet", [not_seen])]
    rows += [(f"`{reason.name}`", _in_time("ModelInstance", reason)) for reason in PRECEDENCE]
    return _table(rows)


def template_verdicts() -> str:
    """Give the table for both kinds of templates, as Markdown."""
    reasons: type[Enum] = TemplateReason
    return _table([(f"`{each.name}`", _in_time("ModelTemplate", each)) for each in reasons])  # type: ignore[arg-type]


def roll_out_verdicts() -> str:
    """Give the table for the roll-outs of templates, as Markdown."""
    return _table([(_shown(obj), [obj]) for obj in map(in_roll_out, RolloutState)], "reason of `RolledOut`")


def _shown(obj: Object) -> str:
    (reason,) = (each["reason"] for each in obj["status"]["conditions"] if each["type"] == "RolledOut")
    return f"`{reason}`"


def _in_time(kind: str, reason: Reason | TemplateReason) -> list[Object]:
    """Return the object within the grace period and after it."""
    return [with_reason(kind, reason, in_grace=in_grace) for in_grace in (True, False)]


def _table(rows: list[tuple[str, list[Object]]], first: str = "reason of `Ready`") -> str:
    lines = [f"| {first} | kstatus (Flux) | Argo CD |", "|---|---|---|"]
    for name, objects in rows:
        judged = list(dict.fromkeys(verdict(obj) for obj in objects))
        flux, argocd = (
            ", then ".join(cells)
            for cells in zip(*((each.kstatus.value, each.argocd) for each in judged), strict=True)
        )
        lines.append(f"| {name} | {flux} | {argocd} |")
    return "\n".join(lines)
