"""How many workers a deployment of a model may have: the template's numbers, the entry's, or a pinned one."""

from __future__ import annotations

from dataclasses import dataclass

from model_operator.api import DeploymentVendorConfiguration, EndpointConfig


@dataclass(frozen=True, slots=True)
class Workers:
    """Bounds of the number of workers.

    Attributes
    ----------
    least, most
        Workers without load and at full load.
    per_worker
        What one worker is to carry of the metric that the autoscaler measures.
    """

    least: int
    most: int
    per_worker: int

    @property
    def is_autoscaled(self) -> bool:
        """Whether the number is an autoscaler's to choose."""
        return self.most > self.least


def workers_of(
    endpoint: EndpointConfig, own: DeploymentVendorConfiguration | None, pinned: int | None = None
) -> Workers:
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
    least, most, per_worker = endpoint.min_workers, endpoint.max_workers, endpoint.per_worker
    if own is not None:
        least = least if own.min_workers is None else own.min_workers
        most = most if own.max_workers is None else own.max_workers
        per_worker = per_worker if own.per_worker is None else own.per_worker
    if pinned is not None:
        least = most = pinned
    return Workers(least, least if most is None else most, per_worker)
