"""What old workers hold that a new one waits for: a roll-out that surges is then deadlocked.

The rule is the same for every kind of thing. An old worker terminates only after a new one is available,
and the new one waits for what the old one holds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from model_operator.api import Actor
from model_operator.core.diagnosis.cause import Diagnosis
from model_operator.core.diagnosis.foreign_messages import Lack, QuotaUse, Shortage
from model_operator.core.diagnosis.volumes import claim_names
from model_operator.core.reasons.reasons import Advice
from model_operator.core.values.quantities import parse_quantity

_STRATEGY = "set strategy in the template to Recreate, or to maxSurge 0 with maxUnavailable 1"
_DISKS = ("gcePersistentDisk", "awsElasticBlockStore", "rbd", "iscsi")

Object = Mapping[str, Any]


class Held(NamedTuple):
    """What an old worker holds.

    Attributes
    ----------
    what
        In words.
    otherwise
        What helps beside another strategy.
    """

    what: str
    otherwise: str


def held_by_old(cause: Diagnosis, pod: Object, old: Sequence[Object]) -> Diagnosis:
    """Add to the cause of a pod which old worker holds what it waits for, if one does.

    Parameters
    ----------
    cause
        Why the pod is not ready.
    pod
        A pod of the current revision.
    old
        The pods of earlier revisions, in order.
    """
    for holders, held in _holders(cause, pod, old):
        if all(each["metadata"].get("deletionTimestamp") for each in holders):
            text = f"An old worker that is terminating still holds {held.what}."
            return replace(cause, detail=f"{cause.detail} {text}")
        return deadlocked(cause, holders, held)
    return cause


def deadlocked(cause: Diagnosis, holders: Sequence[Object], held: Held) -> Diagnosis:
    """Add to a cause that old workers hold what is waited for, and what resolves that."""
    first = next(each for each in holders if not each["metadata"].get("deletionTimestamp"))
    more = f" (and {len(holders) - 1} more)" if len(holders) > 1 else ""
    name = first["metadata"]["name"]
    text = f"The old worker {name}{more} holds {held.what} and terminates only after a new one is available."
    advice = Advice(Actor.TEMPLATE_OWNER, f"{_STRATEGY}, or {held.otherwise}.")
    return replace(cause, detail=f"{cause.detail} {text}", advice=advice)


def quota_held(uses: Iterable[tuple[str, QuotaUse]], old: Sequence[Object]) -> Held | None:
    """Return what old workers hold of an exhausted quota, if a new one fits without them; else None.

    Parameters
    ----------
    uses
        What is exceeded.
    old
        The pods of earlier revisions.
    """
    names = []
    for name, use in uses:
        held = sum((_counted(each, name) for each in old), Decimal(0))
        if not held or use.used - held + use.requested > use.limited:
            return None
        names.append(name)
    return Held(f"{', '.join(names)} of the quota", "have the quota raised") if names else None


def _holders(cause: Diagnosis, pod: Object, old: Sequence[Object]) -> Iterator[tuple[list[Object], Held]]:
    if cause.attached is not None:
        users = [each for each in old if each["metadata"]["name"] in cause.attached.pods]
        if users:
            yield users, _claims_held(pod, users)
    near = [each for each in old if _could_run_where(pod, each)]
    for shortage in sorted(cause.shortages, key=lambda each: (each.lack.name, each.resource)):
        found = _HOLDERS[shortage.lack](shortage, pod, near)
        if found is not None:
            yield found


def _by_resource(shortage: Shortage, pod: Object, old: Sequence[Object]) -> tuple[list[Object], Held] | None:
    """Return the workers of a node that has room for the pod without them."""
    name = shortage.resource
    wanted = requested(pod, name)
    on_node: dict[str, list[Object]] = defaultdict(list)
    for each in old:
        if requested(each, name):
            on_node[each["spec"].get("nodeName", "")].append(each)
    for node in sorted(on_node):
        workers = on_node[node]
        # With less the node might still have the rest free, which cannot be known from here.
        if sum(requested(each, name) for each in workers) >= wanted:
            return workers, Held(name if name != "pods" else "a place for a pod", "add a node")
    return None


def _by_host_port(_: Shortage, pod: Object, old: Sequence[Object]) -> tuple[list[Object], Held] | None:
    wanted = _host_ports(pod)
    holders = [each for each in old if wanted & _host_ports(each)]
    if not holders:
        return None
    ports = sorted({port for port, _ in wanted & _host_ports(holders[0])})
    word = "the host port" if len(ports) == 1 else "the host ports"
    shown = ", ".join(map(str, ports))
    return holders, Held(
        f"{word} {shown}", "remove hostPort and hostNetwork from pod_template, or add a node"
    )


def _by_anti_affinity(_: Shortage, pod: Object, old: Sequence[Object]) -> tuple[list[Object], Held] | None:
    return _apart([each for each in old if _keeps_away(pod, each)])


def _by_existing(_: Shortage, pod: Object, old: Sequence[Object]) -> tuple[list[Object], Held] | None:
    return _apart([each for each in old if _keeps_away(each, pod)])


def _apart(holders: list[Object]) -> tuple[list[Object], Held] | None:
    what = "the only place that the pod anti-affinity allows"
    return (holders, Held(what, "relax podAntiAffinity in pod_template, or add a node")) if holders else None


def _by_claim(_: Shortage, pod: Object, old: Sequence[Object]) -> tuple[list[Object], Held] | None:
    wanted = set(claim_names(pod))
    holders = [each for each in old if wanted & set(claim_names(each))]
    return (holders, _claims_held(pod, holders)) if holders else None


def _by_disk(_: Shortage, pod: Object, old: Sequence[Object]) -> tuple[list[Object], Held] | None:
    wanted = _disks(pod)
    holders = [each for each in old if any(disk in wanted for disk in _disks(each))]
    return (
        (holders, Held("the disk of a volume", "use a volume that several pods may use")) if holders else None
    )


def _by_devices(_: Shortage, pod: Object, old: Sequence[Object]) -> tuple[list[Object], Held] | None:
    wanted = _claim_templates(pod)
    holders = [each for each in old if wanted & _claim_templates(each)]
    return (holders, Held("the devices of its ResourceClaim", "add a node")) if holders else None


_HOLDERS: Mapping[Lack, Callable[[Shortage, Object, Sequence[Object]], tuple[list[Object], Held] | None]] = {
    Lack.RESOURCE: _by_resource,
    Lack.HOST_PORT: _by_host_port,
    Lack.ANTI_AFFINITY: _by_anti_affinity,
    Lack.EXISTING_ANTI_AFFINITY: _by_existing,
    Lack.CLAIM: _by_claim,
    Lack.DISK: _by_disk,
    Lack.DEVICES: _by_devices,
}


def _claims_held(pod: Object, holders: Sequence[Object]) -> Held:
    shared = sorted(set(claim_names(pod)) & {name for each in holders for name in claim_names(each)})
    what = f"the PersistentVolumeClaim {', '.join(shared)}" if shared else "the volume"
    return Held(what, "use a ReadWriteMany claim")


def _could_run_where(pod: Object, old: Object) -> bool:
    """Return whether a pod could run on the node of an old worker, as far as both pods show.

    Without it the node that lacks something is another one, and the old worker does not block it.
    """
    spec, before = pod["spec"], old["spec"]
    known = before.get("nodeSelector") or {}
    if any(known.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    wanted, had = _node_affinity(spec), _node_affinity(before)
    if wanted and wanted != had:
        return False
    tolerations = spec.get("tolerations") or []
    return all(each in tolerations for each in before.get("tolerations") or [])


def _node_affinity(spec: Object) -> Any:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return affinity.get("requiredDuringSchedulingIgnoredDuringExecution")


def requested(pod: Object, name: str) -> Decimal:
    """Return how much of a resource a pod requests, as the scheduler counts it."""
    return Decimal(1) if name == "pods" else _resource(pod, "requests", name)


def _counted(pod: Object, name: str) -> Decimal:
    """Return how much of a quota's resource a pod uses."""
    if name in ("pods", "count/pods"):
        return Decimal(1)
    for kind in ("requests", "limits"):
        if name.startswith(f"{kind}."):
            return _resource(pod, kind, name.removeprefix(f"{kind}."))
    return _resource(pod, "requests", name)


