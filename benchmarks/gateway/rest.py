"""What the platform's REST API costs: lists of many models, and a creation beside the bare one."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.gateway.api import TOKEN
from benchmarks.gateway.load import Connection, closed_loop
from benchmarks.gateway.measures import percentile
from benchmarks.gateway.processes import LOAD_CORE, LOOPBACK, PROXY_CORE, Contender, get
from tests.cluster.cluster import OPERATOR_NAMESPACE
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kube_api import KubeApi, KubeApiError
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.ports import free_ports
from tests.cluster.waiting import wait_for
from tests.cluster.webhooks import webhook_configurations, webhook_environment, write_certificate
from tests.examples.objects import TEMPLATE, instance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.gateway.processes import Stage

_LIST_SECONDS = 15.0
_OTHER_SECONDS = 3.0
_CREATES, _WARM_UP = 200, 20
_PAUSE_SECONDS = 0.02
_NAMESPACE, _CALLER = "bench", "creator"
_INSTANCES = "/apis/modeloperator.dev/v1alpha1/namespaces/bench/modelinstances"
_REVIEWS = ("post tokenreviews", "post subjectaccessreviews")
_RULES = [
    {
        "apiGroups": ["modeloperator.dev"],
        "resources": ["modelinstances", "modeltemplates"],
        "verbs": ["get", "list", "create"],
    }
]

Figures = dict[str, Any]


def lists(contender: Contender, api: int, instances: int) -> Figures:
    """Give the durations of lists of 100 models, one after the other, and the requests to the API server."""
    asyncio.run(closed_loop(contender.target, _list("limit=100"), connections=1, seconds=1.0))
    before = get(api, "/counts")
    begin, cpu = time.perf_counter(), contender.cpu_seconds()
    results = asyncio.run(
        closed_loop(contender.target, _list("limit=100"), connections=1, seconds=_LIST_SECONDS)
    )
    seconds, cpu = time.perf_counter() - begin, contender.cpu_seconds() - cpu
    after = get(api, "/counts")
    grown = {name: count - before.get(name, 0) for name, count in after.items()}
    figures = {
        "instances": instances,
        "requests": len(results.seconds),
        "failures": len(results.failures),
        "p50_ms": percentile(results.seconds, 0.5) * 1000,
        "p99_ms": percentile(results.seconds, 0.99) * 1000,
        "cpu_ms": cpu / len(results.seconds) * 1000,
        "reviews_in_10_s": sum(grown.get(name, 0) for name in _REVIEWS) / seconds * 10,
        "others": sum(count for name, count in grown.items() if name not in _REVIEWS and "watch" not in name),
    }
    for name, query in (
        ("sorted", "limit=100&sort_by=description%3Adesc%2Cname%3Aasc"),
        ("last", f"limit=100&page={instances // 100}"),
        ("filtered", "limit=100&model_type=CHAT_COMPLETION&account_id=bench"),
        ("deployments", ""),
    ):
        path = "/v4/model-deployments" if name == "deployments" else "/v4/models"
        request = _list(query or "limit=100", path)
        other = asyncio.run(closed_loop(contender.target, request, connections=1, seconds=_OTHER_SECONDS))
        figures["failures"] += len(other.failures)
        if other.seconds:
            figures[f"{name}_p50_ms"] = percentile(other.seconds, 0.5) * 1000
        for failure in sorted(set(other.failures))[:1]:
            print(f"  {name}: {failure}", flush=True)
    figures["rss_mib"] = contender.rss_mib()
    return figures


def _list(query: str, path: str = "/v4/models") -> bytes:
    return f"GET {path}?{query} HTTP/1.1\r\nHost: bench\r\nx-api-key: {TOKEN}\r\n\r\n".encode()


def creations(stage: Stage) -> Figures:
    """Give the durations of creations over REST and at the API server, in turn, by the same caller.

    They are measured with the webhooks as they are shipped, and without. The operator that serves them is no
    leader, so that it reconciles nothing beside the measurement. API server and operator have both cores.
    """
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {PROXY_CORE, LOAD_CORE})
    try:
        return _creations(stage)
    finally:
        os.sched_setaffinity(0, own)


def _creations(stage: Stage) -> Figures:
    with ControlPlane.start(directory=stage.folder / "cluster", bare=True) as cluster:
        admin = KubeApi(cluster.kubeconfig, _NAMESPACE)
        token = _prepare(cluster, admin)
        with stage.gateway_at(cluster.gateway_kubeconfig()) as (ours, _):
            without = asyncio.run(_created(cluster, ours, token, "plain"))
            with _webhooks(stage, cluster, admin):
                return {
                    **asyncio.run(_created(cluster, ours, token, "judged")),
                    "without_webhooks": without,
                }


@contextmanager
def _webhooks(stage: Stage, cluster: ControlPlane, admin: KubeApi) -> Iterator[None]:
    """Have a replica that is not the leader serve the shipped webhooks."""
    folder = stage.folder / "certificates"
    folder.mkdir()
    authority = write_certificate(folder)
    (port,) = free_ports(1)
    kubeconfig = cluster.operator_kubeconfig()
    held = {
        "holderIdentity": "another",
        "leaseDurationSeconds": 3600,
        "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    admin.in_namespace(OPERATOR_NAMESPACE).create(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "model-operator"},
            "spec": held,
        }
    )
    environment = webhook_environment(port, folder)
    # It would take the Lease over once that has not been renewed for this time.
    environment["MODEL_OPERATOR_LEASE__DURATION_SECONDS"] = "3600"
    log = stage.folder / "operator.log"
    with OperatorProcess.start(kubeconfig, log=log, environment=environment):
        for configuration in webhook_configurations(port, authority):
            admin.apply(configuration)
        # The API server reads its configurations anew each second.
        wait_for(lambda: _is_judged(admin), message="the webhooks")
        yield


def _is_judged(admin: KubeApi) -> bool:
    wrong = instance("wrong", model_creation_parameters={})
    try:
        admin.create(wrong)
    except KubeApiError:
        return True
    admin.delete("ModelInstance", "wrong")
    return False


def _prepare(cluster: ControlPlane, admin: KubeApi) -> str:
    """Make the template and a caller that may create models; give the caller's token."""
    rbac = "rbac.authorization.k8s.io"
    metadata = {"name": _CALLER}
    admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}})
    admin.apply(yaml.safe_load(TEMPLATE))
    admin.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    admin.apply({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": _RULES})
    admin.apply(
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": _CALLER},
            "subjects": [{"kind": "ServiceAccount", "name": _CALLER, "namespace": _NAMESPACE}],
        }
    )
    return cluster.kubectl("create", "token", _CALLER, "--namespace", _NAMESPACE).stdout.strip()


async def _created(cluster: ControlPlane, ours: Contender, token: str, prefix: str) -> Figures:
    host, port, context = _server(cluster)
    rest = await Connection.open(*ours.target)
    bare = await Connection.open(host, port, context)
    body = {
        "model_type": "EMBEDDING",
        "account_id": _NAMESPACE,
        "model_template_id": "encoder",
        "model_creation_parameters": {"MODEL_NAME": "all-MiniLM-L6-v2"},
        "description": "A model to measure with.",
    }
    await rest.call(_post("/v4/models", {**body, "name": f"{prefix}-first"}, token))
    answer = await bare.call(_request("GET", f"{_INSTANCES}/{prefix}-first", token))
    made = json.loads(answer.body)
    metadata = {name: value for name, value in made["metadata"].items() if name in ("labels", "annotations")}
    same = {name: value for name, value in made.items() if name not in ("metadata", "status")}
    durations: dict[str, list[float]] = {"rest": [], "bare": []}
    cpu = 0.0
    for number in range(_WARM_UP + _CREATES):
        if number == _WARM_UP:
            cpu = ours.cpu_seconds()
        # The watch brings the gateway what was created last: it is not to do so during the next one.
        for name in ("rest", "bare") if number % 2 else ("bare", "rest"):
            if name == "rest":
                request = _post("/v4/models", {**body, "name": f"{prefix}-rest-{number}"}, token)
                taken = (await rest.call(request)).seconds
            else:
                obj = {**same, "metadata": {**metadata, "name": f"{prefix}-bare-{number}"}}
                path = f"{_INSTANCES}?fieldManager=model-operator-rest"
                taken = (await bare.call(_post(path, obj, token))).seconds
            await asyncio.sleep(_PAUSE_SECONDS)
            if number >= _WARM_UP:
                durations[name].append(taken)
    cpu = ours.cpu_seconds() - cpu
    rest.close()
    bare.close()
    medians = {name: percentile(values, 0.5) * 1000 for name, values in durations.items()}
    return {
        "count": _CREATES,
        "rest_p50_ms": medians["rest"],
        "bare_p50_ms": medians["bare"],
        "rest_p99_ms": percentile(durations["rest"], 0.99) * 1000,
        "bare_p99_ms": percentile(durations["bare"], 0.99) * 1000,
        "ratio": medians["rest"] / medians["bare"],
        "cpu_ms": cpu / _CREATES * 1000,
    }


def _server(cluster: ControlPlane) -> tuple[str, int, ssl.SSLContext]:
    """Give address and port of the API server, and a context that trusts it."""
    shown = cluster.kubectl("config", "view", "--minify", "--flatten", "--raw", "--output=json").stdout
    found: Mapping[str, Any] = yaml.safe_load(shown)["clusters"][0]["cluster"]
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return LOOPBACK, int(found["server"].rpartition(":")[2]), context


def _post(path: str, body: Mapping[str, Any], token: str) -> bytes:
    return _request("POST", path, token, json.dumps(body).encode())


def _request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
