"""The children of one deployment of an instance, as they are desired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from model_operator.core.rendering.desired_child import DesiredChild
from model_operator.core.rendering.serving import Serving


@dataclass(frozen=True, slots=True)
class RenderedDeployment:
    """The children of one deployment entry.

    Attributes
    ----------
    entry
        Name of the entry of ``spec.deployments``; None for the implied entry of an instance without it.
    name
        Name of all children.
    workers
        Number of workers; with an autoscaler, the minimum.
    deployment, service, disruption_budget, autoscaler
        The children. A model that pulls its work has no Service, and one with at most one worker no
        PodDisruptionBudget. With an autoscaler, also an external one, the Deployment has no
        ``spec.replicas``.
    url
        URL of the Service inside the cluster; None without a Service.
    port_name
        Name of the served port in the pods; None if the model serves none.
    call
        How the workers are called over HTTP; None if the gateway cannot call them.
    own_revision
        Hash of the revision of the template that it is rendered from, if the entry names it; None if it has
        that of the instance.
    """

    entry: str | None
    name: str
    workers: int
    deployment: DesiredChild
    service: DesiredChild | None
    disruption_budget: DesiredChild | None
    autoscaler: DesiredChild | None
    url: str | None
    port_name: str | None = None
    call: Serving | None = None
    own_revision: str | None = None

    @property
    def serving(self) -> dict[str, Any] | None:
        """How the workers are called, as ``status.deployments[].serving``."""
        return None if self.call is None else self.call.entry(self.deployment.manifest["spec"]["template"])

    @property
    def children(self) -> list[DesiredChild]:
        """The children in the order in which they are applied.

        The Service is first: if its name is taken, no worker starts. For a new instance both are created at
        once (`core/planning/first_creation.py`). The autoscaler is last: its Deployment exists, and
        the handover of the number of workers is complete.
        """
        children = (self.service, self.deployment, self.disruption_budget, self.autoscaler)
        return [child for child in children if child is not None]
