"""Fields of a pod template that take free-text parameters. Every other field is guarded.

A guarded field takes only values that the template lists. A field is guarded unless it is listed here, so a
field of a newer Kubernetes is guarded until it has been reviewed. A test compares this table with a decision
on every field of the API server's schema.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from model_operator.api import GROUP
from model_operator.core.templates.pod_paths import CONTAINER_LISTS, PROBES, STRING_MAPS, Path

if TYPE_CHECKING:
    from model_operator.core.templates.references import Reference

CHOSEN_BY_THE_SERVER: Final = frozenset({"namespace", "id"})
"""Fields of the instance that its author cannot choose freely: RBAC limits the namespace, and the API server
assigns the uid."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _paths(text: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(line.split(".")) for line in text.split())


_INERT_DOMAINS: Final = frozenset({"app.kubernetes.io"})
"""Domains of labels and annotations on which no component acts: the recommended labels, without subdomains,
since the rest of ``kubernetes.io`` is Kubernetes' own."""
_RESERVED: Final = ("example", "example.com", "example.net", "example.org", "invalid", "test")
"""Domains, with their subdomains, that RFC 2606 reserves for examples: no component can own one."""
_ACTING_NAMES: Final = frozenset({"aadpodidbinding"})
"""Keys without any domain on which a component acts: the cloud identity of Azure's first pod identity."""
_DOMAIN_WITHOUT_SLASH: Final = re.compile(
    r"(?:[a-z]{2}|cloud|com|dev|net|org|run)\..*|.*\.(?:[a-z]{2}|cloud|com|dev|net|org|run)",
    re.IGNORECASE | re.DOTALL,
)
"""A domain without a slash, in reverse or not, as container runtimes read it: ``io.katacontainers.config…``,
``run.oci…``, ``org.systemd.property…``, ``cpu-quota.crio.io``."""
_ACTING_DOMAINS: Final = _words(
    """
    kubernetes.io k8s.io openshift.io amazonaws.com azure.com workload.identity gke.io google.com
    hashicorp.com istio.io linkerd.io cncf.io ovn.org cilium.io projectcalico.org crio.io cert-manager.io
    spiffe.io kyverno.io gatekeeper.sh banzaicloud.com external-secrets.io modeloperator.dev
    x-k8s.io opentelemetry.io datadoghq.com dynatrace.com newrelic.com elastic.co dapr.io kuma.io
    konghq.com solo.io openservicemesh.io knative.dev keda.sh karpenter.sh volcano.sh run.ai nvidia.com
    kubevirt.io karmada.io multus-cni.io akeyless.io 1password.com doppler.com infisical.com conjur.org
    aquasec.com crowdstrike.com stakater.com tailscale.com alibabacloud.com aliyun.com oraclecloud.com
    jaegertracing.io
    """
)
"""Domains, with their subdomains, whose labels give a pod an identity, a network, a sidecar, an exemption or
a node. Only for the instance's name does a list suffice; see `takes_name`."""
_OPEN_SOURCES: Final = frozenset({"emptyDir", "configMap", "downwardAPI", "persistentVolumeClaim"})
"""Volume sources in which an instance may choose freely, within quota and RBAC of its namespace."""
_DATA_SOURCES: Final = _OPEN_SOURCES | {"ephemeral", "image"}
"""Volume sources of which any path may be mounted: they hold neither files of the node nor Secrets."""

_FREE: Final = _paths(
    """
    spec.activeDeadlineSeconds
    spec.enableServiceLinks
    spec.hostname
    spec.resourceClaims.resourceClaimName
    spec.resourceClaims.resourceClaimTemplateName
    spec.resources.claims.name
    spec.resources.claims.request
    spec.resources.limits.*
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
    resources.limits.*
    resources.requests.*
    volumeMounts.subPath
    volumeMounts.subPathExpr
    workingDir
    """
)
"""Paths below an item of ``containers`` and ``initContainers``. ``image`` has its own rule in
`model_operator.core.templates.images`, ``subPath`` in `guarded_mounts`."""

_COMMANDS: Final = frozenset({("command",), ("probe", "exec", "command"), ("lifecycle", "exec", "command")})
"""Commands: the arguments are free; the program, which is the first item, and the whole list are guarded."""


