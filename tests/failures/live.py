"""A failure of the catalogue on a cluster: brought about, and seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.waiting import wait_for
from tests.failures.catalog import INSTANCE, Failure, Snapshot

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi, Object

OWN_PODS = f"modeloperator.dev/instance={INSTANCE}"


def bring_about(failure: Failure, api: KubeApi) -> None:
    """Apply a failing template and its instance in the namespace of `api`, which exists."""
    if failure.namespace_labels:
        api.patch("Namespace", api.namespace, {"metadata": {"labels": failure.namespace_labels}})
    for obj in (*failure.objects, failure.template(), failure.instance()):
        api.apply(obj)


def wait_until_complete(failure: Failure, api: KubeApi, deadline: float) -> Snapshot:
    """Wait until the cluster shows the failure in full, and give what it shows."""

    def complete() -> Snapshot | None:
        deployment = api.find("Deployment", INSTANCE)
        if deployment is None or "observedGeneration" not in deployment.get("status", {}):
            return None
        seen = Snapshot(
            deployment, api.list("Pod", labels=OWN_PODS), _events(api), api.list("PersistentVolumeClaim")
        )
        return seen if failure.complete(seen) else None

    return wait_for(complete, deadline, f"{api.namespace} shows the failure in full")


def _events(api: KubeApi) -> list[Object]:
    return sorted(api.list("Event"), key=lambda event: str(event["metadata"]["creationTimestamp"]))
