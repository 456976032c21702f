"""An instance with its Deployments and their pods as a tree of lines."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from model_operator.api import DeploymentState
from model_operator.core.diagnosis.deployment_pods import DeploymentPods, group_pods
from model_operator.core.diagnosis.evidence import Evidence
from model_operator.core.diagnosis.pod_readiness import has_ended, is_ready
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
from model_operator.core.inspection.readiness import WaitState, wait_verdict
from model_operator.core.objects.rollout import assess_rollout
from model_operator.core.reasons.reasons import AUTOSCALING, Advice, Reason

COLUMNS = ("NAME", "STATUS", "READY", "AGE", "DETAIL")
_BRANCHES = (("├─ ", "│  "), ("└─ ", "   "))
_NO_COUNT = "-"


class Tone(Enum):
    """Meaning of a line's status, shown as its colour."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a tree.

    Attributes
    ----------
    name, status, ready, age, detail
        The texts of its columns; the name with the branch of the tree.
    tone
        Meaning of the status.
    """

    name: str
    status: str
    ready: str
    age: str
    detail: str
    tone: Tone

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns."""
        return (self.name, self.status, self.ready, self.age, self.detail)


def instance_tree(facts: Facts, now: datetime.datetime) -> list[Line]:
    """Return an instance with its Deployments and pods, each below its owner.

    Parameters
    ----------
    facts
        The instance and its objects in the cluster.
    now
        The current time, for ages.
    """
    live = {name_of(each): each for each in facts.own_deployments()}
    entries = {entry["name"]: entry for entry in facts.status.get("deployments") or ()}
    names = list(dict.fromkeys([*entries, *live]))
    lines = [_instance_line(facts, list(live.values()), now)]
    for index, name in enumerate(names):
        branch, trunk = _BRANCHES[index == len(names) - 1]
        pods = list(_pod_lines(facts, live[name], now)) if name in live else []
        entry = entries.get(name, {})
        lines.append(_deployment_line(name, branch, entry, live.get(name), pods, now, _pin(facts, entry)))
        for number, pod in enumerate(pods):
            inner, _ = _BRANCHES[number == len(pods) - 1]
            lines.append(_indented(pod, trunk + inner))
    return lines


def closing_lines(facts: Facts) -> list[str]:
    """Return the lines below a tree: what is wrong and who must act; none when nothing is."""
    view = wait_verdict(facts.instance, facts.template)
    if view.state is WaitState.READY:
        return _failing_workers(facts)
    ready = condition_of(facts.instance, "Ready")
    if view.state is WaitState.PENDING or not ready:
        return [view.message]
    problem = facts.status.get("problem") or {"detail": ready["message"]}
    advice = Advice(problem.get("actor"), problem.get("next_step") or "")
    hint = advice.action or advice.next_step
    return [f"{ready['reason']}: {problem['detail']}", *([hint] if hint else [])]


def _failing_workers(facts: Facts) -> list[str]:
    """Return what is wrong although the instance is Ready: of workers, and of autoscalers."""
    entries = facts.status.get("deployments") or ()
    scaling = condition_of(facts.instance, AUTOSCALING)
    lines = [each["message"] for each in entries if each.get("problem") and each.get("message")]
    return lines + ([scaling["message"]] if scaling.get("status") == "False" else [])


def _instance_line(facts: Facts, deployments: Sequence[Object], now: datetime.datetime) -> Line:
    metadata, ready = facts.instance["metadata"], condition_of(facts.instance, "Ready")
    status = ready.get("reason", "Pending")
    template = bound_template(facts.instance)
    update = not_up_to_date(facts.instance)
    details = [template] if template else []
    details += [f"not up to date: {update['reason']}"] if update else []
    detail = "; ".join(details)
    tone = tone_of(facts.instance)
    if wait_verdict(facts.instance, facts.template).state is WaitState.PENDING:
        tone = Tone.BUSY
        detail = "; ".join(filter(None, (detail, "status is out of date"))) if ready else detail
    return Line(
        f"ModelInstance/{metadata['name']}",
        status,
        _counted(deployments),
        age(metadata.get("creationTimestamp"), now),
        detail,
        tone,
    )


