"""Stands in for the metrics that autoscalers ask for: a pod behind APIServices; the test decides the load."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from model_operator.controller.webhooks.issuing import issue_authority, issue_serving
from tests.cluster.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.kube_api import KubeApi, Object

NAME = "metrics-stub"
SCRIPT = Path(__file__).parent / "pod" / "metrics_server.py"
PORT = 6443
GROUPS = {"metrics.k8s.io": "v1beta1", "custom.metrics.k8s.io": "v1beta2"}
AVAILABLE_SECONDS = 120.0


class MetricsStub:
    """The stub in a namespace.

    Parameters
    ----------
    api
        A client for the namespace.
    """

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    def set_load(self, **thousandths: int) -> None:
        """Have all workers of a model together carry a load: ``cpu`` in millicores, others in thousandths."""
        data = {name: str(value) for name, value in thousandths.items()}
        self._api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "load"}, "data": data})


@contextmanager
def metrics_stub(api: KubeApi, image: str) -> Iterator[MetricsStub]:
    """Have a stub serve metrics for pods of the namespace of `api`, from an image with Python."""
    stub = MetricsStub(api)
    stub.set_load(cpu=0)
    for obj in _objects(api.namespace, image):
        api.apply(obj)
    services = list(_api_services(api.namespace))
    try:
        for obj in services:
            api.apply(obj)
        for obj in services:
            api.wait_for_condition(
                "APIService", obj["metadata"]["name"], "Available", deadline=AVAILABLE_SECONDS
            )
        yield stub
    finally:
        # First: with one that nobody answers for, namespaces are not deleted.
        for obj in services:
            api.delete("APIService", obj["metadata"]["name"])
        wait_for(lambda: not taken(api), message="the APIServices are gone")


def taken(api: KubeApi) -> list[str]:
    """Give the groups of metrics that the cluster serves itself."""
    names = {obj["metadata"]["name"].partition(".")[2] for obj in api.list("APIService")}
    return sorted(names & set(GROUPS))


def _objects(namespace: str, image: str) -> Iterator[Object]:
    metadata = {"name": NAME}
    group = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [""], "resources": ["pods", "configmaps"], "verbs": ["get", "list"]}]
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    yield {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules}
    yield {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
    }
    yield {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "stringData": {"tls.pem": _certificate(namespace)},
    }
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {SCRIPT.name: SCRIPT.read_text()},
    }
    yield {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata | {"labels": {"app": NAME}},
        "spec": _pod(image),
    }
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": {"app": NAME}, "ports": [{"port": 443, "targetPort": PORT}]},
    }


def _pod(image: str) -> dict[str, Any]:
    container = {
        "name": NAME,
        "image": image,
        "command": ["python", f"/scripts/{SCRIPT.name}"],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "scripts", "mountPath": "/scripts"},
            {"name": "certificate", "mountPath": "/certificate"},
        ],
    }
    return {
        "serviceAccountName": NAME,
        "containers": [container],
        "volumes": [
            {"name": "scripts", "configMap": {"name": NAME}},
            {"name": "certificate", "secret": {"secretName": NAME}},
        ],
        "terminationGracePeriodSeconds": 0,
    }


def _api_services(namespace: str) -> Iterator[Object]:
    for group, version in GROUPS.items():
        yield {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{version}.{group}"},
            "spec": {
                "group": group,
                "version": version,
                "service": {"name": NAME, "namespace": namespace},
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        }


def _certificate(namespace: str) -> str:
    now = datetime.now(UTC)
    pair = issue_serving(issue_authority(now), [f"{NAME}.{namespace}.svc"], now)
    key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (pair.certificate.public_bytes(Encoding.PEM) + key).decode()
