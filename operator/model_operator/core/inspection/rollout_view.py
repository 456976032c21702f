"""Where the roll-out of a template stands, and whether waiting for its end can succeed."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from model_operator.api import REMAINING, STABLE_FOLLOWERS, RolloutState
from model_operator.core.inspection.ages import age
from model_operator.core.inspection.facts import Object, condition_of, is_observed, is_true
from model_operator.core.inspection.readiness import reason_and_message
from model_operator.core.inspection.rollout_edits import template_title
from model_operator.core.objects.conditions import ROLLED_OUT
from model_operator.core.reasons.reasons import Reason
from model_operator.core.values.words import plural

INSTANCES_STALLED: Final = "InstancesStalled"
"""Reason of that condition where nothing more moves, and an instance needs an action."""
ROLLING_OUT: Final = "RollingOut"
"""Reason of that condition while instances get the revision, new ones after the roll-out included."""
_HELD: Final[dict[str, str]] = {
    RolloutState.AWAITING_APPROVAL: "awaits an approval",
    RolloutState.PAUSED: "is paused",
}
_SHOWN: Final = 5
_COUNTS: Final = ("arrived", "moving", "failed", "waiting", "pinned")


class RolloutOutcome(Enum):
    """What a client that waits for the end of a roll-out makes of it."""

    COMPLETE = "complete"
    """All instances that follow the template are Ready at its latest revision."""
    UNDER_WAY = "under way"
    """It may become complete by itself or by an approval, or when it is resumed."""
    PENDING = "pending"
    """The operator has not reconciled the current generation of the template yet."""
    FAILED = "failed"
    """It does not become complete without an action."""
    TERMINATING = "terminating"
    """The template is being deleted."""


@dataclass(frozen=True, slots=True)
class RolloutView:
    """Where a roll-out stands.

    Attributes
    ----------
    outcome
        What a client that waits makes of it.
    title, summary
        The state in a sentence, and in one line with what it waits for.
    parts
        All that is known: labels, each with a text.
    """

    outcome: RolloutOutcome
    title: str
    summary: str
    parts: tuple[tuple[str, str], ...]


def rollout_view(template: Object, now: datetime.datetime) -> RolloutView:
    """Return where the roll-out of a template stands.

    A status counts only if it is about the current generation of the template.

    Parameters
    ----------
    template
        The ModelTemplate or ClusterModelTemplate.
    now
        The current time, for ages.
    """
    outcome = _outcome(template)
    rolled_out = condition_of(template, ROLLED_OUT)
    if outcome is RolloutOutcome.PENDING:
        generation = template["metadata"].get("generation")
        summary = f"The operator has not reconciled generation {generation} of the template yet."
    elif not rolled_out:
        summary = "The template has no RolledOut condition."
    else:
        summary = f"{rolled_out['reason']}: {rolled_out['message']}"
    return RolloutView(
        outcome, _title(template, outcome), summary, tuple(_parts(template, outcome, summary, now))
    )


def _outcome(template: Object) -> RolloutOutcome:
    status = template.get("status") or {}
    if template["metadata"].get("deletionTimestamp"):
        return RolloutOutcome.TERMINATING
    if not is_observed(template):
        return RolloutOutcome.PENDING
    if is_true(template, ROLLED_OUT):
        return RolloutOutcome.COMPLETE
    state = (status.get("rollout") or {}).get("state")
    reason = condition_of(template, ROLLED_OUT).get("reason")
    is_stuck = (
        is_true(template, "Stalled")
        or state == RolloutState.HALTED
        # Beside a complete roll-out, new instances may still start.
        or (state == RolloutState.COMPLETE and reason != ROLLING_OUT)
        or reason == INSTANCES_STALLED
    )
    return RolloutOutcome.FAILED if is_stuck else RolloutOutcome.UNDER_WAY


def _parts(
    template: Object, outcome: RolloutOutcome, summary: str, now: datetime.datetime
) -> list[tuple[str, str]]:
    status = template.get("status") or {}
    rollout, ready = status.get("rollout") or {}, condition_of(template, "Ready")
    stable, latest = status.get("stable_revision"), status.get("latest_revision")
    parts = [("What", summary)]
    if outcome is RolloutOutcome.TERMINATING:
        parts = [("What", "The template is being deleted; its models keep running.")]
    if latest:
        begun = f", for {age(rollout['started_at'], now)}" if rollout.get("started_at") else ""
        parts.append(("Latest", f"{latest}{begun}"))
    if stable:
        parts.append(("Stable", stable))
    if rollout:
        step = f" in step {_step(template, rollout['step'])}" if rollout.get("step") else ""
        parts.append(("State", f"{rollout['state']}{step}"))
        counts = ", ".join(f"{rollout[name]} {name}" for name in _COUNTS)
        parts.append(("Models", f"{rollout['instances']}: {counts}"))
    if is_true(template, "Stalled"):
        parts.append(("Template", f"{ready.get('reason')}: {ready.get('message')}"))
    return parts


def _step(template: Object, name: str) -> str:
    """Return a step with its place among those of the template."""
    named = [step["name"] for step in (template["spec"].get("rollout") or {}).get("steps") or ()]
    steps = [*named, REMAINING, STABLE_FOLLOWERS]
    return f"{name} ({steps.index(name) + 1} of {len(steps)})" if name in steps else name


def _title(template: Object, outcome: RolloutOutcome) -> str:
    texts = {
        RolloutOutcome.COMPLETE: "is rolled out",
        RolloutOutcome.UNDER_WAY: "rolls out",
        RolloutOutcome.PENDING: "has not been reconciled yet",
        RolloutOutcome.FAILED: "does not roll out without an action",
        RolloutOutcome.TERMINATING: "is being deleted",
    }
    text = texts[outcome]
    if outcome is RolloutOutcome.UNDER_WAY:
        state = ((template.get("status") or {}).get("rollout") or {}).get("state", "")
        text = _HELD.get(state, text)
    return f"{template_title(template)} {text}"


def failing_lines(template: Object, instances: Iterable[Object]) -> list[str]:
    """Return which instances have the latest revision of a template and fail at it; the first ones.

    Parameters
    ----------
    template
        The template.
    instances
        ModelInstances, also those of other templates. The status of a ClusterModelTemplate names none, as who
        may read it may not know of them all.
    """
    latest = (template.get("status") or {}).get("latest_revision")
    failing = []
    for each in instances:
        bound = (each.get("status") or {}).get("template") or {}
        is_at_it = bound.get("uid") == template["metadata"]["uid"] and bound.get("revision") == latest
        # One from which the template was withdrawn is none of its instances any more, and counts as none.
        is_withdrawn = condition_of(each, "Ready").get("reason") == Reason.TemplateNotShared.name
        has_failed = is_true(each, "Stalled") or bound.get("failing_since")
        if latest and is_at_it and has_failed and not is_withdrawn:
            metadata = each["metadata"]
            failing.append(f"{metadata['namespace']}/{metadata['name']}: {reason_and_message(each)}")
    failing.sort()
    more = [f"and {plural(len(failing) - _SHOWN, 'more instance')}"] if len(failing) > _SHOWN else []
    return failing[:_SHOWN] + more
