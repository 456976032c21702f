"""Why one pod is not ready."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from model_operator.core.diagnosis.cause import NOTHING, Diagnosis, Finding, failure, note
from model_operator.core.diagnosis.container import containers_of, judge_container
from model_operator.core.diagnosis.kubelet_messages import insufficient_resource, normalized_message
from model_operator.core.diagnosis.pod_events import Event, recent, with_reason
from model_operator.core.reasons.reasons import Reason

_CREATING = frozenset({"ContainerCreating", "PodInitializing"})
_MOUNT_ERRORS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
_VOLUME_WORDS = re.compile(r"persistentvolumeclaim|PersistentVolume|volume", re.IGNORECASE)
_MAX_VOLUMES = 3
_MOUNT_STEP = re.compile(r'^\w+\.\w+ failed for volume ("[^"]*") ?: ')
_NODES_TALLY = re.compile(r"^\d+/\d+ nodes are available: ")
_NODE_COUNT = re.compile(r"^\d+ ")
_AFTERTHOUGHT = re.compile(r"[.,]?\s*((no new claims to deallocate|preemption: ).*|\. not found)$")


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod is ready."""
    return condition(pod, "Ready").get("status") == "True"


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod has terminated for good; its ReplicaSet replaces it."""
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def crashed_without_readiness_probe(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod counts as ready only because a crashed container has no readiness probe."""
    return any(container.crashed_without_readiness_probe for container in containers_of(pod))


def condition(pod: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return a condition of a pod, empty when it has none of that type."""
    conditions: list[Mapping[str, Any]] = (pod.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each.get("type") == kind), {})


def diagnose_pod(pod: Mapping[str, Any], events: Sequence[Event] | None) -> Finding:
    """Return why a pod is not ready, or does not stay ready.

    Parameters
    ----------
    pod
        A pod (``v1``) that has not ended, and is not available.
    events
        Its events; None when they were not read.
    """
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") != "True":
        return Finding(_unscheduled(pod, scheduled)) if scheduled.get("status") == "False" else NOTHING
    found = [judge_container(container, events) for container in containers_of(pod)]
    causes = [(finding.cause, finding) for finding in found if finding.cause is not None]
    worst = min(causes, key=lambda pair: pair[0].rank, default=None)
    if worst is not None and worst[0].is_failure:
        return worst[1]
    if _is_being_set_up(pod):
        return (
            Finding(_mount_cause(pod, events), is_certain=False)
            if events
            else Finding(None, events is not None)
        )
    if worst is not None:
        return worst[1]
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []]
    closed = [gate for gate in gates if condition(pod, gate).get("status") != "True"]
    if closed and condition(pod, "ContainersReady").get("status") == "True":
        return Finding(note(f"the pod waits for its readiness gate {closed[0]}"))
    return Finding(None, all(finding.is_certain for finding in found))


def _unscheduled(pod: Mapping[str, Any], scheduled: Mapping[str, Any]) -> Diagnosis:
    said = scheduled.get("message") or ""
    if scheduled.get("reason") == "SchedulingGated":
        gates = ", ".join(gate["name"] for gate in pod["spec"].get("schedulingGates") or [])
        return failure(Reason.Unschedulable, f"the pod is held back by scheduling gates: {gates}")
    why = _without_tally(normalized_message(said, pod))
    # The volume is the cause only where no node is ruled out for another reason.
    if why and all(_VOLUME_WORDS.search(each) for each in why):
        return failure(Reason.VolumeNotReady, f"a volume is not available: {'; '.join(why)}")
    text = f"no node can run the pod: {'; '.join(why) or 'the scheduler gave no reason'}"
    insufficient = frozenset(filter(None, map(insufficient_resource, why)))
    return replace(failure(Reason.Unschedulable, text), insufficient=insufficient)


def _without_tally(said: str) -> list[str]:
    """Return why nodes are ruled out, without their number, which changes with every node."""
    said = _AFTERTHOUGHT.sub("", _NODES_TALLY.sub("", said))
    reasons = {_NODE_COUNT.sub("", each.strip().rstrip(".")) for each in re.split(r", (?=\d+ )", said)}
    return sorted(filter(None, reasons))


def _is_being_set_up(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod's volumes and network are not set up yet: its sandbox follows the volumes."""
    if condition(pod, "PodReadyToStartContainers").get("status") == "True":
        return False
    statuses = [container for container in containers_of(pod) if container.status]
    return not statuses or any(container.waiting in _CREATING for container in statuses)


def _mount_cause(pod: Mapping[str, Any], events: Sequence[Event]) -> Diagnosis | None:
    failed = with_reason(events, *_MOUNT_ERRORS)
    if failed:
        messages = (
            normalized_message(event.get("message") or event["reason"], pod) for event in recent(failed)
        )
        said = {_MOUNT_STEP.sub(r"volume \1: ", message) for message in messages}
        # A message about a time-out stands beside one with the cause.
        known = sorted(each for each in said if "timed out waiting" not in each) or sorted(said)
        shown = "; ".join(known[:_MAX_VOLUMES])
        return failure(Reason.VolumeNotReady, f"cannot mount {shown}")
    if with_reason(events, "FailedCreatePodSandBox"):
        return note("the node cannot set up the pod's network or sandbox (FailedCreatePodSandBox)")
    return None