def _resource(pod: Object, kind: str, name: str) -> Decimal:
    spec = pod["spec"]

    def amount(of: Object) -> Decimal:
        value = ((of.get("resources") or {}).get(kind) or {}).get(name)
        try:
            return Decimal(0) if value is None else parse_quantity(value)
        except ValueError:
            return Decimal(0)

    starts = spec.get("initContainers") or []
    sidecars = sum((amount(each) for each in starts if each.get("restartPolicy") == "Always"), Decimal(0))
    initial = max((amount(each) for each in starts), default=Decimal(0))
    main = sum((amount(each) for each in spec.get("containers") or []), Decimal(0)) + sidecars
    overhead = (spec.get("overhead") or {}).get(name)
    added = amount({"resources": {kind: {name: overhead}}}) if overhead is not None else Decimal(0)
    return max(main, initial, amount(spec)) + added


def _host_ports(pod: Object) -> set[tuple[int, str]]:
    containers = [*(pod["spec"].get("initContainers") or []), *(pod["spec"].get("containers") or [])]
    ports = (port for each in containers for port in each.get("ports") or [])
    return {(port["hostPort"], port.get("protocol") or "TCP") for port in ports if port.get("hostPort")}


def _disks(pod: Object) -> list[Any]:
    return [
        volume[kind] for volume in pod["spec"].get("volumes") or [] for kind in _DISKS if volume.get(kind)
    ]


def _claim_templates(pod: Object) -> set[str]:
    claims = pod["spec"].get("resourceClaims") or []
    return {
        str(each["resourceClaimTemplateName"]) for each in claims if each.get("resourceClaimTemplateName")
    }


def _keeps_away(pod: Object, other: Object) -> bool:
    """Return whether a pod's required anti-affinity rules out a place beside another one of its namespace."""
    affinity = (pod["spec"].get("affinity") or {}).get("podAntiAffinity") or {}
    labels = other["metadata"].get("labels") or {}
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or []
    return any(
        _selects(term.get("labelSelector") or {}, labels) for term in terms if term.get("labelSelector")
    )


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_matches(each, labels) for each in selector.get("matchExpressions") or [])


def _matches(rule: Object, labels: Mapping[str, str]) -> bool:
    key, values = rule["key"], rule.get("values") or []
    match rule["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
    return key not in labels


def shared_with_siblings(cause: Diagnosis, pod: Object, siblings: Sequence[Object]) -> Diagnosis:
    """Say so when another worker of the same revision has the volume that only one node may have."""
    if cause.attached is None:
        return cause
    users = [each for each in siblings if each["metadata"]["name"] in cause.attached.pods]
    if not users:
        return cause
    claims = ", ".join(sorted(set(claim_names(pod)) & {name for each in users for name in claim_names(each)}))
    what = f"PersistentVolumeClaim {claims}" if claims else "the volume"
    text = f"Another worker on another node uses {what}, which only one node may use at a time."
    step = "use a ReadWriteMany claim, a volume per worker (ephemeral), or a single worker (max_workers 1)."
    return replace(cause, detail=f"{cause.detail} {text}", advice=Advice(Actor.TEMPLATE_OWNER, step))
