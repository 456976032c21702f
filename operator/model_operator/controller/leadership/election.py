"""Whether the settings enable leader election, and with which Lease."""

from __future__ import annotations

from model_operator.controller.leadership.lease import Lease
from model_operator.core.leader_election import Timing
from model_operator.kube.client import ApiClient
from model_operator.kube.errors import ApiError, StartupError
from model_operator.kube.kubeconfig import is_pods_own
from model_operator.kube.namespace import own_namespace
from model_operator.kube.resources import LEASES
from model_operator.settings import LeaderElection, OperatorSettings


def _elects(settings: OperatorSettings) -> bool:
    if settings.leader_election is LeaderElection.AUTO:
        return is_pods_own(settings.kubeconfig, settings.context)
    return settings.leader_election is LeaderElection.ON


def undelivered_seconds(settings: OperatorSettings) -> float | None:
    """Return how long the kernel may hold a write, so that none arrives after the Lease has expired."""
    if not _elects(settings):
        return None
    return settings.lease.duration_seconds - settings.lease.renew_deadline_seconds


async def lease_of(settings: OperatorSettings, client: ApiClient) -> Lease | None:
    """Return the Lease of leader election; None when leader election is off."""
    if not _elects(settings):
        return None
    wanted = settings.lease
    namespace = own_namespace(wanted.namespace)
    await check_lease(client, namespace, wanted.name)
    timing = Timing(wanted.duration_seconds, wanted.renew_deadline_seconds, wanted.retry_period_seconds)
    return Lease(client, namespace, wanted.name, timing)


async def check_lease(client: ApiClient, namespace: str, name: str) -> None:
    """Check the permissions that leader election needs.

    Raises
    ------
    StartupError
        When a permission is missing.
    """
    # RBAC cannot restrict `create` to a name. Without `watch`, a released Lease is only noticed later.
    questions = [("get", name), ("update", name), ("create", "")]
    for verb, named in questions:
        try:
            is_allowed = await client.is_allowed(verb, LEASES, namespace, name=named)
        except ApiError as error:
            raise StartupError(f"cannot check permissions: {error}") from error
        if not is_allowed:
            raise StartupError(
                f"permission missing: {verb} {LEASES} in namespace {namespace}, which leader election needs; "
                "grant it, or set MODEL_OPERATOR_LEADER_ELECTION=off and run a single replica"
            )
