"""Warnings about a template's ``rollout``: what is valid, but has no effect, or another than it seems to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

from model_operator.api import REMAINING, ClusterModelTemplate, ModelTemplate, NamespacesFrom, Rollout
from model_operator.core.rollouts.policy import Policy, Step, policy_of
from model_operator.core.templates.compile import CompiledTemplate
from model_operator.core.values.violations import Loc, Violation
from model_operator.core.values.words import listed, plural

ROLLOUT: Final[Loc] = ("spec", "rollout")
"""Path of the field."""


def rollout_advice(template: CompiledTemplate, *, is_placed: bool = True) -> Iterator[Violation]:
    """Yield the warnings about the roll-out of a template, from the template alone.

    Parameters
    ----------
    template
        The template, compiled; one with violations gets none.
    is_placed
        Whether its namespace is known: that of a file may be decided when it is applied.
    """
    if template.violations:
        return
    resource = template.resource
    rollout = resource.spec.rollout
    if rollout is None:
        return
    policy = policy_of(rollout)
    if rollout.paused:
        message = "is true: until it is removed or false, no instance gets another revision"
        yield Violation((*ROLLOUT, "paused"), message, "paused")
    yield from _approval(policy, template.revision, resource.status.latest_revision)
    yield from _selections(policy.named, _only_namespace(resource) if is_placed else "")
    yield from _failures(rollout, policy)


def _only_namespace(template: ModelTemplate | ClusterModelTemplate) -> str:
    """Return the only namespace where a template may have instances; empty if it is shared with others."""
    allowed = template.spec.allowed_namespaces
    if isinstance(template, ModelTemplate) and (allowed is None or allowed.from_ is NamespacesFrom.SAME):
        return template.metadata.namespace
    return ""


def budget_advice(policy: Policy, members: Sequence[int]) -> Iterator[Violation]:
    """Yield the warning about ``max_failures`` where the number of instances decides on it.

    Parameters
    ----------
    policy
        The policy of a template.
    members
        Number of the instances in each of its steps.
    """
    budgets = {
        f"step {step.name}": step.budget(count)
        for step, count in zip(policy.steps, members, strict=True)
        if count and isinstance(step.max_unavailable, str)
    }
    yield from _beyond(policy, budgets)


def empty_step_advice(policy: Policy, empty: Sequence[str]) -> Iterator[Violation]:
    """Yield a warning for each step that selects no instance.

    Parameters
    ----------
    policy
        The policy of a template.
    empty
        Names of these steps, as `model_operator.core.rollouts.advance.Advance` has them.
    """
    for index, step in enumerate(policy.named):
        if step.name in empty:
            waits = "; its approval is needed all the same" if step.needs_approval else ""
            message = f"step {step.name} selects no instance{waits}"
            yield Violation((*ROLLOUT, "steps", index), message, "empty_step")


def _approval(policy: Policy, revision: str, latest: str | None) -> Iterator[Violation]:
    # An approval of the latest revision ends with this edit: it is what there was, not a mistake.
    if policy.approved is None or policy.approved == revision:
        return
    loc = (*ROLLOUT, "approved")
    if not any(step.needs_approval for step in policy.steps):
        yield Violation(loc, "has no effect, as no step has needs_approval", "no_effect")
    elif policy.approved != latest:
        message = (
            f"is not the revision of this specification, {revision}, so it approves nothing; to approve this "
            f'one, set it to "{revision}"'
        )
        yield Violation(loc, message, "approval")


def _selections(steps: Sequence[Step], own: str) -> Iterator[Violation]:
    """Yield the warnings about the steps that cannot have an instance.

    Parameters
    ----------
    steps
        The steps that the template names.
    own
        The only namespace of the template's instances; empty if it is not known or there are several.
    """
    earlier: list[Step] = []
    everything = Step(REMAINING, {}, (), 0, 0)
    for index, step in enumerate(steps):
        loc: Loc = (*ROLLOUT, "steps", index)
        impossible = [number for number, each in enumerate(step.namespaces) if each.strip("-") != each]
        for number in impossible:
            message = "matches no namespace, as their names start and end with a letter or digit"
            yield Violation((*loc, "namespaces", number), message, "no_effect")
        if own and step.namespaces and not _matches(own, step.namespaces):
            message = (
                f"a ModelTemplate has instances in its own namespace alone, {own}, which is not among these, "
                f"so step {step.name} selects none; correct or remove them, or share it by "
                "spec.allowed_namespaces"
            )
            yield Violation((*loc, "namespaces"), message, "no_effect")
            continue
        if len(impossible) == len(step.namespaces) > 0:
            continue
        cover = next((each for each in earlier if _covers(each, step, own)), None)
        if cover is not None:
            message = (
                f"step {step.name} is never reached, as step {cover.name} before it selects all of its "
                "instances; move it to the front, or remove one of the two"
            )
            yield Violation(loc, message, "unreachable")
            continue
        if len(steps) == 1 and _covers(step, everything, own):
            message = (
                f"step {step.name} selects all instances, so that none is left for a later step; give it "
                "labels or namespaces to try an edit on some first, or set its fields in rollout itself"
            )
            yield Violation(loc, message, "selects_all")
        earlier.append(step)


def _covers(first: Step, second: Step, own: str) -> bool:
    """Return whether a step selects each instance that another one selects."""
    if not first.labels.items() <= second.labels.items():
        return False
    if not first.namespaces or own:  # Within one namespace, steps that select it differ by labels alone.
        return True
    return all(
        any(_includes(wide, narrow) for wide in first.namespaces) for narrow in second.namespaces or ("*",)
    )


def _includes(wide: str, narrow: str) -> bool:
    """Return whether a pattern matches each name that another pattern matches."""
    # A name with long runs of a character that no pattern has is matched by a `*` at each of them alone.
    foreign = "_" * (len(wide) + 1)
    return all(fnmatchcase(narrow.replace("*", rest).replace("?", "_"), wide) for rest in ("", foreign))


def _matches(namespace: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(namespace, each) for each in patterns)


def _failures(rollout: Rollout, policy: Policy) -> Iterator[Violation]:
    """Yield the warning about budgets that are numbers, whatever the instances are."""
    given = [("the roll-out", rollout.max_unavailable)]
    given += [(f"step {step.name}", step.max_unavailable) for step in rollout.steps or ()]
    yield from _beyond(policy, {name: budget for name, budget in given if isinstance(budget, int)})


def _beyond(policy: Policy, budgets: dict[str, int]) -> Iterator[Violation]:
    allowed = policy.max_failures or 0
    exhausted = [
        f"{name} ({plural(budget, 'instance')})" for name, budget in budgets.items() if budget <= allowed
    ]
    if exhausted:
        message = (
            f"is not less than max_unavailable of {listed(exhausted)}: failed instances use it up, so fewer "
            "failures halt the roll-out there; lower max_failures, or raise max_unavailable"
        )
        yield Violation((*ROLLOUT, "max_failures"), message, "no_effect")
