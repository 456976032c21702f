"""As much of an API server as the gateway uses.

It is run as ``python -m benchmarks.gateway.api PORT WORKER_PORT INSTANCES``.

It has ModelInstances as the operator reports them, with an EndpointSlice each; all have the same worker. It
answers reviews, counts every request, and can add a second worker to the model that is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from aiohttp import web

from model_operator.core.parameters.schema import parse_parameter_schema
from model_operator.core.templates.contracts import contracts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAMESPACE = "bench"
NAME = "chat"
SECOND_WORKER = "198.18.0.2"
"""RFC 2544: addresses of benchmarks."""
WORKER = "198.18.0.1"
TOKEN = "bench-token"
USERNAME = "system:serviceaccount:bench:client"
_CREATED = "2026-01-01T00:00:00Z"
_INSTANCES = "/apis/modeloperator.dev/v1alpha1/modelinstances"
_SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
_TEMPLATES = "/apis/modeloperator.dev/v1alpha1/modeltemplates"
_CLUSTER_TEMPLATES = "/apis/modeloperator.dev/v1alpha1/clustermodeltemplates"
_NAMESPACES = "/api/v1/namespaces"
_TEMPLATE_NAME, _TEMPLATE_UID = "chat-server", "00000000-0000-4000-9000-000000000000"
_CONTRACTS = contracts("CHAT_COMPLETION", parse_parameter_schema(None, ()))


def _metadata(name: str, uid: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": uid,
        "resourceVersion": "1",
        "creationTimestamp": _CREATED,
        **fields,
    }


def instance(number: int) -> dict[str, Any]:
    """Give a ModelInstance as the operator reports it; the first is the measured one."""
    name = f"{NAME}-{number}" if number else NAME
    uid = f"00000000-0000-4000-8000-{number:012d}"
    serving = {
        "protocol": "OPENAI",
        "model_type": "CHAT_COMPLETION",
        "predict_route": "/predict",
        "streaming_predict_route": "/predict",
        "model": "chat",
        "apis": ["EXECUTE", "CHAT_COMPLETIONS", "COMPLETIONS", "TYPED"],
    }
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelInstance",
        "metadata": _metadata(
            name,
            uid,
            generation=1,
            labels={"team": "bench"},
            managedFields=[{"manager": "kubectl", "fieldsV1": {"f:spec": {f"f:{n}": {} for n in range(20)}}}],
        ),
        "spec": {
            "model_template_id": "chat-server",
            "model_type": "CHAT_COMPLETION",
            "model_creation_parameters": {"MODEL_NAME": "chat", "BATCH_SIZE": 8},
            "name": f"Chat {number}",
            "display_name": f"The chat model number {number}",
            "description": f"A model to measure with, which has the number {number} and a description.",
        },
        "status": {
            "observedGeneration": 1,
            "conditions": [_condition("Ready"), _condition("Available"), _condition("Autoscaling")],
            "id": uid,
            "created_at": _CREATED,
            "created_by_user_id": USERNAME,
            "created_by_identity_type": "service_account",
            "account_id": NAMESPACE,
            **_CONTRACTS,
            "deployment_count": 1,
            "deployments": [
                {
                    "name": name,
                    "status": "READY",
                    "replicas": 1,
                    "ready_replicas": 1,
                    "url": f"http://{name}.{NAMESPACE}.svc:80",
                    "created_at": _CREATED,
                    "pod_revision": "0123456789",
                    "serving": serving,
                }
            ],
            "template": {
                "kind": "ModelTemplate",
                "name": _TEMPLATE_NAME,
                "uid": _TEMPLATE_UID,
                "generation": 1,
            },
            "url": f"http://{name}.{NAMESPACE}.svc:80",
            "replicas": 1,
            "ready_replicas": 1,
            "selector": f"modeloperator.dev/instance={name}",
        },
    }


def _condition(name: str) -> dict[str, Any]:
    return {
        "type": name,
        "status": "True",
        "reason": "RolledOut",
        "message": "All workers are rolled out and ready: 1 of 1.",
        "lastTransitionTime": _CREATED,
        "observedGeneration": 1,
    }


def template() -> dict[str, Any]:
    """Give the template of all instances."""
    return {
        "apiVersion": "modeloperator.dev/v1alpha1",
        "kind": "ModelTemplate",
        "metadata": _metadata(_TEMPLATE_NAME, _TEMPLATE_UID, generation=1),
        "spec": {
            "model_type": "CHAT_COMPLETION",
            "endpoint_protocol": "OPENAI",
            "model_creation_parameters_schema": {
                "parameters": [
                    {"name": "MODEL_NAME", "type": "str", "description": "Model.", "required": True},
                    {"name": "BATCH_SIZE", "type": "int", "description": "Size.", "required": False},
                ]
            },
            "vendor_configuration": {
                "bundle_config": {"registry": "registry.test", "image": "chat", "tag": "v1"},
                "endpoint_config": {"cpus": "100m", "memory": "64Mi", "storage": "100Mi"},
            },
        },
    }


def endpoint_slice(number: int, port: int, addresses: list[str]) -> dict[str, Any]:
    """Give the EndpointSlice of an instance's Service, as its controller makes it."""
    name = f"{NAME}-{number}" if number else NAME
    owner = {"apiVersion": "v1", "kind": "Service", "name": name, "uid": f"s-{number}", "controller": True}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _metadata(
            f"{name}-abcde",
            f"slice-{number}",
            labels={
                "kubernetes.io/service-name": name,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "app.kubernetes.io/managed-by": "model-operator",
                "modeloperator.dev/instance": name,
                "modeloperator.dev/deployment": name,
            },
            ownerReferences=[owner],
        ),
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": [address],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "name": f"{name}-{address}", "uid": f"{name}-{address}"},
            }
            for address in addresses
        ],
    }


