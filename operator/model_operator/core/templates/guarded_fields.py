"""Which fields of a pod template take any value; every other field takes only values that the template lists.

A field is guarded unless it is listed here, so that one of a newer Kubernetes is guarded until somebody has
thought about it. A test holds a decision on every field of the API server's own schema against this table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model_operator.core.templates.references import Reference

Path = tuple[str | int, ...]
"""Path of a field from the root of a PodTemplateSpec, such as ``("spec", "containers", 0, "args", 1)``."""

CHOSEN_BY_THE_SERVER: Final = frozenset({"namespace", "id"})
"""What of the instance nobody chooses freely: RBAC decides on the namespace, the API server on the uid."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _paths(text: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(line.split(".")) for line in text.split())


STRING_MAPS: Final = _words(
    """
    annotations labels limits matchLabels nodeSelector overhead requests userAnnotations
    volumeAttributes
    """
)
CONTAINER_LISTS: Final = frozenset({"containers", "initContainers"})
PROBES: Final = frozenset({"livenessProbe", "readinessProbe", "startupProbe"})

_ACTING_DOMAINS: Final = _words(
    """
    kubernetes.io k8s.io openshift.io amazonaws.com azure.com workload.identity gke.io google.com
    hashicorp.com istio.io linkerd.io cncf.io ovn.org cilium.io projectcalico.org crio.io cert-manager.io
    spiffe.io kyverno.io gatekeeper.sh banzaicloud.com external-secrets.io modeloperator.dev
    """
)
"""Domains, with those below, of labels and annotations that give a pod an identity, a key, a network,
a sidecar, an exemption or a node. ``kubernetes.io`` and ``k8s.io`` are reserved for Kubernetes itself."""
_DESCRIPTIVE_DOMAIN: Final = "app.kubernetes.io"
"""Kubernetes' recommended labels, which no part of it acts on."""
_ACTING_KEYS: Final = ("io.kubernetes.", "io.containerd.", "io.katacontainers.", "run.oci.")
"""Beginnings of the keys, without a prefix, that container runtimes read."""
_OPEN_SOURCES: Final = frozenset({"emptyDir", "configMap", "downwardAPI", "persistentVolumeClaim"})
"""Sources of volumes within which an instance may choose; the namespace's quota and RBAC bound them."""
_DATA_SOURCES: Final = _OPEN_SOURCES | {"ephemeral", "image"}
"""Sources of volumes of which any part may be mounted: there are no files of the node, and no Secrets."""

_FREE: Final = _paths(
    """
    spec.activeDeadlineSeconds
    spec.enableServiceLinks
    spec.hostname
    spec.resourceClaims.resourceClaimName
    spec.resourceClaims.resourceClaimTemplateName
    spec.resources.claims.name
    spec.resources.claims.request
    spec.resources.limits
    spec.resources.limits.*
    spec.resources.requests
    spec.resources.requests.*
    spec.setHostnameAsFQDN
    spec.terminationGracePeriodSeconds
    spec.topologySpreadConstraints.labelSelector.matchLabels.*
    spec.volumes.configMap.defaultMode
    spec.volumes.configMap.items.key
    spec.volumes.configMap.items.mode
    spec.volumes.configMap.items.path
    spec.volumes.configMap.name
    spec.volumes.configMap.optional
    spec.volumes.downwardAPI.defaultMode
    spec.volumes.downwardAPI.items.fieldRef.apiVersion
    spec.volumes.downwardAPI.items.fieldRef.fieldPath
    spec.volumes.downwardAPI.items.mode
    spec.volumes.downwardAPI.items.path
    spec.volumes.downwardAPI.items.resourceFieldRef.containerName
    spec.volumes.downwardAPI.items.resourceFieldRef.divisor
    spec.volumes.downwardAPI.items.resourceFieldRef.resource
    spec.volumes.emptyDir.medium
    spec.volumes.emptyDir.sizeLimit
    spec.volumes.image.reference
    spec.volumes.persistentVolumeClaim.claimName
    spec.volumes.persistentVolumeClaim.readOnly
    """
)

