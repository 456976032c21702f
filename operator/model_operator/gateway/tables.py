"""The gateway's view of the cluster: registered models, and the workers of each deployment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from model_operator.core.gateway.balancing import Limits, Workers
from model_operator.core.gateway.endpoints import EndpointTable, Key
from model_operator.core.gateway.model_catalog import Catalog
from model_operator.core.gateway.models import Deployment
from model_operator.gateway.metrics.scraped import EndpointCounts


class Tables:
    """Catalog and workers, which the informers fill.

    Parameters
    ----------
    now
        Seconds from any start.
    limits
        Bounds for each deployment.
    """

    def __init__(self, now: Callable[[], float], limits: Limits) -> None:
        self._now = now
        self._limits = limits
        self.catalog = Catalog()
        self._endpoints = EndpointTable()
        self._workers: defaultdict[Key, dict[str, Workers]] = defaultdict(dict)

    def workers_of(self, deployment: Deployment) -> Workers:
        """Return the workers of a deployment; none of them when it has no ready one."""
        namespace, name, port = deployment.key
        workers = self._workers.get((namespace, name), {}).get(port)
        if workers is None:
            workers = Workers(self._now, self._limits)
            addresses = self._endpoints.addresses((namespace, name), port)
            workers.update(addresses)
            # Without an address nothing would remove them when the model is deleted.
            if addresses:
                self._workers[namespace, name][port] = workers
        return workers

    def is_ready(self, deployment: Deployment) -> bool:
        """Return whether a deployment has a ready worker."""
        return len(self.workers_of(deployment)) > 0

    def counts(self) -> Iterator[EndpointCounts]:
        """Yield the workers of each registered deployment."""
        for model in self.catalog:
            for deployment in model.deployments:
                workers = self.workers_of(deployment)
                yield EndpointCounts(model.id, len(workers) - workers.ejected, workers.ejected)

    def put_instance(self, instance: Mapping[str, Any]) -> None:
        """Take the newest version of an instance."""
        self.catalog.put(instance)

    def remove_instance(self, namespace: str, name: str, _version: int = 0) -> None:
        """Forget an instance; the watch alone fills the table, so that no newer one can be there."""
        self.catalog.remove(namespace, name)

    def put_slice(self, endpoint_slice: Mapping[str, Any]) -> None:
        """Take the newest version of an EndpointSlice."""
        self._update(self._endpoints.put(endpoint_slice))

    def remove_slice(self, namespace: str, name: str, _version: int = 0) -> None:
        """Forget an EndpointSlice; the watch alone fills the table, so that no newer one can be there."""
        self._update(self._endpoints.remove(namespace, name))

    def _update(self, changed: set[Key]) -> None:
        for key in changed:
            ports = self._workers.get(key, {})
            for port, workers in list(ports.items()):
                workers.update(self._endpoints.addresses(key, port))
                if not len(workers) and not workers.in_flight:
                    del ports[port]
            if not ports:
                self._workers.pop(key, None)
