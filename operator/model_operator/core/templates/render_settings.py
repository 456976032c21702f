"""What a cluster's operator decides on for all models: the settings of rendering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field


@dataclass(frozen=True)
class Toleration:
    """A taint of nodes that pods of models put up with: Kubernetes' Toleration, field by field."""

    # A typing error in a setting must not go unnoticed.
    __pydantic_config__ = ConfigDict(extra="forbid")

    key: str | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    tolerationSeconds: int | None = None  # noqa: N815 -- Kubernetes' own name

    def to_dict(self) -> dict[str, Any]:
        """Return the toleration as a pod has it."""
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """The cluster's conventions that rendering follows.

    Attributes
    ----------
    gpu_node_label
        Label by which nodes say what accelerator they have: it becomes a node selector of pods with a GPU.
        Empty where nodes have none.
    gpu_node_values
        ``gpu_type`` to the value of that label, where it is another one than the type itself.
    high_priority_class, default_priority_class
        PriorityClass of pods whose template says ``high_priority: true``, and of all others. None leaves it
        to the pod template and the cluster.
    tolerations, gpu_tolerations
        Added to those of all pods, and of pods with a GPU; the latter tolerate ``nvidia.com/gpu`` anyway.
    run_as_non_root
        Whether pods refuse to run as root unless their pod template says otherwise. Common images run as
        root.
    max_workers_per_instance
        Workers that one instance may have at most, summed over its deployments at full load.
    """

    gpu_node_label: str = "k8s.amazonaws.com/accelerator"
    gpu_node_values: Mapping[str, str] = field(default_factory=dict)
    high_priority_class: str | None = None
    default_priority_class: str | None = None
    tolerations: tuple[Toleration, ...] = ()
    gpu_tolerations: tuple[Toleration, ...] = ()
    run_as_non_root: bool = False
    max_workers_per_instance: Annotated[int, Field(ge=1, le=5000)] = 250
