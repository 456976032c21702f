"""The settings of rendering, which apply to all models of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

_OBJECT_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_ENV_NAME = r"^[-._a-zA-Z][-._a-zA-Z0-9]{0,252}$"
_QUANTITY = r"^([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE])?$|^$"
_DOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"


@dataclass(frozen=True)
class Toleration:
    """A toleration of pods of models, with the fields of Kubernetes' Toleration."""

    # A misspelled field of a setting must be an error.
    __pydantic_config__ = ConfigDict(extra="forbid")

    key: str | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    tolerationSeconds: int | None = None  # noqa: N815 -- Kubernetes' own name

    def to_dict(self) -> dict[str, Any]:
        """Return the toleration in the form of a pod's manifest."""
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class CaBundle:
    """Where the certificate authorities come from that containers of models trust.

    Attributes
    ----------
    config_map, secret
        Name of the ConfigMap or the Secret with the bundle, in the namespace of each instance; exactly one.
    key
        Its key, with certificates in PEM form.
    """

    # A misspelled field of a setting must be an error.
    __pydantic_config__ = ConfigDict(extra="forbid")

    config_map: Annotated[str, Field(pattern=_OBJECT_NAME, max_length=253)] | None = None
    secret: Annotated[str, Field(pattern=_OBJECT_NAME, max_length=253)] | None = None
    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)] = "ca.crt"

    def __post_init__(self) -> None:
        """Check that exactly one object is named."""
        if (self.config_map is None) == (self.secret is None):
            raise ValueError("give exactly one of config_map and secret: the object that has the bundle")


GPU_RESOURCE: Final = "nvidia.com/gpu"
"""Resource that a pod with a GPU requests, unless a setting names another."""

GPU_RESOURCE_PATTERNS: Final = (
    "nvidia.com/*",
    "amd.com/gpu",
    "google.com/tpu",
    "gpu.intel.com/*",
    "habana.ai/gaudi",
    "aws.amazon.com/neuron*",
)
"""The resources of the common device plugins for accelerators."""

_RESOURCE_NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"


@dataclass(frozen=True)
class Accelerator:
    """How pods request one accelerator type; every field has a default.

    Attributes
    ----------
    resource
        Extended resource that a pod requests, such as ``amd.com/gpu``, ``google.com/tpu`` or
        ``nvidia.com/mig-1g.5gb``. Default: the setting ``gpu_resource``.
    node_labels
        Labels of the nodes with the accelerator. Default: ``gpu_node_label`` with the value from
        ``gpu_node_values``, or the type. An empty mapping selects no nodes.
    tolerations
        Tolerations of the pods, beside those of all pods with a GPU.
    """

    # A misspelled field of a setting must be an error.
    __pydantic_config__ = ConfigDict(extra="forbid")

    resource: Annotated[str, Field(pattern=_RESOURCE_NAME, max_length=317)] | None = None
    node_labels: Mapping[str, str] | None = None
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """The settings of rendering.

    Attributes
    ----------
    gpu_node_label
        Label of nodes with the type of their accelerator, used as node selector of pods with a GPU. Empty if
        nodes have no such label.
    gpu_node_values
        Values of that label by ``gpu_type``, where they differ from the type.
    gpu_resource
        Resource that pods with a GPU request, unless their type is in ``accelerators`` with another.
    gpu_resource_patterns
        Patterns (``*``, ``?``) of resources that make a pod one with a GPU if a template requests them in its
        ``pod_template``, beside those that the other settings name.
    accelerators
        Node labels, resources and tolerations by ``gpu_type``, where they differ from those that the other
        settings give.
    high_priority_class, default_priority_class
        PriorityClass of pods with ``high_priority: true`` in their template, and of all other pods. With
        None the pod template and the cluster decide.
    tolerations, gpu_tolerations
        Tolerations added to all pods, and to pods with a GPU, which always tolerate the taint named like
        their resource; those with any resource of ``nvidia.com`` tolerate ``nvidia.com/gpu``.
    run_as_non_root
        Whether pods must not run as root, unless their pod template allows it. Common images run as root.
    max_workers_per_instance
        Maximum total of ``max_workers`` over all deployments of an instance.
    default_cpus, default_memory, default_storage
        Requests and limits of the container of a model whose template does not set them; empty for none.
    drain_seconds
        Seconds that the containers of a model with a Service sleep before they get SIGTERM; 0 for none.
    termination_grace_period_seconds
        Seconds after which a worker that drains is killed, the sleep included.
    env
        Environment variables of all containers, by name.
    http_proxy, https_proxy, no_proxy
        Proxy of all containers; empty for none.
    ca_bundle
        Certificate authorities that all containers trust, in place of those of their images; None for none.
    free_metadata_domains
        Domains, with their subdomains, of labels and annotations on which no component of the cluster acts.
        In their values templates may use any parameter, also without ``enum``.
    """

    gpu_node_label: str = "k8s.amazonaws.com/accelerator"
    gpu_node_values: Mapping[str, str] = field(default_factory=dict)
    gpu_resource: Annotated[str, Field(pattern=_RESOURCE_NAME, max_length=317)] = GPU_RESOURCE
    gpu_resource_patterns: tuple[str, ...] = GPU_RESOURCE_PATTERNS
    accelerators: Mapping[str, Accelerator] = field(default_factory=dict)
    high_priority_class: str | None = None
    default_priority_class: str | None = None
    tolerations: tuple[Toleration, ...] = ()
    gpu_tolerations: tuple[Toleration, ...] = ()
    run_as_non_root: bool = False
    max_workers_per_instance: Annotated[int, Field(ge=1, le=5000)] = 250
    default_cpus: Annotated[str, Field(pattern=_QUANTITY, max_length=32)] = "3"
    default_memory: Annotated[str, Field(pattern=_QUANTITY, max_length=32)] = "8Gi"
    default_storage: Annotated[str, Field(pattern=_QUANTITY, max_length=32)] = "16Gi"
    drain_seconds: Annotated[int, Field(ge=0, le=3600)] = 5
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=86400)] = 35
    env: Mapping[Annotated[str, Field(pattern=_ENV_NAME)], str] = field(default_factory=dict)
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""
    ca_bundle: CaBundle | None = None
    free_metadata_domains: tuple[Annotated[str, Field(pattern=_DOMAIN, max_length=253)], ...] = ()

    @property
    def gpu_resources(self) -> frozenset[str]:
        """The resources that are accelerators."""
        mapped = {each.resource for each in self.accelerators.values() if each.resource is not None}
        return frozenset({GPU_RESOURCE, self.gpu_resource, *mapped})

    def is_gpu_resource(self, name: str) -> bool:
        """Whether a pod that requests the resource is one with a GPU."""
        return _is_like(name, self.gpu_resource_patterns) or name in self.gpu_resources


@lru_cache(maxsize=1024)
def _is_like(name: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a name matches one of the patterns; pods request few resources again and again."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