def tone_of(instance: Object) -> Tone:
    """Return the meaning of an instance's Ready condition."""
    ready = condition_of(instance, "Ready")
    if ready.get("status") == "True":
        return Tone.GOOD
    under_way = {Reason.Deploying.name, Reason.Terminating.name, None}
    is_bad = is_true(instance, "Stalled") or ready.get("reason") not in under_way
    return Tone.BAD if is_bad else Tone.BUSY


def _deployment_line(
    name: str,
    branch: str,
    entry: Mapping[str, Any],
    live: Object | None,
    pods: Sequence[Line],
    now: datetime.datetime,
    pin: str,
) -> Line:
    """Return the line of a Deployment; a problem that a line of its pods shows is not repeated."""
    state = entry.get("status")
    tones = {
        DeploymentState.READY: Tone.GOOD,
        DeploymentState.UPDATE_FAILED: Tone.BAD,
        None: Tone.PLAIN,
    }
    problem = (entry.get("problem") or {}).get("detail")
    is_reported = any(pod.tone is Tone.BAD for pod in pods)
    detail = problem if problem and not is_reported else entry.get("url") or ""
    detail = "; ".join(filter(None, (detail, pin)))
    return Line(
        f"{branch}Deployment/{name}",
        state or _NO_COUNT,
        _counted([live] if live else []),
        age(live["metadata"]["creationTimestamp"], now) if live else _NO_COUNT,
        detail,
        tones.get(state, Tone.BUSY),
    )


def _pin(facts: Facts, entry: Mapping[str, Any]) -> str:
    """Return which revision of the template a Deployment runs, if that is another than the instance's."""
    own, of_instance = entry.get("template_revision"), (facts.status.get("template") or {}).get("revision")
    return f"revision {own}" if own and own != of_instance else ""


def _pod_lines(facts: Facts, deployment: Object, now: datetime.datetime) -> Iterator[Line]:
    workers = group_pods(deployment, facts.replica_sets, facts.pods)
    waiting = {each["metadata"]["uid"] for each in workers.waiting}
    for pod, is_present in facts.pods_of(deployment):
        status, detail, tone = _pod_state(
            pod, facts.evidence(now), workers if pod["metadata"]["uid"] in waiting else None
        )
        notes = [detail] if detail else []
        if not is_present:
            notes.append("old revision")
        containers = (pod.get("status") or {}).get("containerStatuses") or ()
        ready = sum(bool(each.get("ready")) for each in containers)
        yield Line(
            f"Pod/{name_of(pod)}",
            status,
            f"{ready}/{len(pod['spec'].get('containers') or ())}",
            age(pod["metadata"]["creationTimestamp"], now),
            "; ".join(notes),
            tone if is_present else Tone.PLAIN,
        )


def _pod_state(pod: Object, evidence: Evidence, workers: DeploymentPods | None) -> tuple[str, str, Tone]:
    """Return a pod's state in one word, its cause, and its meaning."""
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating", "", Tone.BUSY
    if has_ended(pod):
        status = pod["status"]
        return status.get("reason") or status["phase"], status.get("message") or "", Tone.PLAIN
    if workers is None:
        return ("Ready", "", Tone.GOOD) if is_ready(pod) else ("NotReady", "", Tone.BUSY)
    cause = workers.cause_of(pod, evidence)
    if cause is None:
        return "Starting", "", Tone.BUSY
    detail = cause.detail
    return (cause.reason.name, detail, Tone.BAD) if cause.is_failure else ("Starting", detail, Tone.BUSY)


def _counted(deployments: Sequence[Object]) -> str:
    """Return how many workers of Deployments are ready, and how many are wanted."""
    if not deployments:
        return _NO_COUNT
    rollouts = [assess_rollout(each) for each in deployments]
    return f"{sum(each.ready for each in rollouts)}/{sum(each.wanted for each in rollouts)}"


def _indented(line: Line, branch: str) -> Line:
    return Line(f"{branch}{line.name}", line.status, line.ready, line.age, line.detail, line.tone)
