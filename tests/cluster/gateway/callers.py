"""Keys of callers: tokens of ServiceAccounts, for the gateway's audience alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi

AUDIENCE = "modeloperator.dev"


def executor_key(api: KubeApi, name: str = "caller", *, models: list[str] | None = None) -> str:
    """Create a ServiceAccount that may execute models of its namespace, and return a key of it.

    Parameters
    ----------
    api
        Of the namespace.
    name
        Name of the ServiceAccount.
    models
        The models; None for all.
    """
    api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
    grant(api, name, api.namespace, models=models)
    return token_of(api, name)


def grant(api: KubeApi, name: str, namespace: str, *, models: list[str] | None = None) -> None:
    """Allow a ServiceAccount of a namespace to execute models of the client's namespace.

    Parameters
    ----------
    api
        Of the namespace of the models.
    name, namespace
        The ServiceAccount.
    models
        The models; None for all.
    """
    metadata = {"name": name}
    rule = {"apiGroups": ["modeloperator.dev"], "resources": ["modelinstances/execute"], "verbs": ["create"]}
    if models is not None:
        rule["resourceNames"] = models
    rbac = "rbac.authorization.k8s.io"
    api.apply({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]})
    api.apply(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
    )


def token_of(api: KubeApi, name: str, audience: str = AUDIENCE) -> str:
    """Return a token of a ServiceAccount for one audience."""
    answer = api.request(
        "POST",
        f"/api/v1/namespaces/{api.namespace}/serviceaccounts/{name}/token",
        body={
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": 3600},
        },
    )
    return str(answer["status"]["token"])
