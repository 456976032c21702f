"""Why an instance is not Ready: what is wrong, where, who must act and how.

The sources are the fields of the status, the pods, diagnosed by the operator's functions, and the table of
reasons.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from model_operator.api import Actor, DeploymentState
from model_operator.core.diagnosis.deployment_pods import group_pods
from model_operator.core.inspection.ages import age
from model_operator.core.inspection.facts import (
    Facts,
    Object,
    bound_template,
    condition_of,
    is_true,
    name_of,
    not_up_to_date,
)
from model_operator.core.inspection.readiness import WaitState, WaitVerdict, wait_verdict
from model_operator.core.reasons.reasons import AUTOSCALING, READY_TEXT, Advice, Reason
from model_operator.core.values.violations import format_loc

_PENDING = Advice(
    Actor.OPERATOR, "wait; if this lasts, check that the operator is running and serves this namespace."
)
_PODS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of an instance's state.

    Attributes
    ----------
    title
        One sentence.
    is_healthy
        Whether the instance is Ready with its current generation and revision of the template.
    parts
        What follows: labels, each with its lines.
    """

    title: str
    is_healthy: bool
    parts: tuple[tuple[str, tuple[str, ...]], ...]


def explain(facts: Facts, now: datetime.datetime) -> Explanation:
    """Return the explanation of an instance's state.

    Parameters
    ----------
    facts
        The instance and its objects in the cluster.
    now
        The current time, for ages.
    """
    metadata = facts.instance["metadata"]
    name = f"ModelInstance {metadata['namespace']}/{metadata['name']}"
    view = wait_verdict(facts.instance, facts.template)
    if view.state is WaitState.PENDING:
        return _pending(name, view)
    ready = condition_of(facts.instance, "Ready")
    reason = ready.get("reason", "")
    if view.state is WaitState.READY:
        title = f"{name} has been Ready for {age(ready.get('lastTransitionTime'), now)}: {reason}"
        return _healthy(facts, title, now)
    title = f"{name} has not been Ready for {age(ready.get('lastTransitionTime'), now)}: {reason}"
    problem = facts.status.get("problem") or {}
    detail = problem.get("detail") or ready.get("message", "")
    actor, next_step = problem.get("actor"), problem.get("next_step")
    if view.state is WaitState.TERMINATING:
        reason, info = Reason.Terminating.name, Reason.Terminating.value
        detail, actor, next_step = info.meaning, info.actor, info.next_step
        title = f"{name} has been terminating for {age(metadata['deletionTimestamp'], now)}"
    parts = [
        ("What", (detail,)),
        ("Meaning", _meaning(reason) if view.state is not WaitState.TERMINATING else ()),
        ("Where", tuple(dict.fromkeys(_places(facts, reason, now)))),
        ("Who", _who(facts, actor)),
        ("Next", (next_step,) if next_step else ()),
        ("State", _state(facts.instance) if view.state is not WaitState.TERMINATING else ()),
        ("Serves", _serves(facts.instance)),
        ("Scaling", _scaling(facts.instance)),
        ("Update", _update(facts.instance)),
    ]
    return Explanation(title, False, tuple((word, lines) for word, lines in parts if lines))


def _healthy(facts: Facts, title: str, now: datetime.datetime) -> Explanation:
    """Explain an instance that is Ready; some of its workers may fail all the same."""
    ready = condition_of(facts.instance, "Ready")
    entries = [entry for entry in facts.status.get("deployments") or () if entry.get("problem")]
    parts: list[tuple[str, tuple[str, ...]]] = [("What", (ready["message"],))]
    if entries:
        problem = entries[0]["problem"]
        places = tuple(dict.fromkeys(_places(facts, problem["reason"], now)))
        parts += [
            ("But", tuple(f"Deployment {each['name']}: {each['problem']['detail']}" for each in entries)),
            ("Where", places),
            ("Who", _who(facts, problem.get("actor"))),
            ("Next", tuple(filter(None, (problem.get("next_step"),)))),
        ]
        parts[0] = ("What", (READY_TEXT,))
    parts += [("Scaling", _scaling(facts.instance)), ("Update", _update(facts.instance))]
    return Explanation(title, True, tuple((word, lines) for word, lines in parts if lines))


def _scaling(instance: Object) -> tuple[str, ...]:
    """Return why the autoscalers cannot measure the load, if they cannot."""
    condition = condition_of(instance, AUTOSCALING)
    return (condition["message"],) if condition.get("status") == "False" else ()