class FakeApi:
    """The server.

    Parameters
    ----------
    worker_port
        Port of all workers.
    instances
        Number of instances.
    """

    def __init__(self, worker_port: int, instances: int) -> None:
        self._worker_port = worker_port
        self._objects = {
            _INSTANCES: [instance(number) for number in range(instances)],
            _SLICES: [endpoint_slice(number, worker_port, [WORKER]) for number in range(instances)],
            _TEMPLATES: [template()],
            _CLUSTER_TEMPLATES: [],
            _NAMESPACES: [{"metadata": {"name": NAMESPACE, "uid": "n", "resourceVersion": "1"}}],
        }
        self._watchers: dict[str, list[asyncio.Queue[dict[str, Any]]]] = {path: [] for path in self._objects}
        self._version = 1
        self._counts: Counter[str] = Counter()

    def application(self) -> web.Application:
        """Give the application."""
        application = web.Application(middlewares=[self._count])
        add = application.router
        add.add_get("/counts", self._show_counts)
        add.add_post("/workers", self._set_workers)
        add.add_get("/version", self._version_of)
        add.add_get("/apis/{group}/{version}", self._discovery)
        for path in self._objects:
            add.add_get(path, self._list_or_watch)
        add.add_post("/apis/authentication.k8s.io/v1/tokenreviews", self._token_review)
        add.add_post("/apis/authorization.k8s.io/v1/subjectaccessreviews", self._access_review)
        add.add_post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", self._access_review)
        return application

    @web.middleware
    async def _count(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path not in ("/counts", "/workers"):
            verb = "watch" if "watch" in request.query else request.method.lower()
            self._counts[f"{verb} {request.path.rpartition('/')[2]}"] += 1
        response: web.StreamResponse = await handler(request)
        return response

    async def _show_counts(self, _: web.Request) -> web.Response:
        return web.json_response(self._counts)

    async def _set_workers(self, request: web.Request) -> web.Response:
        """Replace the workers of the measured model."""
        changed = endpoint_slice(0, self._worker_port, await request.json())
        self._version += 1
        changed["metadata"]["resourceVersion"] = str(self._version)
        self._objects[_SLICES][0] = changed
        for queue in self._watchers[_SLICES]:
            queue.put_nowait({"type": "MODIFIED", "object": changed})
        return web.json_response({})

    async def _version_of(self, _: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "36", "gitVersion": "v1.36.0"})

    async def _discovery(self, request: web.Request) -> web.Response:
        group = "/".join(request.match_info.values())
        names = ["modelinstances", "endpointslices", "modeltemplates", "clustermodeltemplates"]
        return web.json_response({"groupVersion": group, "resources": [{"name": name} for name in names]})

    async def _list_or_watch(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if request.query.get("watch"):
            return await self._watch(request, path)
        items = self._objects[path]
        begin, limit = int(request.query.get("continue") or 0), int(request.query.get("limit") or len(items))
        end = begin + limit
        metadata = {
            "resourceVersion": str(self._version),
            "continue": str(end) if end < len(items) else "",
        }
        return web.json_response({"kind": "List", "metadata": metadata, "items": items[begin:end]})

    async def _watch(self, request: web.Request, path: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        async for event in self._events(path, float(request.query.get("timeoutSeconds") or 240)):
            await response.write(json.dumps(event).encode() + b"\n")
        return response

    async def _events(self, path: str, seconds: float) -> AsyncIterator[dict[str, Any]]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._watchers[path].append(queue)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    yield await queue.get()
        except TimeoutError:
            return
        finally:
            self._watchers[path].remove(queue)

    async def _token_review(self, request: web.Request) -> web.Response:
        spec = (await request.json())["spec"]
        status: dict[str, Any] = {"authenticated": spec["token"] == TOKEN}
        if status["authenticated"]:
            status["user"] = {"username": USERNAME, "uid": "u", "groups": ["system:serviceaccounts"]}
            status["audiences"] = spec.get("audiences") or []
        return web.json_response({"status": status})

    async def _access_review(self, _: web.Request) -> web.Response:
        return web.json_response({"status": {"allowed": True}})


def kubeconfig(port: int) -> dict[str, Any]:
    """Give the kubeconfig of this server."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "bench", "user": {"token": "gateway"}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
    }


if __name__ == "__main__":
    own_port, workers, count = map(int, sys.argv[1:])
    web.run_app(
        FakeApi(workers, count).application(),
        host="127.0.0.1",
        port=own_port,
        print=lambda _: None,
        access_log=None,
    )
