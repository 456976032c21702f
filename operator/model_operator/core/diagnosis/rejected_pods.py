"""Who must act when the API server rejects the pods of a Deployment."""

from __future__ import annotations

from typing import NamedTuple

from model_operator.api import Actor
from model_operator.core.diagnosis.cause import Diagnosis, failure
from model_operator.core.diagnosis.foreign_messages import QuotaUse, Refuser, rejection
from model_operator.core.reasons.reasons import Advice, Reason

_ADVICE = {
    # The actor of a quota is the same whether it stops a pod or another object.
    Refuser.QUOTA: Reason.QuotaExceeded.value.advice,
    Refuser.QUOTA_SCOPE: Advice(
        Actor.TEMPLATE_OWNER,
        "set the named requests and limits on each container in pod_template; retried automatically.",
    ),
    Refuser.POD_SECURITY: Advice(
        Actor.TEMPLATE_OWNER,
        "fix securityContext in pod_template, or have the namespace's Pod Security level changed; retried "
        "automatically.",
    ),
    Refuser.LIMIT_RANGE: Advice(
        Actor.TEMPLATE_OWNER,
        "set cpus, memory, storage and the resources in pod_template to what the LimitRange of the "
        "namespace allows; retried automatically.",
    ),
    Refuser.SERVICE_ACCOUNT: Advice(
        Actor.TEMPLATE_OWNER,
        "create the ServiceAccount in the instance's namespace, or fix serviceAccountName in pod_template; "
        "retried automatically.",
    ),
    Refuser.PRIORITY_CLASS: Advice(
        Actor.TEMPLATE_OWNER,
        "fix priorityClassName in pod_template or high_priority, or have the PriorityClass created; retried "
        "automatically.",
    ),
    Refuser.RUNTIME_CLASS: Advice(
        Actor.TEMPLATE_OWNER,
        "fix runtimeClassName in pod_template, or have the RuntimeClass created; retried automatically.",
    ),
    Refuser.POLICY: Advice(
        Actor.TEMPLATE_OWNER,
        "change pod_template as the named policy demands, or have the policy changed; retried automatically.",
    ),
    Refuser.WEBHOOK_DOWN: Advice(
        Actor.CLUSTER, "repair the named webhook, or remove its configuration; retried automatically."
    ),
    Refuser.INVALID: Advice(Actor.TEMPLATE_OWNER, "fix the named field in pod_template."),
}

_PERMANENT = frozenset(Refuser) - {Refuser.QUOTA, Refuser.WEBHOOK_DOWN, Refuser.OTHER}
"""Who rejects pods however long one waits: not for what others use, nor for what is down."""


class RejectedPods(NamedTuple):
    """Why pods are rejected.

    Attributes
    ----------
    diagnosis
        The cause.
    quota
        What a ResourceQuota has too little of, if it is the cause.
    """

    diagnosis: Diagnosis
    quota: tuple[tuple[str, QuotaUse], ...]


def explain_rejection(message: str) -> RejectedPods:
    """Return why the API server rejects the pods of a Deployment.

    Parameters
    ----------
    message
        That of the Deployment's condition ``ReplicaFailure``.
    """
    found = rejection(message)
    advice, is_permanent = _ADVICE.get(found.refuser), found.refuser in _PERMANENT
    cause = failure(Reason.PodsRejected, f"pods are rejected: {message}", advice, is_permanent=is_permanent)
    return RejectedPods(cause, found.uses)
