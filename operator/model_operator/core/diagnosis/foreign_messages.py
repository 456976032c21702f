"""What messages of other components mean: kubelet, scheduler, controllers and the API server's admission.

Nowhere else is the text of such a message read. Each table has the text as the component writes it, in
Kubernetes 1.30 to 1.36; an unknown text is `None` or `OTHER`, and is quoted as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from typing import NamedTuple

from model_operator.core.values.quantities import parse_quantity


class ProbeFault(Enum):
    """How a probe of the kubelet failed."""

    STATUS = "the server answered with an HTTP status that is no success"
    REFUSED = "nothing listens on the port"
    SILENT = "no answer within the probe's timeout"
    SCHEME = "the probe speaks HTTP and the server HTTPS, or the other way round"
    NO_GRPC_HEALTH = "the server does not implement grpc.health.v1.Health"
    ERRORED = "the probe could not be run"
    OTHER = "anything else, such as a command that exits with an error"


class ProbeResult(NamedTuple):
    """A failure of a probe.

    Attributes
    ----------
    probe
        ``startup``, ``readiness`` or ``liveness``.
    fault
        How it failed.
    code
        The HTTP status code of `ProbeFault.STATUS`, else 0.
    said
        The output of the probe, as the kubelet wrote it.
    """

    probe: str
    fault: ProbeFault
    code: int
    said: str


_PROBE = re.compile(
    r"^(?:\(combined from similar events\): )?(Startup|Readiness|Liveness) probe (failed|errored)[^:]*(?:: )?"
)
_STATUS = re.compile(r"^HTTP probe failed with statuscode: (\d{3})$")
_PROBE_FAULTS = (
    (re.compile(r"connection refused"), ProbeFault.REFUSED),
    (
        re.compile(
            r"server gave HTTP response to HTTPS client|does not look like a TLS handshake"
            r"|malformed HTTP (response|status code|version)"
        ),
        ProbeFault.SCHEME,
    ),
    (re.compile(r"does not implement the grpc health protocol"), ProbeFault.NO_GRPC_HEALTH),
    (
        re.compile(r"context deadline exceeded|Client\.Timeout exceeded|i/o timeout|^timeout: |timed out"),
        ProbeFault.SILENT,
    ),
)


def probe_result(message: str) -> ProbeResult | None:
    """Return what an Event ``Unhealthy`` says; None when it is not about a probe."""
    found = _PROBE.match(message)
    if found is None:
        return None
    said = message[found.end() :]
    probe = found[1].lower()
    if found[2] == "errored":
        return ProbeResult(probe, ProbeFault.ERRORED, 0, said)
    status = _STATUS.match(said.strip())
    if status:
        return ProbeResult(probe, ProbeFault.STATUS, int(status[1]), said)
    fault = next((fault for text, fault in _PROBE_FAULTS if text.search(said)), ProbeFault.OTHER)
    return ProbeResult(probe, fault, 0, said)


_KILLED_BY_PROBE = re.compile(r"failed (startup|liveness) probe")


def killed_by_probe(message: str) -> str | None:
    """Return the probe of an Event ``Killing``; None when the container is killed for another reason."""
    found = _KILLED_BY_PROBE.search(message)
    return found[1] if found else None


class PullFault(Enum):
    """Why a registry does not have an image for us, whenever it is asked."""

    MISSING = "there is no such image"
    DENIED = "the credentials do not suffice, or there is no such repository"
    NO_REGISTRY = "there is no host of that name"


_PULL_FAULTS = (
    (
        re.compile(
            r": not found$|code = NotFound\b|manifest unknown|name unknown|NAME_UNKNOWN|MANIFEST_UNKNOWN"
            r"|\b404 Not Found|repository does not exist|invalid reference format|no match for platform"
        ),
        PullFault.MISSING,
    ),
    (
        re.compile(
            r"\b(401 Unauthorized|403 Forbidden)|access denied|access to the resource is denied"
            r"|authorization failed|authentication required|\bunauthorized\b|(^|: )denied: "
        ),
        PullFault.DENIED,
    ),
    (re.compile(r": no such host$"), PullFault.NO_REGISTRY),
)
_UNREACHABLE = re.compile(
    r"connection (refused|reset)|server misbehaving|i/o timeout|deadline exceeded|timed? ?out"
    r"|\b5\d\d [A-Z]|\b429 |toomanyrequests|TLS handshake|EOF$"
)


def pull_fault(message: str) -> PullFault | None:
    """Return why an image cannot be pulled at any time; None where the next attempt may succeed.

    Parameters
    ----------
    message
        That of a container that waits with ``ErrImagePull`` or ``ImagePullBackOff``, or of an Event
        ``Failed``; of containerd, CRI-O or Docker.
    """
    if _UNREACHABLE.search(message):
        return None
    return next((fault for text, fault in _PULL_FAULTS if text.search(message.rstrip(" ."))), None)


_TIMEOUT = re.compile(r"deadline exceeded|timed out|timeout")


def is_timeout(message: str) -> bool:
    """Return whether a message of the kubelet says that something took too long."""
    return bool(_TIMEOUT.search(message))


_MISSING_OBJECT = re.compile(
    r'\b(configmap|secret|persistentvolumeclaim)s? "[^"]*" not found|non-existent (config|secret) key'
)


def is_missing_object(message: str) -> bool:
    """Return whether a message says that an object, or a key of it, that a pod names does not exist."""
    return bool(_MISSING_OBJECT.search(message))


class Lack(Enum):
    """What a node lacks for a pod, and another pod may hold."""

    RESOURCE = "a resource, such as cpu or an accelerator"
    HOST_PORT = "a port of the node"
    ANTI_AFFINITY = "a place without pods that the pod keeps away from"
    EXISTING_ANTI_AFFINITY = "a place without pods that keep away from the pod"
    CLAIM = "a claim that only one pod may use"
    DISK = "a disk that only one pod may use"
    DEVICES = "devices for its ResourceClaims"


class Shortage(NamedTuple):
    """What nodes lack.

    Attributes
    ----------
    lack
        Its kind.
    resource
        The name of the resource of `Lack.RESOURCE`, else empty.
    """

    lack: Lack
    resource: str = ""


_INSUFFICIENT = re.compile(r"^Insufficient (\S+)$")
_SHORTAGES = {
    "Too many pods": Shortage(Lack.RESOURCE, "pods"),
    "node(s) didn't have free ports for the requested pod ports": Shortage(Lack.HOST_PORT),
    "node(s) didn't match pod anti-affinity rules": Shortage(Lack.ANTI_AFFINITY),
    "node(s) didn't satisfy existing pods anti-affinity rules": Shortage(Lack.EXISTING_ANTI_AFFINITY),
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by "
    "another pod": Shortage(Lack.CLAIM),
    "node(s) had no available disk": Shortage(Lack.DISK),
    "cannot allocate all claims": Shortage(Lack.DEVICES),
}
_NODES_TALLY = re.compile(r"^\d+/\d+ nodes are available: ")
_NODE_COUNT = re.compile(r"^\d+ ")
_AFTERTHOUGHT = re.compile(
    r"[.,]?\s*((no new claims to deallocate|still not schedulable|preemption: ).*|\. not found)$"
)
_VOLUME = re.compile(r"persistentvolumeclaim|PersistentVolume|volume", re.IGNORECASE)
_RESOURCE_CLAIM = re.compile(
    r"^resourceclaim|^resource ?claim |ResourceClaim not created|device class \S+ does not exist"
    r"|ResourceClaim \S+ was not created"
)


def node_reasons(message: str) -> list[str]:
    """Return why the scheduler rules out nodes, sorted, without their number, which changes with every node.

    Parameters
    ----------
    message
        That of the condition ``PodScheduled``, or of an Event ``FailedScheduling``.
    """
    said = _AFTERTHOUGHT.sub("", _NODES_TALLY.sub("", message))
    reasons = {_NODE_COUNT.sub("", each.strip().rstrip(".")) for each in re.split(r", (?=\d+ )", said)}
    return sorted(filter(None, reasons))


def shortages(reasons: Iterable[str]) -> frozenset[Shortage]:
    """Return what nodes lack, from the parts that `node_reasons` returned."""
    found = set()
    for reason in reasons:
        insufficient = _INSUFFICIENT.match(reason)
        known = Shortage(Lack.RESOURCE, insufficient[1]) if insufficient else _SHORTAGES.get(reason)
        if known is not None:
            found.add(known)
    return frozenset(found)


def is_about_volume(reason: str) -> bool:
    """Return whether a part of a scheduler's message is about a volume or its claim."""
    return bool(_VOLUME.search(reason))


