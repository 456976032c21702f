"""Keys of callers: tokens of ServiceAccounts, for the gateway's audience alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from tests.cluster.kube_api import KubeApi

AUDIENCE = "modeloperator.dev"
API_SERVER = ""
"""The audience of the API server, whatever its name is."""


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


def person_token(api: KubeApi, role: str = "admin", name: str = "author") -> str:
    """Create a ServiceAccount with a role of its namespace, and return a token for the API server.

    Parameters
    ----------
    api
        Of the namespace.
    role
        One of the built-in ClusterRoles ``view``, ``edit`` and ``admin``.
    name
        Name of the ServiceAccount.
    """
    api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
    bind_role(api, name, api.namespace, role)
    return token_of(api, name, API_SERVER)


def bind_role(api: KubeApi, name: str, namespace: str, role: str) -> None:
    """Give a ServiceAccount of a namespace a role in the client's namespace, and wait until it has it.

    Parameters
    ----------
    api
        Of the namespace of the models.
    name, namespace
        The ServiceAccount.
    role
        One of the built-in ClusterRoles ``view``, ``edit`` and ``admin``.
    """
    rbac = "rbac.authorization.k8s.io"
    api.apply(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"{namespace}-{name}"},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }
    )
    user = f"system:serviceaccount:{namespace}:{name}"
    verb = "list" if role == "view" else "create"
    group = "modeloperator.dev"
    wait_for(lambda: api.is_allowed(user, verb, "modelinstances", group=group), 30, f"{name} has its role")


def token_of(api: KubeApi, name: str, audience: str = AUDIENCE) -> str:
    """Return a token of a ServiceAccount for one audience, or for the API server's own."""
    answer = api.request(
        "POST",
        f"/api/v1/namespaces/{api.namespace}/serviceaccounts/{name}/token",
        body={
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience] if audience else [], "expirationSeconds": 3600},
        },
    )
    return str(answer["status"]["token"])