def is_guarded(path: Path) -> bool:
    """Whether the field takes no value that the author of an instance can choose freely.

    Parameters
    ----------
    path
        Path of a field of a PodTemplateSpec, of any version of Kubernetes.
    """
    names = tuple(part for part in path if isinstance(part, str))
    if is_metadata_key(path):
        return not _is_inert(names[2])
    keyed = next((place for place, name in enumerate(names[:-1]) if name in STRING_MAPS), None)
    if keyed is not None:
        names = (*names[: keyed + 1], "*")
    if names[:1] == ("spec",) and len(names) > 2 and names[1] in CONTAINER_LISTS:  # noqa: PLR2004 -- spec, its list
        inside = _in_container(names[2:])
        if inside in _COMMANDS:
            return not isinstance(path[-1], int) or path[-1] == 0
        return inside not in _FREE_IN_CONTAINERS
    return names not in _FREE


def is_metadata_key(path: Path) -> bool:
    """Whether the path leads to the value of a label or annotation of the pod."""
    return len(path) == 3 and path[:2] in {("metadata", "annotations"), ("metadata", "labels")}  # noqa: PLR2004 -- metadata, the map, the key


def takes_name(path: Path) -> bool:
    """Whether the path leads to a label that may be the instance's name as a whole, though it is guarded.

    Components that route by labels need the name of the model: ``model.aibrix.ai/name``. The author chooses
    the name, but as a DNS label that no other instance of the namespace has. Labels of components that are
    known to act on a pod take it no more than annotations do: an instance ``false`` has no sidecar.
    """
    if not is_metadata_key(path) or path[1] != "labels":
        return False
    domain, slash, _ = str(path[2]).rpartition("/")
    return bool(slash) and not _is_below(domain, _ACTING_DOMAINS)


def is_freed(path: Path, domains: Collection[str]) -> bool:
    """Whether the path leads to a label or annotation whose domain the operator administrator has freed.

    Parameters
    ----------
    path
        Path of a field of a PodTemplateSpec.
    domains
        Domains that count with their subdomains. The operator's own is never free.
    """
    domain = str(path[-1]).rpartition("/")[0] if is_metadata_key(path) else ""
    return bool(domain) and _is_below(domain, domains) and not _is_below(domain, (GROUP,))


def is_command(path: Path) -> bool:
    """Whether the path leads to a command or to an item of one; its first item is the program."""
    names = tuple(part for part in path if isinstance(part, str))
    return (
        len(names) > 2  # noqa: PLR2004 -- spec, its list
        and names[1] in CONTAINER_LISTS
        and _in_container(names[2:]) in _COMMANDS
    )


def is_chosen_by_the_author(reference: Reference) -> bool:
    """Whether the reference names a field of the instance that its author can choose freely."""
    return reference.source == "instance" and reference.name not in CHOSEN_BY_THE_SERVER


def guarded_mounts(pod_template: Mapping[str, Any] | None) -> frozenset[Path]:
    """Return the paths of ``subPath`` and ``subPathExpr`` that are guarded.

    In these volumes a path selects data that does not belong to the instance: files of the node, or keys of a
    Secret.

    Parameters
    ----------
    pod_template
        A pod template that has passed `model_operator.core.templates.pod_shape.check_pod_template`.
    """
    spec = (pod_template or {}).get("spec") or {}
    # A list, not a set: the name of a mount may be any JSON at this point.
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
    """Return a path below a container with one name for all probes, and one for all lifecycle hooks."""
    if names[0] in PROBES:
        return ("probe", *names[1:])
    if names[0] == "lifecycle" and len(names) > 1:
        return ("lifecycle", *names[2:])
    return names


def _is_inert(key: str) -> bool:
    """Whether no component may act on the label or annotation, beyond selecting by it or displaying it."""
    domain, slash, _ = key.rpartition("/")
    if not slash:
        # Private to users by the convention of Kubernetes.
        return key not in _ACTING_NAMES and _DOMAIN_WITHOUT_SLASH.fullmatch(key) is None
    return domain in _INERT_DOMAINS or _is_below(domain, _RESERVED)


def _is_below(domain: str, domains: Collection[str]) -> bool:
    return any(domain == each or domain.endswith(f".{each}") for each in domains)