def is_about_resource_claim(reason: str) -> bool:
    """Return whether a part of a scheduler's message is about a ResourceClaim that cannot be used at all."""
    return bool(_RESOURCE_CLAIM.search(reason))


_MULTI_ATTACH = re.compile(r'^Multi-Attach error for volume "([^"]*)" ')
_USED_BY = re.compile(r"already used by pod\(s\) (.*?)(?: and \d+ pod\(s\) in different namespaces)?$")


class MultiAttach(NamedTuple):
    """A volume that another node has, and that only one node may have.

    Attributes
    ----------
    volume
        Name of the PersistentVolume.
    pods
        Names of the pods of the same namespace that use it there; empty when it is only still attached, or
        used by pods of other namespaces.
    """

    volume: str
    pods: tuple[str, ...]


def multi_attach(message: str) -> MultiAttach | None:
    """Return what an Event ``FailedAttachVolume`` says of a volume that another node has; else None."""
    found = _MULTI_ATTACH.match(message)
    if found is None:
        return None
    used = _USED_BY.search(message)
    return MultiAttach(found[1], tuple(used[1].split(", ")) if used else ())


_MOUNT_STEP = re.compile(r'^(?:\w+\.\w+ failed|Multi-Attach error) for volume ("[^"]*") ?:? ')


