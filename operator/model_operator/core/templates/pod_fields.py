"""The fields of a pod template: their types, and expansion by the kubelet.

The tables follow ``k8s.io/api/core/v1.PodTemplateSpec``; a test compares them with the models of the client
library. A field that is in no table is a string.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from model_operator.core.templates.guarded_fields import is_guarded, takes_name
from model_operator.core.templates.kubelet_expansion import in_container, is_expanded_by_kubelet
from model_operator.core.templates.pod_paths import CONTAINER_LISTS, STRING_MAPS, Path


class FieldType(Enum):
    """The type of a field's value, worded for messages."""

    STRING = "a string"
    INTEGER = "an integer"
    BOOLEAN = "a boolean"
    INTEGER_OR_STRING = "an integer or a string"
    QUANTITY = "a quantity"
    OBJECT = "an object"
    LIST = "a list"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field that contains a reference.

    Attributes
    ----------
    type
        Type of the field's value.
    kubelet
        Whether the kubelet expands ``$(VAR)`` in the field.
    guarded
        Whether the field takes only values that the template lists; see
        `model_operator.core.templates.guarded_fields`.
    image
        Whether the field is a whole image reference.
    is_item
        Whether the field is an item of a list, in which a list can be expanded.
    secret
        The part of a reference to a Secret that the field takes; None if it takes none.
    takes_name
        Whether the field takes the name of the instance as a whole, though it is guarded.
    whole_secret
        Whether the field names a Secret of which all keys are used.
    """

    type: FieldType
    kubelet: bool = False
    guarded: bool = False
    image: bool = False
    is_item: bool = False
    secret: Literal["name", "key"] | None = None
    takes_name: bool = False
    whole_secret: bool = False


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


INTEGERS = _names(
    """
    activeDeadlineSeconds containerPort defaultMode defaultUser expirationSeconds failureThreshold
    fsGroup hostPort initialDelaySeconds lun maxExpirationSeconds maxSkew minDomains partition
    periodSeconds priority runAsGroup runAsUser seconds successThreshold terminationGracePeriodSeconds
    timeoutSeconds tolerationSeconds weight
    """
)
BOOLEANS = _names(
    """
    allowPrivilegeEscalation automountServiceAccountToken chapAuthDiscovery chapAuthSession
    enableServiceLinks hostIPC hostNetwork hostPID hostProcess hostUsers optional privileged readOnly
    readOnlyRootFilesystem runAsNonRoot setHostnameAsFQDN shareProcessNamespace sslEnabled stdin
    stdinOnce tty
    """
)
INTEGERS_OR_STRINGS = frozenset({"port", "mode", "user"})
"""``port`` takes both; ``mode`` and ``user`` take one or the other, depending on the object they are in."""

QUANTITIES = _names("divisor sizeLimit")
QUANTITY_MAPS = _names("limits overhead requests")
"""Maps of strings whose values are quantities."""

STRING_LISTS = _names(
    """
    accessModes add args bindMountOptions command drop finalizers hostnames matchLabelKeys
    mismatchLabelKeys monitors nameservers namespaces portals searches targetWWNs values wwids
    """
)
INTEGER_LISTS = frozenset({"supplementalGroups"})
OBJECT_LISTS = _names(
    """
    claims containers env envFrom evictionResponders hostAliases httpHeaders imagePullSecrets
    initContainers items matchExpressions matchFields nodeSelectorTerms ports
    preferredDuringSchedulingIgnoredDuringExecution readinessGates resizePolicy resourceClaims
    restartPolicyRules schedulingGates sources sysctls tolerations topologySpreadConstraints
    volumeDevices volumeMounts volumes
    """
)
OBJECTS = STRING_MAPS | _names(
    """
    affinity appArmorProfile awsElasticBlockStore azureDisk azureFile capabilities cephfs cinder
    clusterTrustBundle configMap configMapKeyRef configMapRef csi dataSource dataSourceRef dnsConfig
    downwardAPI emptyDir ephemeral exec exitCodes fc fieldRef fileKeyRef flexVolume flocker
    gcePersistentDisk gitRepo glusterfs grpc hostPath httpGet iscsi labelSelector lifecycle
    livenessProbe metadata namespaceSelector nfs nodeAffinity nodePublishSecretRef os
    persistentVolumeClaim photonPersistentDisk podAffinity podAffinityTerm podAntiAffinity
    podCertificate portworxVolume postStart preStop preference projected quobyte rbd readinessProbe
    requiredDuringSchedulingIgnoredDuringExecution resourceFieldRef resources scaleIO schedulingGroup
    seLinuxOptions seccompProfile secret secretKeyRef secretRef securityContext selector
    serviceAccountToken sleep spec startupProbe storageos tcpSocket valueFrom volumeClaimTemplate
    vsphereVolume windowsOptions
    """
)

_LISTS = STRING_LISTS | INTEGER_LISTS | OBJECT_LISTS
_IMAGES = frozenset({("spec", container, "image") for container in CONTAINER_LISTS})
_VOLUME_IMAGE = ("spec", "volumes", "image", "reference")


_SECRETS: Final[dict[tuple[str, ...], Literal["name", "key"]]] = {
    ("spec", "volumes", "secret", "secretName"): "name",
    ("spec", "volumes", "secret", "items", "key"): "key",
    ("spec", "volumes", "projected", "sources", "secret", "name"): "name",
    ("spec", "volumes", "projected", "sources", "secret", "items", "key"): "key",
}
_SECRETS_IN_CONTAINERS: Final[dict[tuple[str, ...], Literal["name", "key"]]] = {
    ("env", "valueFrom", "secretKeyRef", "name"): "name",
    ("env", "valueFrom", "secretKeyRef", "key"): "key",
}

_PULL_SECRET: Final = ("spec", "imagePullSecrets", "name")
_SECRET_OF_VARIABLES: Final = ("envFrom", "secretRef", "name")


def field_spec(path: Path) -> FieldSpec:
    """Return the specification of the field at a path of a PodTemplateSpec."""
    names = tuple(part for part in path if isinstance(part, str))
    is_item = isinstance(path[-1], int)
    keyed = next((name for name in names[:-1] if name in STRING_MAPS), None)
    if keyed is not None:
        # The last name is a key that the template owner chose, even if a field has the same name.
        type_ = FieldType.QUANTITY if keyed in QUANTITY_MAPS else FieldType.STRING
        return FieldSpec(type_, guarded=is_guarded(path), takes_name=takes_name(path))
    return FieldSpec(
        _type(names[-1], is_item=is_item),
        kubelet=is_expanded_by_kubelet(names),
        guarded=is_guarded(path),
        image=names in _IMAGES or names == _VOLUME_IMAGE,
        is_item=is_item,
        secret=_secret_part(names),
        whole_secret=names == _PULL_SECRET or in_container(names) == _SECRET_OF_VARIABLES,
    )


def _secret_part(names: tuple[str, ...]) -> Literal["name", "key"] | None:
    inside = in_container(names)
    return _SECRETS.get(names) if inside is None else _SECRETS_IN_CONTAINERS.get(inside)


def holds_strings(names: tuple[str, ...]) -> bool:
    """Whether the path leads to an item of a list of strings or to a member of a map of strings."""
    return names[-1] in STRING_LISTS or (len(names) > 1 and names[-2] in STRING_MAPS)


def _type(name: str, *, is_item: bool) -> FieldType:
    if name in _LISTS:
        if not is_item:
            return FieldType.LIST
        if name in OBJECT_LISTS:
            return FieldType.OBJECT
        return FieldType.INTEGER if name in INTEGER_LISTS else FieldType.STRING
    if name in OBJECTS:
        return FieldType.OBJECT
    if name in INTEGERS:
        return FieldType.INTEGER
    if name in BOOLEANS:
        return FieldType.BOOLEAN
    if name in QUANTITIES:
        return FieldType.QUANTITY
    return FieldType.INTEGER_OR_STRING if name in INTEGERS_OR_STRINGS else FieldType.STRING