_FREE_IN_CONTAINERS: Final = _paths(
    """
    args
    env.value
    env.valueFrom.configMapKeyRef.key
    env.valueFrom.configMapKeyRef.name
    env.valueFrom.configMapKeyRef.optional
    env.valueFrom.fieldRef.apiVersion
    env.valueFrom.fieldRef.fieldPath
    env.valueFrom.resourceFieldRef.containerName
    env.valueFrom.resourceFieldRef.divisor
    env.valueFrom.resourceFieldRef.resource
    envFrom.configMapRef.name
    envFrom.configMapRef.optional
    image
    lifecycle.sleep.seconds
    ports.containerPort
    ports.protocol
    probe.failureThreshold
    probe.grpc.port
    probe.httpGet.path
    probe.httpGet.port
    probe.initialDelaySeconds
    probe.periodSeconds
    probe.successThreshold
    probe.tcpSocket.port
    probe.terminationGracePeriodSeconds
    probe.timeoutSeconds
    resources.claims.name
    resources.claims.request
    resources.limits
    resources.limits.*
    resources.requests
    resources.requests.*
    volumeMounts.subPath
    volumeMounts.subPathExpr
    workingDir
    """
)
"""Below an item of ``containers`` and ``initContainers``. ``image`` has a rule of its own, in
`model_operator.core.templates.images`, ``subPath`` one in `guarded_mounts`."""

_COMMANDS: Final = frozenset({("command",), ("probe", "exec", "command"), ("lifecycle", "exec", "command")})
"""Of a command, the arguments are free; what is run, the first item, is not, nor the command as a whole."""


def is_guarded(path: Path) -> bool:
    """Whether the field takes only what nobody who writes an instance can choose.

    Parameters
    ----------
    path
        Path of a field of a PodTemplateSpec, of whatever version of Kubernetes.
    """
    names = tuple(part for part in path if isinstance(part, str))
    if len(names) == 3 and names[:2] in {("metadata", "annotations"), ("metadata", "labels")}:  # noqa: PLR2004 -- metadata, the map, the key
        return _is_acted_on(names[2])
    keyed = next((place for place, name in enumerate(names[:-1]) if name in STRING_MAPS), None)
    if keyed is not None:
        names = (*names[: keyed + 1], "*")
    if names[:1] == ("spec",) and len(names) > 2 and names[1] in CONTAINER_LISTS:  # noqa: PLR2004 -- spec, its list
        inside = _in_container(names[2:])
        if inside in _COMMANDS:
            return not isinstance(path[-1], int) or path[-1] == 0
        return inside not in _FREE_IN_CONTAINERS
    return names not in _FREE


def is_command(path: Path) -> bool:
    """Whether the path leads to a command or an item of one: its first item is what is run."""
    names = tuple(part for part in path if isinstance(part, str))
    return (
        len(names) > 2  # noqa: PLR2004 -- spec, its list
        and names[1] in CONTAINER_LISTS
        and _in_container(names[2:]) in _COMMANDS
    )


def is_chosen_by_the_author(reference: Reference) -> bool:
    """Whether the reference is to a field of the instance that whoever writes it chooses."""
    return reference.source == "instance" and reference.name not in CHOSEN_BY_THE_SERVER


def guarded_mounts(pod_template: Mapping[str, Any] | None) -> frozenset[Path]:
    """Return the paths of ``subPath`` and ``subPathExpr`` that are guarded, too.

    There they choose among what is not the instance's: files of the node, keys of a Secret.

    Parameters
    ----------
    pod_template
        A pod template that has passed `model_operator.core.templates.pod_shape.check_pod_template`.
    """
    spec = (pod_template or {}).get("spec") or {}
    # A list: the name of a mount may still be any JSON.
    open_volumes = [
        volume.get("name")
        for volume in spec.get("volumes") or ()
        if not volume.keys() - _DATA_SOURCES - {"name"}
    ]
    return frozenset(path for path, mount in _mounts(spec) if mount.get("name") not in open_volumes)


def _mounts(spec: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for containers in CONTAINER_LISTS:
        for index, container in enumerate(spec.get(containers) or ()):
            for number, mount in enumerate(container.get("volumeMounts") or ()):
                for field in ("subPath", "subPathExpr"):
                    yield ("spec", containers, index, "volumeMounts", number, field), mount


def _in_container(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return a path below a container with one name for all probes, and one for all hooks."""
    if names[0] in PROBES:
        return ("probe", *names[1:])
    if names[0] == "lifecycle" and len(names) > 1:
        return ("lifecycle", *names[2:])
    return names


def _is_acted_on(key: str) -> bool:
    """Whether a component does more with the label or annotation than to select by it or to show it."""
    prefix, slash, _ = key.rpartition("/")
    if not slash:
        return key.startswith(_ACTING_KEYS)
    is_below = any(prefix == domain or prefix.endswith(f".{domain}") for domain in _ACTING_DOMAINS)
    return is_below and prefix != _DESCRIPTIVE_DOMAIN
