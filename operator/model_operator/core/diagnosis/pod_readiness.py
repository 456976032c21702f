"""Why one pod is not ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from model_operator.api import Actor
from model_operator.core.diagnosis.cause import Diagnosis, Finding, failure, note
from model_operator.core.diagnosis.container import containers_of, diagnose_container
from model_operator.core.diagnosis.evidence import Evidence, newest_message
from model_operator.core.diagnosis.foreign_messages import (
    is_about_resource_claim,
    is_about_volume,
    is_missing_object,
    node_reasons,
    shortages,
)
from model_operator.core.diagnosis.kubelet_messages import normalized_message
from model_operator.core.diagnosis.pod_events import Event, with_reason
from model_operator.core.diagnosis.volumes import mount_cause, resource_claim_cause, unbound_claim
from model_operator.core.reasons.reasons import Advice, Reason

_CREATING = frozenset({"ContainerCreating", "PodInitializing"})
_DEFAULT_SCHEDULER = "default-scheduler"
_SANDBOX = "FailedCreatePodSandBox"
_CHECK_NODE = Advice(
    Actor.CLUSTER, "check the node's kubelet, container runtime and network plugin; retried automatically."
)


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


def waits_for_node(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod has no node yet."""
    scheduled = condition(pod, "PodScheduled").get("status")
    return scheduled == "False" or (scheduled != "True" and not pod["spec"].get("nodeName"))


def diagnose_pod(pod: Mapping[str, Any], evidence: Evidence) -> Finding:
    """Return why a pod is not ready, or does not stay ready.

    Parameters
    ----------
    pod
        A pod (``v1``) that has not ended, and is not available.
    evidence
        What was read beside it.
    """
    events = evidence.events_of(pod)
    if waits_for_node(pod):
        return _diagnose_waiting(pod, events, evidence)
    found = [diagnose_container(container, evidence) for container in containers_of(pod)]
    causes = [(finding.cause, finding) for finding in found if finding.cause is not None]
    worst = min(causes, key=lambda pair: pair[0].rank, default=None)
    if worst is not None and worst[0].is_failure:
        return worst[1]
    if _is_being_set_up(pod):
        return Finding(None if events is None else _set_up_cause(pod, events, evidence), is_certain=False)
    if worst is not None:
        return worst[1]
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or []]
    closed = [gate for gate in gates if condition(pod, gate).get("status") != "True"]
    if closed and condition(pod, "ContainersReady").get("status") == "True":
        return Finding(note(f"the pod waits for its readiness gate {closed[0]}"))
    return Finding(None, all(finding.is_certain for finding in found))


def _diagnose_waiting(pod: Mapping[str, Any], events: Sequence[Event] | None, evidence: Evidence) -> Finding:
    """Judge a pod without a node; as long as a controller holds it back it may have no condition at all."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("reason") == "SchedulingGated":
        gates = ", ".join(gate["name"] for gate in pod["spec"].get("schedulingGates") or [])
        return Finding(failure(Reason.Unschedulable, f"the pod is held back by scheduling gates: {gates}"))
    said = scheduled.get("message") or "" if scheduled.get("status") == "False" else None
    reasons = [] if said is None else node_reasons(normalized_message(said, pod))
    if reasons and not any(map(is_about_resource_claim, reasons)):
        return Finding(_unscheduled(pod, reasons, evidence))
    if events is None:
        # Of a ResourceClaim the Event of its controller knows more.
        return Finding(None if said is None else _unscheduled(pod, reasons, evidence), is_certain=False)
    cause = resource_claim_cause(pod, events)
    if cause is None and said is not None:
        cause = _unscheduled(pod, reasons, evidence)
    if cause is None:
        attempt = newest_message(events, ("FailedScheduling",))
        if attempt is not None:
            cause = _unscheduled(pod, node_reasons(normalized_message(attempt[1], pod)), evidence)
    if cause is None:
        cause = unbound_claim(pod, evidence) or _unseen(pod, evidence)
    return Finding(cause, is_certain=False)


def _unscheduled(pod: Mapping[str, Any], why: Sequence[str], evidence: Evidence) -> Diagnosis:
    lack = shortages(why)
    # The volume is the cause only where no node is ruled out for another reason.
    if why and all(map(is_about_volume, why)):
        claim = unbound_claim(pod, evidence)
        if claim is not None and claim.is_failure:
            return claim
        text = f"a volume is not available: {'; '.join(why)}"
        cause = failure(Reason.VolumeNotReady, text, is_permanent=any(map(is_missing_object, why)))
        return replace(cause, shortages=lack)
    if why and all(map(is_about_resource_claim, why)):
        return failure(Reason.ResourceClaimNotReady, f"a ResourceClaim is not available: {'; '.join(why)}")
    text = f"no node can run the pod: {'; '.join(why) or 'the scheduler gave no reason'}"
    return replace(failure(Reason.Unschedulable, text), shortages=lack)


def _unseen(pod: Mapping[str, Any], evidence: Evidence) -> Diagnosis | None:
    """Return why no scheduler has said anything about a pod for a while."""
    if not evidence.has_lasted(pod["metadata"].get("creationTimestamp")):
        return None
    claims = [
        each["resourceClaimName"]
        for each in pod["spec"].get("resourceClaims") or []
        if each.get("resourceClaimName")
    ]
    if claims:
        names = ", ".join(f'"{name}"' for name in claims)
        return failure(Reason.ResourceClaimNotReady, f"the pod waits for the ResourceClaims {names}")
    scheduler = pod["spec"].get("schedulerName") or _DEFAULT_SCHEDULER
    advice = (
        Advice(Actor.CLUSTER, "check that the scheduler runs.")
        if scheduler == _DEFAULT_SCHEDULER
        else Advice(Actor.TEMPLATE_OWNER, "fix schedulerName in pod_template, or have the scheduler started.")
    )
    return failure(
        Reason.Unschedulable, f'the scheduler "{scheduler}" has not considered the pod for a minute', advice
    )


def _is_being_set_up(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod's volumes and network are not set up yet: its sandbox follows the volumes."""
    if condition(pod, "PodReadyToStartContainers").get("status") == "True":
        return False
    statuses = [container for container in containers_of(pod) if container.status]
    return not statuses or any(container.waiting in _CREATING for container in statuses)


def _set_up_cause(pod: Mapping[str, Any], events: Sequence[Event], evidence: Evidence) -> Diagnosis | None:
    cause = resource_claim_cause(pod, events) or mount_cause(pod, events)
    if cause is not None:
        return cause
    since = condition(pod, "PodScheduled").get("lastTransitionTime")
    sandbox = with_reason(events, _SANDBOX)
    if sandbox:
        text = f"the node cannot set up the pod's network or sandbox ({_SANDBOX})"
        if evidence.has_lasted(since):
            said = normalized_message(sandbox[-1].get("message") or "", pod)
            return failure(Reason.ContainerConfigError, f"{text}: {said}", _CHECK_NODE)
        return note(text)
    has_statuses = any(container.status for container in containers_of(pod))
    if not has_statuses and not events and evidence.has_lasted(since):
        return note("the node has not started the pod for a minute", _CHECK_NODE)
    return None
