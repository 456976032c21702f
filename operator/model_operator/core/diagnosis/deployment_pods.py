"""The workers of one Deployment that are not ready, and the one cause to report for them."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from model_operator.api import Actor
from model_operator.core.diagnosis.cause import Diagnosis, failure
from model_operator.core.diagnosis.evidence import Evidence
from model_operator.core.diagnosis.kubelet_messages import normalized_message
from model_operator.core.diagnosis.old_workers import (
    deadlocked,
    held_by_old,
    quota_held,
    shared_with_siblings,
)
from model_operator.core.diagnosis.pod_events import moment
from model_operator.core.diagnosis.pod_readiness import (
    crashed_without_readiness_probe,
    diagnose_pod,
    has_ended,
    is_ready,
    waits_for_node,
)
from model_operator.core.diagnosis.rejected_pods import explain_rejection
from model_operator.core.diagnosis.volumes import claim_names
from model_operator.core.objects.ownership import OwnerKey, controller_key, key_of_owner
from model_operator.core.objects.rollout import RolloutState, assess_rollout
from model_operator.core.reasons.reasons import Advice, Reason

REVISION = "deployment.kubernetes.io/revision"
"""Annotation with which the Deployment controller marks the ReplicaSet of the current revision."""
_REPLACED_WITHIN = datetime.timedelta(minutes=1)
_REFUSED_BY_NODE = frozenset({"UnexpectedAdmissionError", "NodeAffinity", "PodFeatureGateNotSupported"})
_USE_LESS = Advice(
    Actor.TEMPLATE_OWNER, "increase endpoint_config.storage or endpoint_config.memory, or reduce usage."
)

_NOTHING_READ = Evidence(datetime.datetime.fromtimestamp(0, datetime.UTC))

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DeploymentPods:
    """The pods of one Deployment, grouped by their state.

    Attributes
    ----------
    wanted
        ``spec.replicas`` of the Deployment.
    waiting
        Those of the current revision that are not ready, the oldest first.
    ready
        Those of the current revision that are.
    ended
        Those of the current revision that have ended, and been replaced.
    old
        Those of earlier revisions that hold resources. They are never the cause.
    rejected
        Why the API server rejects further pods, as the Deployment has it; empty when it does not.
    surges
        Whether an old worker terminates only after a new one is available.
    """

    wanted: int
    waiting: tuple[Object, ...]
    ready: tuple[Object, ...]
    ended: tuple[Object, ...]
    old: tuple[Object, ...]
    rejected: str = ""
    surges: bool = True

    @property
    def unclear(self) -> list[str]:
        """The uids of the pods whose status does not show the cause; their Events may."""
        return [_uid(pod) for pod in self.waiting if not diagnose_pod(pod, _NOTHING_READ).is_certain]

    @property
    def claims(self) -> list[str]:
        """The names of the PersistentVolumeClaims of pods without a node: one may not be bound."""
        waiting = filter(waits_for_node, self.waiting)
        return list(dict.fromkeys(name for pod in waiting for name in claim_names(pod)))

    def cause(self, evidence: Evidence) -> Diagnosis | None:
        """Return why the workers are not ready, as one cause; None when nothing is known to be wrong.

        Parameters
        ----------
        evidence
            What was read beside the pods.

        Notes
        -----
        Of several causes this is the first in precedence, with the detail that most workers share.
        """
        if self.rejected:
            return self._cause_of_rejection()
        causes = [cause for pod in self.waiting if (cause := self.cause_of(pod, evidence)) is not None]
        if not any(cause.is_failure for cause in causes):
            ended = self._cause_of_end()
            causes = causes if ended is None else [ended]
        if not causes:
            return None
        worst = min(causes, key=lambda cause: cause.rank).reason
        alike = [cause for cause in causes if cause.reason is worst]
        counts = Counter(alike)
        cause = min(counts, key=lambda each: (-counts[each], each.detail))
        total = max(self.wanted, len(self.ready) + len(self.waiting))
        if total <= 1:
            return cause
        unread = [uid for uid in self.unclear if uid not in evidence.events]
        number = f"at least {len(alike)}" if unread else f"{len(alike)}"
        return replace(cause, detail=f"{number} of {total} workers: {cause.detail}")

    def cause_of(self, pod: Object, evidence: Evidence) -> Diagnosis | None:
        """Return why one of the waiting pods is not ready; None when nothing is known to be wrong.

        Parameters
        ----------
        pod
            One of `waiting`.
        evidence
            What was read beside the pods.
        """
        cause = diagnose_pod(pod, evidence).cause
        if cause is None:
            return None
        siblings = [each for each in (*self.ready, *self.waiting) if each is not pod]
        cause = shared_with_siblings(cause, pod, siblings)
        # Otherwise old workers terminate by themselves, or have made room already.
        held = self.old if self.surges else [each for each in self.old if _is_terminating(each)]
        return held_by_old(cause, pod, held)

    def _cause_of_rejection(self) -> Diagnosis | None:
        cause = explain_rejection(self.rejected)
        old = [each for each in self.old if not _is_terminating(each)]
        held = quota_held(cause.quota, old) if self.surges else None
        return cause.diagnosis if held is None else deadlocked(cause.diagnosis, old, held)

    def _cause_of_end(self) -> Diagnosis | None:
        """Return why workers have terminated for good, if the waiting ones have just replaced them."""
        born = [moment(pod["metadata"]["creationTimestamp"]) for pod in self.waiting]
        for pod in self.ended:
            ended = _end(pod)
            if not born or ended is None or max(born) > ended + _REPLACED_WITHIN:
                continue
            status = pod["status"]
            reason, said = status.get("reason") or "", normalized_message(status.get("message") or "", pod)
            if reason == "Evicted":
                return failure(Reason.CrashLooping, f"the pod was evicted: {said}", _USE_LESS)
            if reason in _REFUSED_BY_NODE or reason.startswith("OutOf"):
                return failure(Reason.Unschedulable, f"the node rejected the pod ({reason}): {said}")
        return None


def group_pods(deployment: Object, replica_sets: Iterable[Object], pods: Iterable[Object]) -> DeploymentPods:
    """Sort a Deployment's pods.

    Parameters
    ----------
    deployment
        The Deployment, whose controller has observed its generation.
    replica_sets
        At least its own ReplicaSets; their metadata suffices.
    pods
        At least its own pods.

    Notes
    -----
    A pod is of the current revision when its ReplicaSet has the Deployment's revision number. Comparing the
    pod with the template would not do: a cluster's admission may change pods.
    """
    controller = deployment_key(deployment)
    own = {replica_set_key(each): each for each in replica_sets if controller_key(each) == controller}
    revision = (deployment["metadata"].get("annotations") or {}).get(REVISION)
    current = {
        key
        for key, each in own.items()
        if (each["metadata"].get("annotations") or {}).get(REVISION) == revision
    }
    waiting: list[Object] = []
    ended: list[Object] = []
    old: list[Object] = []
    ready: list[Object] = []
    for pod in sorted(pods, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"])):
        owner = controller_key(pod)
        # The label alone proves nothing: any user may put it on a pod.
        if owner not in own:
            continue
        if owner not in current:
            if not has_ended(pod) and pod["spec"].get("nodeName"):
                old.append(pod)
        elif has_ended(pod):
            ended.append(pod)
        elif is_ready(pod):
            ready.append(pod)
        elif not pod["metadata"].get("deletionTimestamp"):
            waiting.append(pod)
    # A worker without a readiness probe is ready, but not available, whenever it runs between two crashes.
    available = (deployment.get("status") or {}).get("availableReplicas", 0) - sum(map(is_ready, old))
    if len(ready) > available:
        crashed = [pod for pod in ready if crashed_without_readiness_probe(pod)]
        waiting += crashed
        ready = [pod for pod in ready if pod not in crashed]
    wanted = deployment["spec"].get("replicas", 1)
    rollout = assess_rollout(deployment)
    return DeploymentPods(
        wanted,
        tuple(waiting),
        tuple(ready),
        tuple(reversed(ended)),
        tuple(old),
        rollout.message if rollout.state is RolloutState.REJECTED else "",
        _surges(deployment),
    )


def _surges(deployment: Object) -> bool:
    strategy = deployment["spec"].get("strategy") or {}
    surge = (strategy.get("rollingUpdate") or {}).get("maxSurge", 1)
    return strategy.get("type") != "Recreate" and str(surge) not in ("0", "0%")


def _is_terminating(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _end(pod: Object) -> datetime.datetime | None:
    """Return when a pod ended, as far as it says: a worker that was never ready may have run for long."""
    status = pod.get("status") or {}
    ends = [
        (each.get("state") or {}).get("terminated") or {} for each in status.get("containerStatuses") or ()
    ]
    times = [
        pod["metadata"]["creationTimestamp"],
        *(each.get("lastTransitionTime") for each in status.get("conditions") or ()),
        *(each.get("finishedAt") for each in ends),
    ]
    return max((moment(time) for time in times if time), default=None)


def deployment_key(deployment: Object) -> OwnerKey:
    """Return the key of a Deployment as an owner of ReplicaSets."""
    return key_of_owner(deployment, "apps", "Deployment")


def replica_set_key(replica_set: Object) -> OwnerKey:
    """Return the key of a ReplicaSet as an owner of pods."""
    return key_of_owner(replica_set, "apps", "ReplicaSet")


def _uid(obj: Object) -> str:
    return str(obj["metadata"]["uid"])
