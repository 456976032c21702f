"""Metrics of pods whose load the test decides; runs in a pod, with Python alone: ``metrics_server.py``.

The ConfigMap ``load`` of the pods' namespace has the load of all workers together, in thousandths, by the
metric's name; as real load does, it spreads over the pods that are ready. ``cpu`` is served by
``metrics.k8s.io``, for the container ``model``, and every name by ``custom.metrics.k8s.io``.
"""

import json
import pathlib
import ssl
import urllib.request
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

PORT = 6443
CERTIFICATE = "/certificate/tls.pem"
ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
RESOURCES, CUSTOM = "/apis/metrics.k8s.io/v1beta1", "/apis/custom.metrics.k8s.io/v1beta2"

Object = dict[str, Any]


def read(path: str) -> Object:
    """Read from the API server, as the pod's ServiceAccount."""
    token = (ACCOUNT / "token").read_text()
    request = urllib.request.Request(
        f"https://kubernetes.default.svc{path}", headers={"Authorization": f"Bearer {token}"}
    )
    trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, timeout=10, context=trusted) as response:
        found: Object = json.load(response)
        return found


def share(metric: str, namespace: str, selector: str) -> tuple[int, list[str]]:
    """Give the load of one worker, in thousandths, and the names of those that are ready."""
    where = f"/api/v1/namespaces/{quote(namespace)}"
    pods = read(f"{where}/pods?labelSelector={quote(selector)}")["items"]
    ready = [pod["metadata"]["name"] for pod in pods if is_ready(pod)]
    total = int(read(f"{where}/configmaps/load")["data"][metric])
    return total // max(1, len(ready)), ready


def is_ready(pod: Object) -> bool:
    """Whether a pod is Ready."""
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def answer(path: str, query: dict[str, list[str]]) -> Object | None:
    """Give what is at a path; None when there is nothing."""
    selector = query.get("labelSelector", [""])[0]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    match path.removeprefix(RESOURCES).removeprefix(CUSTOM).strip("/").split("/"):
        case [""] if path.startswith(RESOURCES):
            return discovery("metrics.k8s.io/v1beta1", "pods", "PodMetrics")
        case [""] if path.startswith(CUSTOM):
            return discovery("custom.metrics.k8s.io/v1beta2", "pods/any", "MetricValueList")
        case ["namespaces", namespace, "pods"] if path.startswith(RESOURCES):
            each, pods = share("cpu", namespace, selector)
            usage = [{"name": "model", "usage": {"cpu": f"{each}m", "memory": "1Mi"}}]
            about: Object = {"timestamp": now, "window": "1s", "containers": usage}
            items = [{"metadata": {"name": pod, "namespace": namespace}, **about} for pod in pods]
            return {"apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetricsList", "items": items}
        case ["namespaces", namespace, "pods", "*", metric] if path.startswith(CUSTOM):
            each, pods = share(metric, namespace, selector)
            about = {"metric": {"name": metric}, "timestamp": now, "value": f"{each}m"}
            described = {"apiVersion": "v1", "kind": "Pod", "namespace": namespace}
            items = [{"describedObject": {**described, "name": pod}, **about} for pod in pods]
            return {"apiVersion": "custom.metrics.k8s.io/v1beta2", "kind": "MetricValueList", "items": items}
    return None


def discovery(version: str, name: str, kind: str) -> Object:
    """Give the list of what a version of a group serves."""
    served = {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get", "list"]}
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [served]}


class Handler(BaseHTTPRequestHandler):
    """Answers the API server, which asks for those who ask it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        url = urlsplit(self.path)
        found = answer(unquote(url.path), parse_qs(url.query))
        body = json.dumps(found if found is not None else {"kind": "Status", "code": 404}).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("", PORT), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
