"""Creating the Service and the Deployment of a new instance at once: when, and what was created in vain.

Both requests take about as long as one. So a Deployment may exist before it is known whether its Service
can. If the name of that is taken, the Deployment is taken back, and no worker runs without a Service.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model_operator.api import UNOBSERVED, ModelInstance
from model_operator.core.objects.drift import APPLIED_HASH
from model_operator.core.objects.ownership import Ownership, classify
from model_operator.core.reasons.reasons import Reason
from model_operator.core.reasons.refusals import Failure


def is_new(instance: ModelInstance) -> bool:
    """Return whether no status of an instance was ever written.

    One whose Service cannot be created has a status that says so; then its Deployment waits for the Service.
    """
    return instance.status.observedGeneration == UNOBSERVED


def needs_service(failure: Failure) -> bool:
    """Return whether a Deployment waits for its Service, whose creation has failed.

    After a failure that may be over by the next attempt it stays: it is the desired one.
    """
    return failure.reason is not Reason.Deploying


def is_untouched(instance: ModelInstance, deployment: Mapping[str, Any]) -> bool:
    """Return whether a live Deployment belongs to an instance, and its spec is that of its creation.

    Parameters
    ----------
    instance
        The instance.
    deployment
        The Deployment as the API server has it. Its status does not count.
    """
    metadata = instance.metadata
    owner = classify(deployment, namespace=metadata.namespace, name=metadata.name, uid=metadata.uid)
    return owner is Ownership.OURS and deployment["metadata"].get("generation") == 1


def was_in_vain(instance: ModelInstance, deployment: Mapping[str, Any], service: Mapping[str, Any]) -> bool:
    """Return whether a live Deployment was created in vain, by a process that ended before it took it back.

    Nothing has ever been reported of it, and the foreign Service that has its name is older and was never the
    instance's own: no caller can have reached its workers by that name.

    Parameters
    ----------
    instance
        The instance.
    deployment
        The Deployment as the API server has it.
    service
        The foreign Service of its name.
    """
    if not is_new(instance) or not is_untouched(instance, deployment):
        return False
    if APPLIED_HASH in (service["metadata"].get("annotations") or {}):
        return False
    # The same second, too: the resolution of the timestamps.
    created, taken = (each["metadata"].get("creationTimestamp", "") for each in (deployment, service))
    return bool("" != taken <= created)
