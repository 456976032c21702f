"""The number of workers: the bounds of a deployment, and the maximum total of an instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model_operator.api import (
    Autoscaler,
    DeploymentVendorConfiguration,
    EndpointConfig,
    InstanceDeployment,
    ModelInstanceSpec,
)
from model_operator.core.values.violations import Loc, Violation
from model_operator.core.values.words import plural


@dataclass(frozen=True, slots=True)
class WorkerBounds:
    """Bounds of the number of workers.

    Attributes
    ----------
    min_workers, max_workers
        Minimum and maximum number of workers.
    per_worker
        Target value of the autoscaler's metric for each worker.
    is_external
        Whether an autoscaler that is not ours sets the number of workers.
    """

    min_workers: int
    max_workers: int
    per_worker: int
    is_external: bool = False

    @property
    def is_autoscaled(self) -> bool:
        """Whether our autoscaler sets the number of workers."""
        return self.max_workers > self.min_workers and not self.is_external

    @property
    def may_be_several(self) -> bool:
        """Whether there may be two workers or more; the maximum of an external autoscaler is not known."""
        return self.max_workers > 1 or self.is_external

    @property
    def least(self) -> int:
        """The number below which the operator raises the workers at any time; 0 for never."""
        return 0 if self.is_external else self.min_workers

    @property
    def first(self) -> int:
        """The number with which an autoscaler begins, when the operator has set the number until then."""
        # Our autoscaler takes no notice of a Deployment that another manager has set to zero.
        return max(self.min_workers, 1) if self.is_autoscaled else self.min_workers


NO_WORKERS = WorkerBounds(0, 0, 1)
"""The bounds of a suspended deployment."""

Overrides = Sequence[DeploymentVendorConfiguration | None]
"""The worker settings of an instance and of one entry of its ``deployments``; later ones override earlier."""


def overrides(spec: ModelInstanceSpec, entry: InstanceDeployment | None) -> Overrides:
    """Return what overrides the worker settings of the template, for one deployment.

    Parameters
    ----------
    spec
        ``spec`` of the instance.
    entry
        The entry of ``spec.deployments``; None for the implied entry.
    """
    return (spec.vendor_configuration, entry.vendor_configuration if entry else None)


def worker_bounds(endpoint: EndpointConfig, given: Overrides, pinned: int | None = None) -> WorkerBounds:
    """Return the bounds for one deployment.

    Parameters
    ----------
    endpoint
        The template's settings. The default of ``max_workers`` is ``min_workers``.
    given
        The settings that override those of the template.
    pinned
        ``spec.replicas`` of the instance, which fixes the number.
    """
    min_workers, max_workers, per_worker = endpoint.min_workers, endpoint.max_workers, endpoint.per_worker
    autoscaler = endpoint.autoscaler
    for own in given:
        if own is not None:
            min_workers = min_workers if own.min_workers is None else own.min_workers
            max_workers = max_workers if own.max_workers is None else own.max_workers
            per_worker = per_worker if own.per_worker is None else own.per_worker
            autoscaler = autoscaler if own.autoscaler is None else own.autoscaler
    if pinned is not None:
        return WorkerBounds(pinned, pinned, per_worker)
    most = min_workers if max_workers is None else max_workers
    return WorkerBounds(min_workers, most, per_worker, autoscaler is Autoscaler.EXTERNAL)


def stated_workers(spec: ModelInstanceSpec) -> int:
    """Return the maximum number of workers that an instance itself requests, without its template."""
    if spec.replicas is not None:
        return spec.replicas
    entries = [None] if spec.deployments is None else spec.deployments
    return sum(_stated(overrides(spec, entry)) for entry in entries)


def _stated(given: Overrides) -> int:
    least = most = None
    for own in given:
        if own is not None:
            least = least if own.min_workers is None else own.min_workers
            most = most if own.max_workers is None else own.max_workers
    return (least or 0) if most is None else most


def excess_workers(spec: ModelInstanceSpec, total: int, bound: int) -> tuple[Violation, ...]:
    """Return the violation of an instance whose total number of workers exceeds the maximum.

    Parameters
    ----------
    spec
        ``spec`` of the instance.
    total
        Total of ``max_workers`` over its deployments.
    bound
        The setting ``max_workers_per_instance``.

    Returns
    -------
    tuple of Violation
        ``too_many_workers``; empty if the total is within the maximum.
    """
    if total <= bound:
        return ()
    loc: Loc = ("spec", "replicas")
    lower = "set fewer replicas"
    if spec.deployments is not None:
        loc, lower = ("spec", "deployments"), "lower max_workers or min_workers of some"
    elif spec.replicas is None and spec.vendor_configuration is not None:
        loc, lower = ("spec", "vendor_configuration"), "lower max_workers or min_workers"
    message = (
        f"must have at most {plural(bound, 'worker')} in total over all deployments, each at its maximum, "
        f"got {total}; {lower}, or ask the operator administrator to raise the setting "
        "MODEL_OPERATOR_RENDERING__MAX_WORKERS_PER_INSTANCE"
    )
    return (Violation(loc, message, "too_many_workers"),)
