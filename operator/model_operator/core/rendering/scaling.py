"""How many workers a model may have: those of a deployment, and the bound on those of an instance in sum."""

from __future__ import annotations

from dataclasses import dataclass

from model_operator.api import DeploymentVendorConfiguration, EndpointConfig, ModelInstanceSpec
from model_operator.core.values.violations import Loc, Violation


@dataclass(frozen=True, slots=True)
class WorkerBounds:
    """Bounds of the number of workers.

    Attributes
    ----------
    least, most
        Workers without load and at full load.
    per_worker
        What one worker is to carry of the metric that the autoscaler measures.
    """

    min_workers: int
    max_workers: int
    per_worker: int

    @property
    def is_autoscaled(self) -> bool:
        """Whether the number is an autoscaler's to choose."""
        return self.max_workers > self.min_workers


def worker_bounds(
    endpoint: EndpointConfig, own: DeploymentVendorConfiguration | None, pinned: int | None = None
) -> WorkerBounds:
    """Return the bounds for one deployment.

    Parameters
    ----------
    endpoint
        The template's numbers. Without ``max_workers`` it is as many as without load.
    own
        The entry's, in place of those of the template that it gives.
    pinned
        ``spec.replicas`` of the instance, which leaves nothing to choose.
    """
    min_workers, max_workers, per_worker = endpoint.min_workers, endpoint.max_workers, endpoint.per_worker
    if own is not None:
        min_workers = min_workers if own.min_workers is None else own.min_workers
        max_workers = max_workers if own.max_workers is None else own.max_workers
        per_worker = per_worker if own.per_worker is None else own.per_worker
    if pinned is not None:
        min_workers = max_workers = pinned
    return WorkerBounds(min_workers, min_workers if max_workers is None else max_workers, per_worker)


def stated_workers(spec: ModelInstanceSpec) -> int:
    """Return the workers at full load that an instance asks for, whatever its template says."""
    if spec.deployments is None:
        return spec.replicas or 0
    total = 0
    for entry in spec.deployments:
        own = entry.vendor_configuration
        if own is not None:
            total += (own.min_workers or 0) if own.max_workers is None else own.max_workers
    return total


def excess_workers(spec: ModelInstanceSpec, total: int, bound: int) -> tuple[Violation, ...]:
    """Return what is wrong when an instance has more workers in sum than one instance may.

    Parameters
    ----------
    spec
        The instance's.
    total
        Its workers at full load, summed over its deployments.
    bound
        The setting ``max_workers_per_instance``.

    Returns
    -------
    tuple of Violation
        ``too_many_workers``, or nothing.
    """
    if total <= bound:
        return ()
    loc: Loc = ("spec", "replicas" if spec.deployments is None else "deployments")
    lower = "give fewer replicas" if spec.deployments is None else "lower max_workers or min_workers of some"
    message = (
        f"must have at most {bound} workers in sum over all deployments, each at full load, got {total}; "
        f"{lower}, or have the operator's setting RENDERING__MAX_WORKERS_PER_INSTANCE raised"
    )
    return (Violation(loc, message, "too_many_workers"),)