def without_mount_step(message: str) -> str:
    """Return the message of an Event about a volume without the step that failed, which says nothing new."""
    return _MOUNT_STEP.sub(r"volume \1: ", message)


_MISSING_CLAIM_TEMPLATE = re.compile(r'resource claim template "([^"]*)": .* not found$')


def missing_claim_template(message: str) -> str | None:
    """Return the ResourceClaimTemplate that an Event ``FailedResourceClaimCreation`` misses; else None."""
    found = _MISSING_CLAIM_TEMPLATE.search(message.strip())
    return found[1] if found else None


class Refuser(Enum):
    """Which part of the API server's admission rejects a pod."""

    QUOTA = "a ResourceQuota is used up"
    QUOTA_SCOPE = "a ResourceQuota demands requests or limits that the pod lacks"
    POD_SECURITY = "the namespace's Pod Security level"
    LIMIT_RANGE = "a LimitRange"
    SERVICE_ACCOUNT = "the ServiceAccount does not exist"
    PRIORITY_CLASS = "the PriorityClass does not exist"
    RUNTIME_CLASS = "the RuntimeClass does not exist, or contradicts the pod"
    POLICY = "a webhook or an admission policy"
    WEBHOOK_DOWN = "a webhook that cannot be called"
    INVALID = "the validation of the pod"
    OTHER = "anything else"


class QuotaUse(NamedTuple):
    """One resource of which a ResourceQuota has too little, in its base unit."""

    requested: Decimal
    used: Decimal
    limited: Decimal


class Rejection(NamedTuple):
    """Why the API server rejects the pods of a ReplicaSet.

    Attributes
    ----------
    refuser
        Who rejects them.
    quota
        The name of the ResourceQuota of `Refuser.QUOTA`, else empty.
    uses
        Of it, by the name of the resource, what is exceeded.
    """

    refuser: Refuser
    quota: str = ""
    uses: tuple[tuple[str, QuotaUse], ...] = ()


_LONGEST = 4096
"""Characters that are read of a rejection: a webhook may write any text into it."""
_EXCEEDED = ("exceeded quota: ", ", requested: ", ", used: ", ", limited: ")
"""What precedes the name of a ResourceQuota and the three lists of amounts."""
_REFUSERS = (
    (re.compile(r"exceeded quota: |status unknown for quota: "), Refuser.QUOTA),
    (re.compile(r"failed quota: .* must specify|insufficient quota to"), Refuser.QUOTA_SCOPE),
    (re.compile(r"violates PodSecurity"), Refuser.POD_SECURITY),
    (
        re.compile(
            r"(minimum|maximum) \S+ usage per (Container|Pod|PersistentVolumeClaim)|max limit to request"
        ),
        Refuser.LIMIT_RANGE,
    ),
    (re.compile(r"error looking up service account"), Refuser.SERVICE_ACCOUNT),
    (re.compile(r"no PriorityClass with name"), Refuser.PRIORITY_CLASS),
    (re.compile(r"RuntimeClass|runtimeClass"), Refuser.RUNTIME_CLASS),
    (re.compile(r"failed calling webhook"), Refuser.WEBHOOK_DOWN),
    (re.compile(r"denied (the )?request"), Refuser.POLICY),
    (re.compile(r'^Pod "[^"]*" is invalid'), Refuser.INVALID),
)


def rejection(message: str) -> Rejection:
    """Return who rejects pods, from the condition ``ReplicaFailure`` or an Event ``FailedCreate``."""
    message = message[:_LONGEST]
    exceeded = _parts(message)
    if exceeded:
        requested, used, limited = map(_amounts, exceeded[1:])
        uses = tuple(
            (name, QuotaUse(requested[name], used[name], limited[name]))
            for name in sorted(requested.keys() & used.keys() & limited.keys())
        )
        return Rejection(Refuser.QUOTA, exceeded[0], uses)
    return Rejection(next((refuser for text, refuser in _REFUSERS if text.search(message)), Refuser.OTHER))


def _parts(message: str) -> list[str]:
    """Return the parts of a message about an exceeded quota; an empty list for any other message.

    A pattern with three unbounded parts takes cubic time for a text that an object's author can choose.
    """
    parts = []
    for mark in _EXCEEDED:
        before, found, message = message.partition(mark)
        if not found:
            return []
        parts.append(before)
    return [*parts[1:], message.removesuffix(".")]


def _amounts(text: str) -> dict[str, Decimal]:
    """Return the amounts of ``cpu=1,memory=2Gi``."""
    found = {}
    for part in text.split(","):
        name, _, amount = part.rpartition("=")
        try:
            found[name.strip()] = parse_quantity(amount.strip())
        except ValueError:
            continue
    return found