def _update(instance: Object) -> tuple[str, ...]:
    """Return why the instance does not have the latest revision of its template, if so."""
    condition = not_up_to_date(instance)
    return (f"{condition['reason']}: {condition['message']}",) if condition else ()


def _who(facts: Facts, actor: str | None) -> tuple[str, ...]:
    """Return who must act, in words: whose object it is."""
    if not actor:
        return ()
    template = bound_template(facts.instance)
    whose = {
        Actor.USER: "applies this instance",
        Actor.TEMPLATE_OWNER: f"may change {template}" if template else "",
    }.get(Actor(actor), "")
    return (f"{actor} ({whose})" if whose else actor,)


def _pending(name: str, view: WaitVerdict) -> Explanation:
    parts = (("What", (view.message,)), ("Who", (str(_PENDING.actor),)), ("Next", (_PENDING.next_step,)))
    return Explanation(f"{name}: readiness unknown", False, parts)


def _meaning(reason: str) -> tuple[str, ...]:
    known = Reason.__members__.get(reason)
    return (known.value.meaning,) if known else ()


def _state(instance: Object) -> tuple[str, ...]:
    if is_true(instance, "Stalled"):
        return ("Stalled: requires intervention.",)
    return ("Reconciling: in progress.",) if is_true(instance, "Reconciling") else ()


def _serves(instance: Object) -> tuple[str, ...]:
    available = condition_of(instance, "Available")
    if not available:
        return ()
    return (f"{'yes' if available['status'] == 'True' else 'no'}: {available['message']}",)


def _places(facts: Facts, reason: str, now: datetime.datetime) -> Iterator[str]:
    """Yield where the problem is: fields, finalizers, the template, Deployments, pods.

    What the problem of the instance says already is not repeated.
    """
    violations = facts.status.get("validation_errors") or ()
    # A single one is the detail of the problem.
    for each in violations if len(violations) > 1 else ():
        yield f"{format_loc(tuple(each['loc']))}: {each['msg']}"
    if reason == Reason.Terminating.name:
        for finalizer in facts.instance["metadata"].get("finalizers") or ():
            yield f"metadata.finalizers: {finalizer}"
    if facts.template is not None and is_true(facts.template, "Stalled"):
        ready = condition_of(facts.template, "Ready")
        yield f"{bound_template(facts.instance)}: {ready['reason']}: {ready['message']}"
    live = {name_of(each): each for each in facts.own_deployments()}
    entries = facts.status.get("deployments") or ()
    for entry in entries:
        if entry["status"] == DeploymentState.READY and not entry.get("problem"):
            continue
        pods = list(_pods(facts, live[entry["name"]], reason, now)) if entry["name"] in live else []
        yield from pods
        problem = entry.get("problem") or {}
        # The problem of the instance has the details of those with its reason.
        own = f": {problem['detail']}" if problem and problem["reason"] != reason else ""
        if own or (not pods and len(entries) > 1):
            yield f"Deployment {entry['name']} ({entry['status']}){own}"


def _pods(facts: Facts, deployment: Object, reason: str, now: datetime.datetime) -> Iterator[str]:
    workers, evidence = group_pods(deployment, facts.replica_sets, facts.pods), facts.evidence(now)
    causes = [(pod, workers.cause_of(pod, evidence)) for pod in workers.waiting]
    failing = [(pod, cause) for pod, cause in causes if cause is not None and cause.is_failure]
    counts = Counter(cause for _, cause in failing if cause.reason.name == reason)
    # The one that the problem of the instance has: see `DeploymentPods.cause`.
    reported = min(counts, key=lambda each: (-counts[each], each.detail), default=None)
    for pod, cause in failing[:_PODS_SHOWN]:
        own = "" if cause == reported else f": {cause.detail}"
        yield f"Pod {name_of(pod)} of Deployment {name_of(deployment)}{own}"
    if len(failing) > _PODS_SHOWN:
        yield f"and {len(failing) - _PODS_SHOWN} more pods of Deployment {name_of(deployment)}"
    if not failing and workers.ended:
        pod, *_ = workers.ended
        status = pod["status"]
        why = status.get("reason") or status["phase"]
        yield f"Pod {name_of(pod)} of Deployment {name_of(deployment)} has terminated: {why}"
